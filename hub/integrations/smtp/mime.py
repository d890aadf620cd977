"""Build an email: its headers, the plain text, and the same text as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from hub.integrations.api import Outbound, PermanentError, emails, one_line
from hub.integrations.smtp.headers import email_policy
from hub.integrations.smtp.return_paths import return_address

POLICY = email_policy()


@dataclass(frozen=True)
class Envelope:
    """An email, and the sender and recipient that the mail server needs."""

    sender: str
    recipient: str
    content: bytes
    needs_utf8: bool  # the server has to offer SMTPUTF8


def envelope(message: Outbound, settings: Mapping[str, Any]) -> Envelope:
    """Return a message as an email. Raises PermanentError if an address is not valid."""
    try:
        email = compose(message, settings)
        sender = _return_path(message, settings)
        recipient = emails.wire_form(message.to)
        needs_utf8 = not (sender.isascii() and recipient.isascii())
        policy = POLICY.clone(utf8=True, cte_type="8bit") if needs_utf8 else POLICY
        content = email.as_bytes(policy=policy)
    except (ValueError, UnicodeError):
        raise PermanentError(
            "The message cannot be written as an email: an address or a name is not valid.",
            "invalid_message",
        ) from None
    return Envelope(sender, recipient, content, needs_utf8)


def _return_path(message: Outbound, settings: Mapping[str, Any]) -> str:
    """Return the address that mail servers report failures to."""
    base = settings.get("bounce_address")
    return (
        return_address(message.id, emails.wire_form(base))
        if base
        else emails.wire_form(settings["from_address"])
    )


def compose(message: Outbound, settings: Mapping[str, Any]) -> EmailMessage:
    """Return a message as an email. Raises ValueError for text that no header may contain."""
    subject = emails.subject_of(message, settings)
    sheet = emails.sheet_of(message, settings)
    email = EmailMessage(policy=POLICY)
    email["Date"] = format_datetime(datetime.now(UTC))
    email["From"] = _mailbox(emails.sender_name(message, settings), settings["from_address"])
    email["To"] = _mailbox("", message.to)
    if reply_to := emails.reply_address(message, settings):
        email["Reply-To"] = _mailbox("", reply_to)
    email["Subject"] = subject
    for name, value in emails.letter_headers(message, settings).items():
        email[name] = value
    email.set_content(emails.plain_body(message, sheet), charset="utf-8")
    email.add_alternative(
        emails.html_body(message, subject, sheet), subtype="html", charset="utf-8"
    )
    if message.branding.logo:
        _attach_logo(email, message)
    for file in message.attachments:
        kind, _, subtype = file.content_type.partition("/")
        email.add_attachment(file.content, kind, subtype, filename=_file_name(file.name))
    return email


def _attach_logo(email: EmailMessage, message: Outbound) -> None:
    """Put the logo beside the HTML, so that opening the email loads nothing."""
    kind, _, subtype = message.branding.logo_type.partition("/")
    _, html = email.iter_parts()
    html.add_related(
        message.branding.logo, kind, subtype, cid=f"<{emails.LOGO_ID}>", disposition="inline"
    )


def _file_name(name: str) -> str:
    """Return a file name without the beginning of an encoded word.

    The standard library would decode it, and write the line breaks that it may contain.
    """
    return one_line(name).replace("=?", "=_")


def _mailbox(name: str, address: str) -> Address:
    local_part, _, domain = emails.wire_form(address).rpartition("@")
    return Address(display_name=name, username=local_part, domain=domain)
