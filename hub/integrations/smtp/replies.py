"""Read replies: what a person wrote, and the files that they attached."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.message import EmailMessage, MIMEPart
from email.policy import compat32
from email.utils import parseaddr
from typing import Any
from uuid import UUID

from hub.integrations.api import Address, Attachment, Channel, Inbound, emails, readable
from hub.integrations.smtp.quotes import own_text, text_of_html
from hub.integrations.smtp.return_paths import MESSAGE_ID

MAX_REPLY_LENGTH = 20_000  # characters
MAX_FILES = 10  # of one reply; others are not listed
MAX_NAME_LENGTH = 100  # characters
_AUTOMATIC = ("auto-generated", "auto-replied", "auto-notified")
_CONTENT_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,80}")
_UNKNOWN_TYPE = "application/octet-stream"


def is_automatic(email: EmailMessage) -> bool:
    """Return whether a program sent an email, such as a note about a vacation."""
    kind = str(email.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    return (
        kind in _AUTOMATIC
        or email.get_content_type() == "multipart/report"
        or str(email.get("Return-Path", "")).strip() == "<>"
        or str(email.get("Precedence", "")).strip().lower() in ("bulk", "junk", "list")
    )


def read_reply(email: EmailMessage, settings: Mapping[str, Any]) -> Inbound | None:
    """Return an email that a person sent, or None if it has no sender."""
    name, written = parseaddr(str(email.get("From", "")))
    try:
        address = emails.clean_email(written)
    except ValueError:
        return None
    own = settings["from_address"]
    if address == emails.clean_email(own):
        return None
    references = f"{email.get('In-Reply-To', '')} {email.get('References', '')}"
    answered = MESSAGE_ID.search(references)
    text = _reply_text(email)
    if not answered:
        # the sender of an email can be forged: a keyword counts only in a reply to a message
        subject = str(email.get("Subject", "")).strip() or "No subject"
        text = f"Subject: {subject}\n\n{text}"
    return Inbound(
        channel=Channel.EMAIL,
        senders=(emails.clean_email(own),),
        kind=Address.EMAIL,
        address=address,
        name=name,
        text=text,
        media=tuple(Attachment("", _type_of(part), _name_of(part)) for part in _files(email)),
        provider_id=str(email.get("Message-ID", "")).strip(),
        in_reply_to=f"msg_{UUID(answered[1])}@{emails.domain_of(own)}" if answered else "",
    )


def _reply_text(email: EmailMessage) -> str:
    """Return what a person wrote, without the message that it answers."""
    part = email.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        text = str(part.get_content())
    except (LookupError, ValueError):
        text = str(part.get_payload())
    if part.get_content_type() == "text/html":
        text = text_of_html(text)
    return own_text(readable(text))[:MAX_REPLY_LENGTH]


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────
def attached_file(email: EmailMessage, position: int) -> tuple[str, bytes]:
    """Return the content type and the content of an attached file. Raises IndexError."""
    part = _files(email)[position]
    if part.get_content_maintype() == "message":  # an email that was forwarded as a file
        [forwarded] = part.iter_parts()
        return _type_of(part), forwarded.as_bytes(policy=compat32)
    content = part.get_payload(decode=True)
    return _type_of(part), content if isinstance(content, bytes) else b""


def _files(email: EmailMessage) -> list[MIMEPart]:
    """Return the parts of an email that are files: they have a name, or are marked as attached."""
    text = email.get_body(("plain", "html"))
    return [
        part
        for part in _single_parts(email)
        if part is not text and (part.is_attachment() or part.get_filename())
    ][:MAX_FILES]


def _single_parts(email: EmailMessage) -> Iterator[MIMEPart]:
    """Return the parts of an email in their order, but not those of a forwarded one."""
    waiting: list[MIMEPart] = [email]
    while waiting:
        part = waiting.pop()
        if part.get_content_maintype() == "multipart":
            waiting += reversed(list(part.iter_parts()))
        else:
            yield part


def _type_of(part: MIMEPart) -> str:
    content_type = part.get_content_type()
    return content_type if _CONTENT_TYPE.fullmatch(content_type) else _UNKNOWN_TYPE


def _name_of(part: MIMEPart) -> str:
    """Return the name of a file without the folders of the sender's computer."""
    return str(part.get_filename() or "").replace("\\", "/").rpartition("/")[2][-MAX_NAME_LENGTH:]
