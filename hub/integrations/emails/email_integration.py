"""The base class of integrations that send emails."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from typing import Any, ClassVar

from hub.core.vocabulary import Address, Channel, Feedback
from hub.integrations.emails import letter
from hub.integrations.emails.addresses import clean_email
from hub.integrations.values import Outbound, Senders
from hub.integrations.webhook_receiver import WebhookReceiver

# A larger file is better sent as a link: mailboxes refuse large emails, and each email that is
# being sent takes several times the size of its file in memory.
MAX_FILE_SIZE = 3 * 1024 * 1024  # bytes
_OFFICE = "application/vnd.openxmlformats-officedocument"
ATTACHABLE = dict.fromkeys(
    (
        "application/pdf",
        "application/zip",
        "image/jpeg",
        "image/png",
        "text/calendar",
        "text/csv",
        "text/plain",
        f"{_OFFICE}.spreadsheetml.sheet",
        f"{_OFFICE}.wordprocessingml.document",
    ),
    MAX_FILE_SIZE,
)
# the domain of the From address lacks SPF or DKIM, as Gmail, Outlook.com and Yahoo report it
UNAUTHENTICATED = frozenset({"5.7.26", "5.7.515", "5.7.9"})


class EmailIntegration(WebhookReceiver, ABC):
    """The base of integrations for email, with everything that they have in common.

    The form has the fields of `form`, of which `from_address` is the sender.
    """

    reach = "Everyone with an email address"
    formatting = "Plain text and HTML"
    buttons = "Links"
    icon = "email"
    channel = Channel.EMAIL
    address = Address.EMAIL
    event_prefix = "email"
    reports = True
    feedback: ClassVar[tuple[Feedback, ...]] = (Feedback.BOUNCED, Feedback.COMPLAINED)
    uses_letterhead = True
    sender_faults = UNAUTHENTICATED
    attaches_files = True
    media = ATTACHABLE

    @classmethod
    def senders_of(cls, settings: Mapping[str, Any]) -> Senders:
        address = settings.get("from_address")
        return Senders(clean_email(address) if address else "")

    @classmethod
    def clean_address(cls, address: str) -> str:
        return clean_email(address)

    @staticmethod
    def preview_html(message: Outbound) -> str:
        return letter.preview_html(message)
