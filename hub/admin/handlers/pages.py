"""List handlers, show one with its events, retry and skip events, enable and disable handlers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import flash, redirect, render_template, url_for
from werkzeug.wrappers import Response

from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.view import confirmation
from hub.admin.view.delivery_lists import list_deliveries
from hub.admin.view.filters import plural
from hub.admin.view.forms import is_submitted
from hub.core.errors import Refused
from hub.core.vocabulary import DeliveryState, Role
from hub.db.types import creation_time
from hub.endpoints import deliveries
from hub.endpoints.payloads import Audience, EventSet
from hub.handlers import handler_list, registration, retries
from hub.handlers.handler_list import HandlerSummary

TITLES: Mapping[str, str] = {
    **{state.value: state.value.capitalize() for state in DeliveryState},
    DeliveryState.DELIVERED.value: "Succeeded",
}


@admin.get("/handlers", endpoint="handlers")
@require_role(Role.VIEWER)
def list_handlers() -> str:
    """List handlers, and what could not be loaded."""
    return render_template(
        "handlers.html",
        handlers=handler_list.list_handlers(),
        problems=registration.load_problems(),
    )


@admin.get("/handlers/<handler_id>", endpoint="handler")
@require_role(Role.VIEWER)
def show_handler(handler_id: str) -> str:
    """Show a handler with its newest events."""
    handler = handler_list.summarize(handler_id)
    url = partial(url_for, "admin.handler", handler_id=handler_id)
    listed = list_deliveries(handler_id, TITLES, handler.counts, url)
    return render_template(
        "handler.html",
        handler=handler,
        events=listed.rows,
        chips=listed.chips,
        older=listed.older,
        newer=listed.newer,
        may_change=has_role(Role.ADMIN) and handler.word != "removed",
        may_retry=has_role(Role.OPERATOR),
    )


@admin.get("/handlers/<handler_id>/events/<event_id>", endpoint="handler_event")
@require_role(Role.VIEWER)
def show_event(handler_id: str, event_id: str) -> str:
    """Show an event of a handler with its data and its attempts."""
    handler = handler_list.summarize(handler_id)
    delivery = deliveries.find(handler_id, event_id)
    return render_template(
        "handler_event.html",
        handler=handler,
        delivery=delivery,
        at=creation_time(event_id),
        attempts=[(one, deliveries.read_response(one)) for one in deliveries.attempts_of(delivery)],
        data=_data_of(event_id),
        may_retry=has_role(Role.OPERATOR) and handler.is_enabled,
        may_skip=has_role(Role.OPERATOR) and delivery.state in retries.UNFINISHED,
    )


@admin.post("/handlers/<handler_id>/events/<event_id>/retry")
@require_role(Role.OPERATOR)
def retry_handler_event(handler_id: str, event_id: str) -> Response:
    """Run a handler with one event again."""
    retries.retry(handler_id, event_id)
    flash("Event queued to be retried.", "good")
    target = url_for("admin.handler_event", handler_id=handler_id, event_id=event_id)
    return redirect(target, 303)


@admin.post("/handlers/<handler_id>/events/<event_id>/skip")
@require_role(Role.OPERATOR)
def skip_handler_event(handler_id: str, event_id: str) -> Response:
    """Give up one event for a handler."""
    retries.skip(handler_id, event_id)
    flash("Event skipped.", "good")
    return _to_handler(handler_id)


@admin.post("/handlers/<handler_id>/retry")
@require_role(Role.OPERATOR)
def retry_handler_events(handler_id: str) -> Response:
    """Run a handler again with all events that wait, failed or were missed."""
    count = retries.retry_all(handler_id)
    flash(f"{plural(count, 'event')} queued to be retried.", "good")
    return _to_handler(handler_id)


@admin.route("/handlers/<handler_id>/skip", methods=["GET", "POST"])
@require_role(Role.OPERATOR)
def skip_handler_events(handler_id: str) -> Any:
    """Ask for confirmation, and give up all events that wait, failed or were missed."""
    handler = handler_list.summarize(handler_id)
    if not is_submitted():
        events = plural(handler.unfinished, "event")
        return _confirm(
            handler,
            f"Skip all events of {handler.function}",
            [f"The handler does not run with {events}. You can retry skipped events later."],
            button="Skip events",
        )
    count = retries.skip_all(handler_id)
    flash(f"{plural(count, 'event')} skipped.", "good")
    return _to_handler(handler_id)


@admin.post("/handlers/<handler_id>/enable")
@require_role(Role.ADMIN)
def enable_handler(handler_id: str) -> Response:
    """Enable a handler."""
    handler_list.enable_handler(handler_id)
    flash("Handler enabled.", "good")
    return _to_handler(handler_id)


@admin.route("/handlers/<handler_id>/disable", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def disable_handler(handler_id: str) -> Any:
    """Ask for confirmation, and disable a handler."""
    handler = handler_list.summarize(handler_id)
    if not is_submitted():
        return _confirm(
            handler,
            f"Disable {handler.function}",
            [
                "The handler does not run from now on. Signpost keeps its events as missed.",
                "You can enable it at any time, and retry what it missed.",
            ],
            button="Disable handler",
        )
    handler_list.disable_handler(handler_id)
    flash("Handler disabled. Its events are kept as missed.", "good")
    return _to_handler(handler_id)


def _confirm(handler: HandlerSummary, title: str, consequences: list[str], *, button: str) -> str:
    page_url = url_for("admin.handler", handler_id=handler.row.id)
    crumbs = [("Handlers", url_for("admin.handlers")), (handler.function, page_url)]
    return confirmation.ask(title, consequences, button=button, cancel=page_url, crumbs=crumbs)


def _data_of(event_id: str) -> str:
    """Return the data of an event, '' if it was deleted."""
    audience = Audience(None, None, with_addresses=True, with_texts=True)
    try:
        body = EventSet({event_id}).body(event_id, audience)
    except Refused:
        return ""
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


def _to_handler(handler_id: str) -> Response:
    return redirect(url_for("admin.handler", handler_id=handler_id), 303)
