"""The settings of a connection to a mail server."""

from __future__ import annotations

from typing import Any

from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
    ValidationError,
)

from hub.integrations.api import ConfigForm, SecretField, emails
from hub.integrations.smtp import oauth_form
from hub.integrations.smtp.oauth_form import GOOGLE, MICROSOFT, PASSWORD
from hub.integrations.smtp.return_paths import MAX_LOCAL_PART

IMPLICIT_TLS = "tls"
STARTTLS = "starttls"
UNENCRYPTED = "none"


# as the libraries for SMTP and IMAP send the sign-in
_ASCII = Regexp(
    r"[ -~]*\Z",
    message="Enter ASCII characters only, because mail programs send others in different ways.",
)


def _strip(text: str | None) -> str | None:
    return text.strip() if text else text


def _validate_username(form: Any, field: Any) -> None:
    is_needed = form.password.data or form.sign_in.data != PASSWORD
    if is_needed and not field.data:
        raise ValidationError("Enter the user or the mailbox to sign in with.")


def _validate_return_address(form: Any, field: Any) -> None:
    emails.validate_ascii_address(form, field)
    if len(field.data.rpartition("@")[0]) > MAX_LOCAL_PART:
        raise ValidationError(
            f"Enter an address with at most {MAX_LOCAL_PART} characters before the @, because"
            " Signpost adds 33, and mail servers allow 64."
        )


class SmtpForm(ConfigForm):
    """Settings of a connection: the server, the sign-in, the sender and where replies go."""

    host = StringField(
        "Server",
        [
            InputRequired("Enter the name of the mail server."),
            Regexp(
                r"(?i)[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\Z",
                message="Enter a host name such as smtp.example.com, without a port.",
            ),
        ],
        filters=[_strip],
        description=(
            "The name of the server for outgoing mail, as your mail provider documents it. Example:"
            " `smtp.office365.com`."
        ),
        render_kw={"legend": "Outgoing mail", "mono": True},
    )
    encryption = SelectField(
        "Encryption",
        choices={
            IMPLICIT_TLS: "TLS (usually port 465)",
            STARTTLS: "STARTTLS (usually port 587)",
            UNENCRYPTED: "None (only for servers in HUB_HTTP_ALLOW)",
        },
        default=IMPLICIT_TLS,
        description="TLS is preferred. The server’s certificate is always checked.",
        render_kw={"half": True},
    )
    port = IntegerField(
        "Port",
        [InputRequired("Enter the port."), NumberRange(1, 65535, "Enter a number up to 65535.")],
        default=465,
        description="465 for TLS, 587 for STARTTLS.",
        render_kw={"half": True, "inputmode": "numeric"},
    )
    sign_in = SelectField(
        "Method",
        choices={
            PASSWORD: "Password, or none",
            MICROSOFT: "OAuth 2.0 of Microsoft 365",
            GOOGLE: "OAuth 2.0 of Google Workspace",
        },
        default=PASSWORD,
        description=(
            "Microsoft 365 and Google Workspace accept passwords only where an admin allows them."
        ),
        render_kw={"legend": "Sign-in"},
    )
    username = StringField(
        "Username",
        [Length(max=320, message="Enter at most 320 characters."), _ASCII, _validate_username],
        filters=[_strip],
        description=(
            "Often the email address. With OAuth 2.0, the mailbox to send from. Leave empty if the"
            " server needs no sign-in."
        ),
        render_kw={"autocomplete": "off"},
    )
    password = SecretField(
        "Password",
        [Optional(), Length(max=1000, message="Enter at most 1,000 characters."), _ASCII],
        bound_to=("host", "username"),
        description=(
            "The password or app password of this user. Stored encrypted and never shown again."
        ),
    )
    tenant = oauth_form.tenant_field()
    client_id = oauth_form.client_id_field()
    client_secret = oauth_form.client_secret_field()
    service_account = oauth_form.service_account_field()
    from_address = emails.from_address_field(
        "Its domain needs SPF and DKIM records for this server."
    )
    from_name = emails.from_name_field()
    reply_to = emails.reply_to_field()
    reply_address = emails.reply_address_field()
    unsubscribe = emails.unsubscribe_field()
    bounce_address = StringField(
        "Return address",
        [Optional(), _validate_return_address],
        filters=[_strip],
        description=(
            "Mail servers report failed deliveries here. Signpost adds the ID of the message after"
            " a `+`, as in `bounces+…@example.com`, so the mailbox has to accept such addresses."
            " Leave empty to send from the From address."
        ),
        render_kw={"mono": True},
    )
    imap_host = StringField(
        "Mailbox server",
        [
            Optional(),
            Regexp(
                r"(?i)[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\Z",
                message="Enter a host name such as imap.example.com, without a port.",
            ),
        ],
        filters=[_strip],
        description=(
            "Signpost reads reports and replies from this mailbox every minute, over IMAP with TLS,"
            " with the same sign-in. It marks each email as read. Example: `imap.example.com`."
        ),
        render_kw={"legend": "Received emails", "optional": "optional", "mono": True},
    )
    inbound_token = SecretField(
        "Token for received emails",
        [Optional(), Regexp(r"[!-~]{20,200}\Z", message="Enter 20 to 200 visible characters.")],
        description=(
            "Only for a mail server that posts received emails to the webhook URL, with this token"
            " as `Authorization: Bearer`. Stored encrypted and never shown again."
        ),
    )
