"""Summarize endpoints for pages: the state in one word, the address, the next attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from wtforms import SelectField, TextAreaField

from hub.admin.webhook_endpoints.endpoint_forms import stored_settings
from hub.core.vocabulary import DeliveryState, EndpointState
from hub.db.engine import db
from hub.endpoints import deliveries
from hub.endpoints.broker_publishing import missing_extra
from hub.endpoints.endpoint_addresses import address_of
from hub.endpoints.health import DISABLE_AFTER, NOTICE
from hub.integrations import brokers
from hub.integrations.broker import Broker
from hub.integrations.settings_fields import SecretField
from hub.models import Source, WebhookEndpoint
from hub.models.webhook_endpoint import WEBHOOK

REASONS = {
    "admin": "An admin disabled it.",
    "failures": "It accepted no event for 5 days.",
    "gone": "It responded with 410, so it no longer exists.",
    "receiver": "Its app asked Signpost to disable it.",
    "unreadable": "Its settings cannot be decrypted. Enter and save them again.",
}


@dataclass(frozen=True)
class EndpointSummary:
    """A webhook or a message broker for display."""

    row: WebhookEndpoint
    source: Source
    url: str  # or the address of a broker; '' if the settings cannot be decrypted
    broker: type[Broker] | None  # None: a webhook, or a broker that is no longer known
    broker_facts: list[tuple[str, str]]  # labels and values of the settings that are not secret
    headers: list[str]
    user: str  # of Basic auth at a webhook
    counts: dict[str, int]  # of deliveries, by state
    next_attempt: datetime | None

    @property
    def title(self) -> str:
        """The description, or the URL without its query."""
        return self.row.description or self.url.partition("?")[0] or self.row.id

    @property
    def is_webhook(self) -> bool:
        return self.row.kind == WEBHOOK

    @property
    def kind_title(self) -> str:
        """The kind of a broker, '' for a webhook."""
        if self.is_webhook:
            return ""
        return self.broker.title if self.broker is not None else self.row.kind

    @property
    def missing(self) -> str:
        """A sentence if a package of the broker is not installed, '' otherwise."""
        if self.broker is None or self.broker.is_installed():
            return ""
        return missing_extra(self.row.kind)

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
    broker = brokers.registry().get(endpoint.kind)
    return EndpointSummary(
        row=endpoint,
        source=db.session.get_one(Source, endpoint.source_id),
        url=address_of(endpoint),
        broker=broker,
        broker_facts=_facts_of(broker, settings) if broker and settings else [],
        headers=list(settings.get("headers", {})),
        user="" if broker else str(settings.get("user", "")),
        counts=deliveries.count_by_state(endpoint.id),
        next_attempt=deliveries.next_attempt(endpoint.id),
    )


def _facts_of(broker: type[Broker], settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the settings of a broker as its form labels them. Long texts are only mentioned."""
    facts = []
    for field in broker.Form(data=dict(settings)):
        value = settings.get(field.name)
        if not value or isinstance(field, SecretField):
            continue
        choices: Any = field.choices if isinstance(field, SelectField) else {}
        is_long = isinstance(field, TextAreaField)
        facts.append((field.label.text, "Own" if is_long else str(choices.get(value, value))))
    return facts
