"""The settings of a connection to a mail server."""

from __future__ import annotations

from typing import Any

from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, Optional, Regexp, ValidationError

from hub.integrations.api import ConfigForm, SecretField
from hub.integrations.smtp.addresses import validate_address

IMPLICIT_TLS = "tls"
STARTTLS = "starttls"
UNENCRYPTED = "none"
REPLY_TO_ADDRESS = "address"
REPLY_TO_SENDER = "sender"
UNSUBSCRIBE_REMINDERS = "reminders"
UNSUBSCRIBE_ALL = "all"
UNSUBSCRIBE_NEVER = "never"


def _strip(text: str | None) -> str | None:
    return text.strip() if text else text


def _validate_username(form: Any, field: Any) -> None:
    if form.password.data and not field.data:
        raise ValidationError("Enter the username that belongs to the password.")


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
        render_kw={"legend": "Server", "mono": True},
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
    username = StringField(
        "Username",
        [
            Optional(),
            Length(max=320, message="Enter at most 320 characters."),
            _validate_username,
        ],
        filters=[_strip],
        description="Often the email address. Leave empty if the server needs no sign-in.",
        render_kw={"legend": "Sign-in", "optional": "optional", "autocomplete": "off"},
    )
    password = SecretField(
        "Password",
        [Optional(), Length(max=1000, message="Enter at most 1,000 characters.")],
        bound_to=("host", "username"),
        description=(
            "The password or app password of this user. Stored encrypted and never shown again."
        ),
        render_kw={"optional": "optional"},
    )
    from_address = StringField(
        "From address",
        [InputRequired("Enter the address that messages are sent from."), validate_address],
        filters=[_strip],
        description=(
            "Every message is sent from this address. Its domain needs SPF and DKIM records for"
            " this server."
        ),
        render_kw={"legend": "Sender", "mono": True},
    )
    from_name = StringField(
        "From name",
        [
            InputRequired("Enter a name, such as that of your company."),
            Length(max=100, message="Enter at most 100 characters."),
        ],
        filters=[_strip],
        description=(
            "Shown if a signing request has no sender name. Otherwise the sender’s name is shown"
            " with the From address."
        ),
    )
    reply_to = SelectField(
        "Replies go to",
        choices={
            REPLY_TO_ADDRESS: "the reply address",
            REPLY_TO_SENDER: "the sender of the signing request",
        },
        default=REPLY_TO_ADDRESS,
        description=(
            "Replies to the sender reach a person directly, and Signpost does not see them."
        ),
        render_kw={"legend": "Replies"},
    )
    reply_address = StringField(
        "Reply address",
        [Optional(), validate_address],
        filters=[_strip],
        description="Leave empty to receive replies at the From address.",
        render_kw={"optional": "optional", "mono": True},
    )
    bounce_address = StringField(
        "Return address",
        [Optional(), validate_address],
        filters=[_strip],
        description=(
            "Mail servers report failed deliveries here. Signpost adds the ID of the message after"
            " a `+`, as in `bounces+…@example.com`, so the mailbox has to accept such addresses."
            " Leave empty to send from the From address."
        ),
        render_kw={"optional": "optional", "mono": True},
    )
    inbound_token = SecretField(
        "Token for received emails",
        [Optional(), Regexp(r"[!-~]{20,200}\Z", message="Enter 20 to 200 visible characters.")],
        description=(
            "Only for a mail server that posts received emails to the webhook URL, with this token"
            " as `Authorization: Bearer`. Stored encrypted and never shown again."
        ),
        render_kw={"optional": "optional"},
    )
    unsubscribe = SelectField(
        "Unsubscribe link",
        choices={
            UNSUBSCRIBE_REMINDERS: "in reminders",
            UNSUBSCRIBE_ALL: "in all messages",
            UNSUBSCRIBE_NEVER: "never",
        },
        default=UNSUBSCRIBE_REMINDERS,
        description=(
            "Mailboxes show it as a button. Recipients who use it receive no more messages from"
            " this From address."
        ),
    )
