"""Summarize webhook endpoints for pages: the state in one word, the URL, the next attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.admin.webhook_endpoints.endpoint_forms import stored_settings
from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.engine import db
from hub.endpoints import deliveries
from hub.endpoints.health import DISABLE_AFTER, NOTICE
from hub.models import Source, WebhookEndpoint

REASONS = {
    "admin": "An admin disabled it.",
    "failures": "It accepted no webhook for 5 days.",
    "gone": "It responded with 410, so it no longer exists.",
    "receiver": "Its app asked Signpost to disable it.",
    "unreadable": "Its settings cannot be decrypted. Enter and save them again.",
}


@dataclass(frozen=True)
class EndpointSummary:
    """A webhook endpoint for display."""

    row: WebhookEndpoint
    source: Source
    url: str  # '' if the settings cannot be decrypted
    headers: list[str]
    user: str
    counts: dict[str, int]  # of deliveries, by state
    next_try: datetime | None

    @property
    def title(self) -> str:
        """The description, or the URL without its query."""
        return self.row.description or self.url.partition("?")[0] or self.row.id

    @property
    def is_enabled(self) -> bool:
        return self.row.state == EndpointState.ENABLED

    @property
    def word(self) -> str:
        """The state in one word: disabled, failing, working or new."""
        if not self.is_enabled:
            return "disabled"
        if self.row.failing_since is not None:
            return "failing"
        return "working" if self.counts.get(DeliveryState.DELIVERED) else "new"

    @property
    def includes(self) -> str:
        """The personal data in its events."""
        chosen = {"addresses": self.row.with_addresses, "texts": self.row.with_texts}
        return ", ".join(name for name, is_on in chosen.items() if is_on) or "no personal data"

    @property
    def reason(self) -> str:
        """The reason why the endpoint is disabled, as a sentence."""
        return REASONS.get(self.row.state_reason, "")

    @property
    def disable_at(self) -> datetime | None:
        """The time at which a failing endpoint is disabled, once that was announced."""
        if self.row.announced_at is None or self.row.failing_since is None:
            return None
        return max(self.row.failing_since + DISABLE_AFTER, self.row.announced_at + NOTICE)

    @property
    def resend_since(self) -> datetime:
        """The time from which resending is usually wanted."""
        start = self.row.failing_since or self.row.state_at
        return start - timedelta(hours=1)


def summarize(endpoint: WebhookEndpoint) -> EndpointSummary:
    """Return an endpoint for display."""
    settings = stored_settings(endpoint)
    return EndpointSummary(
        row=endpoint,
        source=db.session.get_one(Source, endpoint.source_id),
        url=str(settings.get("url", "")),
        headers=list(settings.get("headers", {})),
        user=str(settings.get("user", "")),
        counts=deliveries.count_by_state(endpoint.id),
        next_try=deliveries.next_try(endpoint.id),
    )
