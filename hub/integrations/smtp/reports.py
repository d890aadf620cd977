"""Read reports of failed deliveries, and complaints.

A report counts only if it names a message of Signpost, by the address that the message was sent
from (VERP) or by its Message-ID. Both hold random bits that only its recipients know, so nobody
can report a failure of another person's message.

A report suppresses the address only by an enhanced code that says that the address is dead. Words
never suppress, because they may be of any language.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from email.message import EmailMessage, Message
from typing import Any
from uuid import UUID

from hub.integrations.api import (
    ErrorCode,
    Feedback,
    RecipientRefused,
    Status,
    StatusUpdate,
    emails,
)
from hub.integrations.smtp import errors
from hub.integrations.smtp.return_paths import MESSAGE_ID, RETURN_ADDRESS

COMPLAINTS = {"abuse", "fraud", "other", "virus"}  # not `not-spam`
ACTIONS = {
    "failed": Status.UNDELIVERED,
    "delivered": Status.DELIVERED,
    "delayed": None,
    "relayed": None,
    "expanded": None,
}
MAX_REPORT_LENGTH = 10_000  # characters of a report in another format that are read
_STATUS = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})")
_WORD = re.compile(r"\s*[A-Za-z]+")
# an enhanced code in the words of a server: as qmail writes it, or after the code of a reply
_DIAGNOSTIC = re.compile(r"(?:[(<]#|\b[45]\d\d[ -]\s?#?)([45]\.\d{1,3}\.\d{1,3})\b")
# the first line of the message that was returned. Its text may hold such a code, too
_COPY = re.compile(
    r"(?im)^[> \t]*(?:(?:return-path|received|message-id|mime-version|content-type|dkim-signature"
    r"|from|to|date|subject|references|auto-submitted):|.*original message).*$"
)


def read_reports(email: EmailMessage, settings: Mapping[str, Any]) -> Iterator[StatusUpdate]:
    subject = _subject_of_report(email)
    if subject is None:
        return
    provider_id = f"msg_{subject}@{emails.domain_of(settings['from_address'])}"
    parts = [part for part in email.walk() if part.get_content_type() == "message/delivery-status"]
    blocks = [block for part in parts for block in _blocks(part) if block.get("Action")]
    for block in blocks:
        yield _update(block, provider_id)
    is_complaint = any(_feedback_blocks(email))
    if not blocks and not is_complaint:
        yield from _read_other_format(email, provider_id)


def _subject_of_report(email: EmailMessage) -> UUID | None:
    """Return the ID of the message of Signpost that a report is about, or None."""
    addresses = " ".join(
        str(value)
        for name in ("To", "Delivered-To", "X-Original-To", "Envelope-To")
        for value in email.get_all(name, [])
    )
    if match := RETURN_ADDRESS.search(addresses):
        return UUID(match[1])
    if email.get_content_type() != "multipart/report":
        return None
    content = email.as_bytes().decode("utf-8", "replace")
    match = MESSAGE_ID.search(content) or RETURN_ADDRESS.search(content)
    return UUID(match[1]) if match else None


def _blocks(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Message)] if payload else []


def _update(block: Message, provider_id: str) -> StatusUpdate:
    """Return the status in one block of a report (RFC 3464)."""
    word = _WORD.match(str(block["Action"]))
    action = word[0].strip().lower() if word else ""
    status = ACTIONS.get(action)
    if status != Status.UNDELIVERED:
        return StatusUpdate(provider_id=provider_id, status=status, provider_status=action)
    return _failure(_code_of(block), action, provider_id)


def _code_of(block: Message) -> str:
    """Return the enhanced code of a failure. Some servers name it only in their own words."""
    found = _STATUS.match(str(block.get("Status", "")))
    if found is None or found[1].endswith(".0.0"):
        found = _DIAGNOSTIC.search(str(block.get("Diagnostic-Code", ""))) or found
    return found[1] if found else ""


def _failure(code: str, action: str, provider_id: str) -> StatusUpdate:
    entry = errors.entry_of(code) or errors.ERRORS.codes["returned"]
    return StatusUpdate(
        provider_id=provider_id,
        status=Status.UNDELIVERED,
        provider_status=action,
        code=code or "returned",
        reason=entry.sentence,
        error=_suppressing_error(entry, code),
        feedback=Feedback.BOUNCED,
    )


def _suppressing_error(entry: ErrorCode, code: str) -> RecipientRefused | None:
    """Return the error of an address that does not exist. Other failures may be temporary.

    A report must not pause the connection, so no other error counts.
    """
    error = entry.new_error(code)
    return error if isinstance(error, RecipientRefused) else None


def _read_other_format(email: EmailMessage, provider_id: str) -> Iterator[StatusUpdate]:
    """Return the status in a report of another format, if the email is one."""
    from flufl.bounce import all_failures  # slow to load, and few emails need it

    # it logs what it cannot read, with parts of the email
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)
    try:
        temporary, permanent = all_failures(email)
    except Exception:  # its readers of odd formats fail on emails that have none of them
        return
    if temporary and not permanent:  # a warning: the server tries again
        yield StatusUpdate(provider_id=provider_id, status=None, provider_status="delayed")
    if permanent:
        failures = [
            _failure(code, "returned", provider_id)
            for code in _DIAGNOSTIC.findall(_text_of(email)) or [""]
        ]
        # servers on the way may name several codes: the address is dead only if all codes say so
        yield next((failure for failure in failures if failure.error is None), failures[0])


def _text_of(email: EmailMessage) -> str:
    """Return what a report says, without the copy of the message below it."""
    part = next((part for part in email.walk() if part.get_content_type() == "text/plain"), email)
    content = part.get_payload(decode=True)
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
    return _COPY.split(text[:MAX_REPORT_LENGTH], maxsplit=1)[0]


def read_complaints(email: EmailMessage, settings: Mapping[str, Any]) -> Iterator[StatusUpdate]:
    """Return the complaint in a report of the recipient's provider (RFC 5965)."""
    kinds = [
        str(block.get("Feedback-Type", "")).strip().lower() for block in _feedback_blocks(email)
    ]
    subject = _subject_of_report(email) if COMPLAINTS.intersection(kinds) else None
    if subject is not None:
        yield StatusUpdate(
            provider_id=f"msg_{subject}@{emails.domain_of(settings['from_address'])}",
            provider_status="complained",
            reason="The recipient reported the message as spam.",
            feedback=Feedback.COMPLAINED,
        )


def _feedback_blocks(email: EmailMessage) -> Iterator[Message]:
    for part in email.walk():
        if part.get_content_type() == "message/feedback-report":
            yield from _blocks(part)
