"""Events: what a signing app tells us."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from hub.api.guard import caller
from hub.api.shapes import body_of
from hub.shared import idempotency
from hub.signing.accept import accept_event
from hub.signing.events import EventIn

blueprint = Blueprint("events", __name__)


@blueprint.post("/events")
def post_event() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Tell Signpost what happened to a document."""
    who = caller()
    event = body_of(EventIn)
    answer, repeated = idempotency.answer_once(
        who.key_id,
        request.path,
        request.headers.get("Idempotency-Key", ""),
        request.get_data(),
        202,
        lambda: accept_event(event, who.source_id, test=who.test),
        ahead=True,
    )
    return answer, 202, {"Idempotency-Replayed": "true"} if repeated else {}
