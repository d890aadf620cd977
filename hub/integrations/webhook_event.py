"""The base of all events that webhooks report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class WebhookEvent:
    """An event that a webhook reports.

    `message_id` and `attempt` come from the webhook's URL, or from a `reference` in the signed
    body. `provider_id` comes from the body.
    """

    message_id: str = ""
    attempt: int = 0
    provider_id: str = ""
    at: datetime | None = None
