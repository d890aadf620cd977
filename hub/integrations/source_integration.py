"""The part of the contract for signing apps: integrations that report events of documents."""

from __future__ import annotations

from abc import ABC
from typing import Any, ClassVar

from wtforms import ValidationError

from hub.core.vocabulary import Channel, Status
from hub.integrations.settings_fields import TextField
from hub.integrations.source_events import SourceEvent
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib import phones


class RegionField(TextField):
    """The country of phone numbers that a signing app stores without a country code."""

    def __init__(self, label: str = "Country of phone numbers", **options: Any) -> None:
        options.setdefault("default", "US")
        options.setdefault(
            "description",
            "The country of phone numbers without a country code, as two letters such as `US` or"
            " `GB`. Signpost reads `317-123-1234` as +1 317 123 1234 with `US`.",
        )
        options.setdefault("render_kw", {"mono": True, "half": True, "maxlength": 2})
        options["validators"] = [_check_region, *options.pop("validators", ())]
        super().__init__(label, required="Enter a country, such as US.", **options)

    def process_formdata(self, valuelist: list[Any]) -> None:
        super().process_formdata([str(value).upper() for value in valuelist])


def _check_region(form: Any, field: Any) -> None:
    if field.data not in phones.REGIONS:
        raise ValidationError("Enter the two letters of a country, such as US or GB.")


class SourceIntegration(WebhookReceiver, ABC):
    """A signing app that reports its events by webhooks. It sends no messages.

    The methods marked with `webhook` return a `SourceEvent` for each event. A connection belongs to
    a source, and its events cause messages as those that the source posts to the API do.
    """

    is_source = True
    has_phone_numbers: ClassVar[bool] = True  # whether its events can name mobile numbers
    channel = Channel.WEBHOOK
    reports = False
    reliable_statuses: ClassVar[frozenset[Status]] = frozenset()
    formatting = "None"
    buttons = "None"
    refusal_status: ClassVar[int] = 401
    refusal_reason: ClassVar[str] = "The secret code is not the one of this connection."
    starts_in_demo = False

    @classmethod
    def reported_statuses(cls) -> tuple[Status, ...]:
        """Return no statuses, because a signing app sends no messages."""
        return ()

    def complete_event(self, event: SourceEvent) -> SourceEvent:
        """Return an event with what the webhook does not contain, such as people and their links.

        A worker calls it outside of any transaction, so it may make requests. If it raises a
        SendError, the event waits: see the guide.
        """
        return event
