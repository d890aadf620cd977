"""Read the emails that come back: reports of failed deliveries, complaints, and replies."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from hub.integrations.api import WebhookEvent
from hub.integrations.smtp.replies import attached_file, is_automatic, read_reply
from hub.integrations.smtp.reports import read_complaints, read_reports


def events_of(content: bytes, settings: Mapping[str, Any]) -> list[WebhookEvent]:
    """Return what an email reports: a status, a reply, or nothing."""
    email = _parse(content)
    reports: list[WebhookEvent] = [
        *read_complaints(email, settings),
        *read_reports(email, settings),
    ]
    if reports or is_automatic(email):
        return reports
    reply = read_reply(email, settings)
    return [reply] if reply else []


def file_of(content: bytes, position: int) -> tuple[str, bytes]:
    """Return the content type and the content of a file that is attached to an email.

    Raises IndexError.
    """
    return attached_file(_parse(content), position)


def _parse(content: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=default).parsebytes(content)
