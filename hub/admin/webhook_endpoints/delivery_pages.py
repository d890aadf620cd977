"""Show an endpoint with its deliveries and attempts, send test events, and resend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hub.accounts.rate_limits import TEST_EVENTS
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.auth.page_rate_limits import rate_limit
from hub.admin.view import datetimes
from hub.admin.view.delivery_lists import list_deliveries
from hub.admin.view.filters import plural
from hub.admin.view.forms import add_error
from hub.admin.webhook_endpoints.endpoint_forms import ResendForm, TestEventForm
from hub.admin.webhook_endpoints.endpoint_summaries import EndpointSummary, summarize
from hub.core.errors import Refused
from hub.core.vocabulary import DeliveryState, Role
from hub.db.types import creation_time
from hub.endpoints import broker_tests, deliveries, endpoints, signing_secrets
from hub.endpoints.payloads import Audience, EventSet, example_body
from hub.integrations.values import CheckResult
from hub.models import WebhookDelivery

# only events of handlers are skipped
TITLES: Mapping[str, str] = {
    state.value: state.value.capitalize()
    for state in DeliveryState
    if state is not DeliveryState.SKIPPED
}


@admin.get("/webhook-endpoints/<endpoint_id>", endpoint="webhook_endpoint")
@require_role(Role.VIEWER)
def show_endpoint(endpoint_id: str) -> str:
    """Show an endpoint with its newest deliveries."""
    return _page(endpoint_id)


@admin.post("/webhook-endpoints/<endpoint_id>/test")
@require_role(Role.OPERATOR)
@rate_limit(TEST_EVENTS)
def send_test_event(endpoint_id: str) -> Any:
    """Send an example of an event, and show its delivery."""
    form = TestEventForm(request.form)
    try:
        event_id = deliveries.send_test_event(endpoint_id, form.event.data or "")
    except Refused as refusal:
        if refusal.status == 404:
            raise
        add_error(form, refusal)
        return _page(endpoint_id, test_form=form), 422
    flash("Test event queued. Reload this page to see the result.", "good")
    return _to_delivery(endpoint_id, event_id)


@admin.post("/webhook-endpoints/<endpoint_id>/resend")
@require_role(Role.OPERATOR)
def resend_webhooks(endpoint_id: str) -> Any:
    """Send all events since a time again."""
    form = ResendForm(request.form)
    try:
        if form.validate():
            count = deliveries.resend_since(
                endpoint_id, form.moment, delivered_too=bool(form.delivered_too.data)
            )
            flash(f"{plural(count, 'event')} queued to be sent again.", "good")
            return redirect(url_for("admin.webhook_endpoint", endpoint_id=endpoint_id), 303)
    except Refused as refusal:
        if refusal.status == 404:
            raise
        add_error(form, refusal)
    return _page(endpoint_id, resend_form=form), 422


@admin.post("/webhook-endpoints/<endpoint_id>/check")
@require_role(Role.OPERATOR)
@rate_limit(TEST_EVENTS)
def test_endpoint_connection(endpoint_id: str) -> str:
    """Test the connection to a message broker without an event, and show the result."""
    return _page(endpoint_id, check=broker_tests.run_test(endpoint_id))


@admin.get("/webhook-endpoints/<endpoint_id>/events/<event_id>", endpoint="webhook_delivery")
@require_role(Role.VIEWER)
def show_delivery(endpoint_id: str, event_id: str) -> str:
    """Show a delivery with its body and its attempts."""
    endpoint = summarize(endpoints.find(endpoint_id))
    delivery = deliveries.find(endpoint_id, event_id)
    attempts = [(one, deliveries.read_response(one)) for one in deliveries.attempts_of(delivery)]
    return render_template(
        "webhook_delivery.html",
        endpoint=endpoint,
        delivery=delivery,
        at=creation_time(delivery.event_id),
        attempts=attempts,
        body=_body_of(endpoint, delivery),
        waits=event_id in deliveries.find_waiting(endpoint_id, [event_id]),
        may_resend=has_role(Role.OPERATOR) and endpoint.is_enabled,
    )


@admin.post("/webhook-endpoints/<endpoint_id>/events/<event_id>/resend")
@require_role(Role.OPERATOR)
def resend_webhook(endpoint_id: str, event_id: str) -> Response:
    """Send one event again."""
    deliveries.resend(endpoint_id, event_id)
    flash("Event queued to be sent again.", "good")
    return _to_delivery(endpoint_id, event_id)


def _body_of(endpoint: EndpointSummary, delivery: WebhookDelivery) -> str:
    """Return the body that the next attempt would send, '' if the event was deleted."""
    row = endpoint.row
    audience = Audience(endpoint.source.slug, row.test, row.with_addresses, row.with_texts)
    try:
        if delivery.example:
            at = creation_time(delivery.event_id)
            body = example_body(delivery.event_id, delivery.type, at, audience)
        else:
            body = EventSet({delivery.event_id}).body(delivery.event_id, audience)
    except (Refused, KeyError):
        return ""
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


def _page(
    endpoint_id: str,
    *,
    test_form: TestEventForm | None = None,
    resend_form: ResendForm | None = None,
    check: CheckResult | None = None,
) -> str:
    endpoint = summarize(endpoints.find(endpoint_id))
    url = partial(url_for, "admin.webhook_endpoint", endpoint_id=endpoint_id)
    listed = list_deliveries(endpoint_id, TITLES, endpoint.counts, url)
    since = datetimes.local(endpoint.resend_since).replace(tzinfo=None, second=0, microsecond=0)
    return render_template(
        "webhook_endpoint.html",
        endpoint=endpoint,
        check=check,
        secrets=signing_secrets.active_secrets(endpoint_id),
        deliveries=listed.rows,
        waiting=deliveries.find_waiting(endpoint_id, [row.event_id for row, _ in listed.rows]),
        chips=listed.chips,
        older=listed.older,
        newer=listed.newer,
        test_form=test_form or TestEventForm(),
        resend_form=resend_form or ResendForm(data={"since": since}),
        may_change=has_role(Role.ADMIN),
        may_send=has_role(Role.OPERATOR) and endpoint.is_enabled,
        may_test=has_role(Role.OPERATOR) and not endpoint.is_webhook,
    )


def _to_delivery(endpoint_id: str, event_id: str) -> Response:
    target = url_for("admin.webhook_delivery", endpoint_id=endpoint_id, event_id=event_id)
    return redirect(target, 303)
