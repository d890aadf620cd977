"""Build an email: its headers, the plain text, and the same text as HTML."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from hub.integrations.api import Outbound, PermanentError
from hub.integrations.smtp.addresses import domain_of, wire_form
from hub.integrations.smtp.form import (
    REPLY_TO_SENDER,
    UNSUBSCRIBE_ALL,
    UNSUBSCRIBE_REMINDERS,
)
from hub.integrations.smtp.headers import email_policy
from hub.integrations.smtp.labels import labels_of
from hub.integrations.smtp.layout import (
    BUTTON_COLOR,
    BUTTON_TEXT_COLOR,
    Sheet,
    html_body,
    plain_body,
)
from hub.integrations.smtp.return_paths import return_address

MAX_SUBJECT_LENGTH = 200  # characters; mailboxes show about 60
MAX_NAME_LENGTH = 100
LOGO_ID = "logo@signpost"


POLICY = email_policy()


@dataclass(frozen=True)
class Envelope:
    """An email, and the sender and recipient that the mail server needs."""

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool  # the server has to offer SMTPUTF8


def message_id(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the ID of an email without brackets. It is the same in every attempt."""
    return f"{message.id}@{domain_of(settings['from_address'])}"


def envelope(message: Outbound, settings: Mapping[str, Any]) -> Envelope:
    """Return a message as an email. Raises PermanentError if an address is not valid."""
    try:
        email = compose(message, settings)
        sender = _return_path(message, settings)
        recipient = wire_form(message.to)
    except (ValueError, UnicodeError):
        raise PermanentError(
            "The message cannot be written as an email: an address or a name is not valid.",
            "invalid_message",
        ) from None
    needs_utf8 = not (sender.isascii() and recipient.isascii())
    policy = POLICY.clone(utf8=True, cte_type="8bit") if needs_utf8 else POLICY
    return Envelope(sender, recipient, email.as_bytes(policy=policy), needs_utf8)


def _return_path(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the address that mail servers report failures to."""
    base = settings.get("bounce_address")
    return (
        return_address(message.id, wire_form(base)) if base else wire_form(settings["from_address"])
    )


def compose(message: Outbound, settings: Mapping[str, Any]) -> EmailMessage:
    """Return a message as an email. Raises ValueError for text that no header may contain."""
    subject = subject_of(message, settings)
    sheet = sheet_of(message, settings)
    email = EmailMessage(policy=POLICY)
    email["Message-ID"] = f"<{message_id(message, settings)}>"
    email["Date"] = format_datetime(datetime.now(UTC))
    email["From"] = _mailbox(sender_name(message, settings), settings["from_address"])
    email["To"] = _mailbox("", message.to)
    if reply_to := reply_address(message, settings):
        email["Reply-To"] = _mailbox("", reply_to)
    email["Subject"] = subject
    if message.request:
        # mailboxes show messages about the same request as one conversation
        email["References"] = f"<{message.request}@{domain_of(settings['from_address'])}>"
    if url := unsubscribe_url(message, settings):
        email["List-Unsubscribe"] = f"<{url}>"
        email["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    email["Auto-Submitted"] = "auto-generated"
    email["X-Auto-Response-Suppress"] = "All"
    email.set_content(plain_body(message, sheet), charset="utf-8")
    email.add_alternative(html_body(message, subject, sheet), subtype="html", charset="utf-8")
    if message.branding.logo:
        _attach_logo(email, message)
    for file in message.attachments:
        kind, _, subtype = file.content_type.partition("/")
        email.add_attachment(file.content, kind, subtype, filename=file.name)
    return email


def sheet_of(message: Outbound, settings: Mapping[str, Any]) -> Sheet:
    """Return what an email shows around its text."""
    branding = message.branding
    url = unsubscribe_url(message, settings)
    labels = labels_of(message.locale)
    lines = (
        f"{labels.support}: {branding.support}" if branding.support else "",
        branding.footer,
        f"{labels.unsubscribe}: {url}" if url else "",
    )
    return Sheet(
        branding.name or settings["from_name"],
        footer="\n".join(filter(None, lines)),
        logo=f"cid:{LOGO_ID}" if branding.logo else "",
        color=branding.color or BUTTON_COLOR,
        color_on=branding.text_color if branding.color else BUTTON_TEXT_COLOR,
    )


def preview_html(message: Outbound) -> str:
    """Return the HTML of an email for a page, with the logo inside."""
    branding = message.branding
    settings = {"from_name": message.sender_name}
    sheet = sheet_of(message, settings)
    if branding.logo:
        logo = b64encode(branding.logo).decode()
        sheet = replace(sheet, logo=f"data:{branding.logo_type};base64,{logo}")
    return html_body(message, subject_of(message, settings), sheet)


def unsubscribe_url(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the link with which the recipient opts out, '' if the settings show none.

    Mailboxes accept only https addresses.
    """
    choice = settings.get("unsubscribe") or UNSUBSCRIBE_REMINDERS
    is_shown = choice == UNSUBSCRIBE_ALL or (choice == UNSUBSCRIBE_REMINDERS and message.reminds)
    return message.unsubscribe_url if is_shown else ""


def _attach_logo(email: EmailMessage, message: Outbound) -> None:
    """Put the logo beside the HTML, so that opening the email loads nothing."""
    kind, _, subtype = message.branding.logo_type.partition("/")
    _, html = email.iter_parts()
    html.add_related(message.branding.logo, kind, subtype, cid=f"<{LOGO_ID}>", disposition="inline")


def subject_of(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the subject of an email; one without a subject names the sender."""
    subject = message.subject.strip()
    if not subject:
        label = labels_of(message.locale).from_sender
        subject = label.replace("{name}", sender_name(message, settings))
    if len(subject) > MAX_SUBJECT_LENGTH:
        subject = subject[: MAX_SUBJECT_LENGTH - 1].rstrip() + "…"
    return subject


def sender_name(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the name in the From header: that of the request's sender, or of the connection.

    A name that contains an address is not used, because mailboxes treat it as forged.
    """
    name = message.sender_name.strip()
    if not name or "@" in name:
        name = settings["from_name"]
    return name[:MAX_NAME_LENGTH]


def reply_address(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the address for replies, or '' for the From address."""
    if settings.get("reply_to") == REPLY_TO_SENDER:
        try:
            return wire_form(message.sender_address)
        except ValueError:
            pass  # the request has no sender with an address
    return settings.get("reply_address") or ""


def _mailbox(name: str, address: str) -> Address:
    local_part, _, domain = wire_form(address).rpartition("@")
    return Address(display_name=name, username=local_part, domain=domain)
