"""The list of events that an endpoint or a handler received, with its filters and pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import request

from hub.db.types import creation_time
from hub.endpoints import deliveries
from hub.models import WebhookDelivery


@dataclass(frozen=True)
class DeliveryList:
    """One page of the list. `newer` and `older` are URLs, or None at the ends of the list."""

    rows: list[tuple[WebhookDelivery, datetime]]  # with the times of their events, newest first
    chips: list[dict[str, Any]]
    newer: str | None
    older: str | None


def list_deliveries(
    endpoint_id: str, titles: Mapping[str, str], counts: Mapping[str, int], url: Callable[..., str]
) -> DeliveryList:
    """Return the page of the list that the URL of the current request names.

    `titles`: of the states that can be chosen. `counts`: by state. `url`: makes the URL of the list
    with query parameters.
    """
    state = request.args.get("state", "")
    state = state if state in titles else ""
    before = request.args.get("before", "")
    found = deliveries.page_of(endpoint_id, state=state, before=before)
    rows = found[: deliveries.PAGE]
    has_older = len(found) > deliveries.PAGE
    return DeliveryList(
        rows=[(row, creation_time(row.event_id)) for row in rows],
        chips=[
            {
                "title": title,
                "href": url(state=choice or None),
                "here": choice == state,
                "count": counts.get(choice, 0) if choice else sum(counts.values()),
            }
            for choice, title in {"": "All", **titles}.items()
        ],
        newer=url(state=state or None) if before else None,
        older=url(state=state or None, before=rows[-1].event_id) if has_older else None,
    )
