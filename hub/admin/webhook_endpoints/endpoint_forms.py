"""Define the forms of webhook endpoints, and convert between them and the stored settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from wtforms import (
    BooleanField,
    DateTimeLocalField,
    Form,
    PasswordField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired

from hub.accounts import sources
from hub.admin.view import datetimes
from hub.core.errors import DecryptionError, Refused
from hub.core.quotes import quoted
from hub.endpoints.catalog import event_kinds
from hub.endpoints.endpoints import MAX_DESCRIPTION_LENGTH, EndpointSettings
from hub.endpoints.target_urls import MAX_URL_LENGTH
from hub.models import WebhookEndpoint
from hub.models.webhook_endpoint import WEBHOOK

WEBHOOK_FIELDS = ("url", "headers", "user", "password")
HIDDEN = "••••••"  # stands for the stored value of a header
OVERLAPS: Any = {
    "0": "End the previous secret now",
    "1": "1 hour",
    "24": "24 hours",
    "72": "3 days",
    "168": "7 days",
}


class EndpointForm(Form):
    """The settings of an endpoint: a webhook, or the part that all kinds share."""

    _kind = WEBHOOK

    url = StringField(
        "URL",
        [InputRequired("Enter the URL of your app.")],
        render_kw={"mono": True, "autocomplete": "off", "maxlength": MAX_URL_LENGTH},
        description="Enter a public https address, such as `https://app.example/hooks`.",
    )
    description = StringField(
        "Description",
        render_kw={"autocomplete": "off", "maxlength": MAX_DESCRIPTION_LENGTH},
        description="Enter the app that receives the events, such as Contracts (production).",
    )
    events = StringField(
        "Events",
        [InputRequired("Enter at least one event, or * for all of them.")],
        default="*",
        render_kw={"mono": True, "autocomplete": "off"},
        description=(
            "Enter names of events, or beginnings with a star, separated by spaces: `sms_*"
            " opted_out`."
        ),
    )
    with_addresses = BooleanField("Include phone numbers and other addresses of contacts")
    with_texts = BooleanField("Include the texts of messages")
    headers = TextAreaField(
        "Headers",
        render_kw={
            "legend": "Authentication",
            "optional": "optional",
            "mono": True,
            "rows": 3,
            "autocomplete": "off",
        },
        description="Enter one header per line, such as `X-Api-Key: 7f3a91c2`. They are encrypted.",
    )
    user = StringField(
        "Basic auth user", render_kw={"half": True, "autocomplete": "off", "optional": True}
    )
    password = PasswordField("Basic auth password", render_kw={"half": True, "optional": True})

    @property
    def kind(self) -> str:
        """The kind of the endpoint."""
        return self._kind

    def set_kind(self, kind: str) -> None:
        """Remove the fields that only webhooks have, for a message broker."""
        self._kind = kind
        if kind != WEBHOOK:
            for name in WEBHOOK_FIELDS:
                del self[name]

    def read_settings(
        self, endpoint: WebhookEndpoint | None = None, broker: Mapping[str, Any] | None = None
    ) -> EndpointSettings:
        """Return what a valid form enters. Hidden values keep those of the endpoint.

        `broker`: the settings of a message broker, which have their own form.
        """
        common: dict[str, Any] = {
            "description": self.description.data or "",
            "events": re.split(r"[\s,]+", (self.events.data or "").strip()),
            "with_addresses": bool(self.with_addresses.data),
            "with_texts": bool(self.with_texts.data),
        }
        if self.kind != WEBHOOK:
            return EndpointSettings(kind=self.kind, broker=broker or {}, **common)
        stored = stored_settings(endpoint)
        user = (self.user.data or "").strip()
        kept = str(stored.get("password", "")) if user and user == stored.get("user") else ""
        return EndpointSettings(
            **common,
            url=self.url.data or "",
            headers=_read_headers(self.headers.data or "", stored.get("headers", {})),
            user=user,
            password=self.password.data or kept,
        )


class NewEndpointForm(EndpointForm):
    """A new endpoint, with the source and the kind that it always belongs to."""

    source = SelectField(
        "Source",
        choices=lambda: {source.slug: source.name for source in sources.list_sources()},
        description="The endpoint receives the events of this source only.",
    )
    test = BooleanField(
        "Test endpoint", description="It receives events of test messages instead of live ones."
    )
    field_order = ("url", "description", "source", "test", "events", "with_addresses")

    def __iter__(self) -> Any:
        names = dict.fromkeys([*self.field_order, *self._fields])
        return iter([self._fields[name] for name in names if name in self._fields])


class RotationForm(Form):
    """The time for which the previous secret stays valid."""

    overlap = SelectField(
        "Previous secret stays valid for",
        choices=OVERLAPS,
        default="24",
        description="Until then, each request is signed with both secrets.",
    )
    force = BooleanField("End an earlier rotation now")

    @property
    def duration(self) -> timedelta:
        """The overlap. Raises Refused for one that is not in the list."""
        if self.overlap.data not in OVERLAPS:
            raise Refused("bad_overlap", "Choose an overlap in the list.", field="overlap")
        return timedelta(hours=int(self.overlap.data))


class TestEventForm(Form):
    """The type of a test event."""

    event = SelectField(
        "Event", choices=lambda: {name: name for name in event_kinds()}, default="sms_delivered"
    )


class ResendForm(Form):
    """The events to send again."""

    since = DateTimeLocalField(
        "Since",
        [InputRequired("Enter a date and a time.")],
        format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        description="In the time zone of these pages.",
    )
    delivered_too = BooleanField("Also send events that were delivered")

    @property
    def moment(self) -> datetime:
        """The entered time. Raises Refused if it is out of range."""
        entered = self.since.data
        if entered is None or not 2000 <= entered.year < 2100:
            raise Refused("out_of_range", "Enter a time between 2000 and 2099.", field="since")
        return entered.replace(tzinfo=datetimes.reader_zone())


def stored_settings(endpoint: WebhookEndpoint | None) -> dict[str, Any]:
    """Return the decrypted settings of an endpoint, {} if they cannot be decrypted."""
    if endpoint is None:
        return {}
    try:
        return dict(endpoint.settings or {})
    except DecryptionError:
        return {}


def form_values(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return the values of the form for an endpoint, without secret ones."""
    stored = stored_settings(endpoint)
    return {
        "url": stored.get("url", ""),
        "description": endpoint.description,
        "events": endpoint.patterns,
        "with_addresses": endpoint.with_addresses,
        "with_texts": endpoint.with_texts,
        "headers": "\n".join(f"{name}: {HIDDEN}" for name in stored.get("headers", {})),
        "user": stored.get("user", ""),
    }


def _read_headers(text: str, stored: Mapping[str, str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name or not value:
            reason = f"Write each header as Name: value, not {quoted(name[:50])}."
            raise Refused("bad_header", reason, field="headers")
        if name in headers:
            raise Refused(
                "bad_header", f"The header {quoted(name[:50])} occurs twice.", field="headers"
            )
        headers[name] = stored.get(name, "") if value == HIDDEN else value
    return headers
