"""List, create, change and delete endpoints: webhooks and message brokers."""

from __future__ import annotations

import json
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from hub.accounts import sources
from hub.accounts.rate_limits import WEBHOOKS
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.auth.page_rate_limits import rate_limit
from hub.admin.view import confirmation
from hub.admin.view.forms import add_error, is_submitted
from hub.admin.webhook_endpoints.broker_forms import (
    EndpointForms,
    forms_of,
    forms_of_new,
    kind_chips,
)
from hub.admin.webhook_endpoints.endpoint_forms import RotationForm
from hub.admin.webhook_endpoints.endpoint_summaries import EndpointSummary, summarize
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.endpoints import endpoints, signing_secrets
from hub.endpoints.catalog import event_kinds
from hub.models import WebhookEndpoint
from hub.models.webhook_endpoint import WEBHOOK


@admin.get("/webhook-endpoints", endpoint="webhook_endpoints")
@require_role(Role.VIEWER)
def list_endpoints() -> str:
    """List the endpoints of all sources: failing ones first, then the newest."""
    rows = db.session.scalars(endpoints.list_query().order_by(WebhookEndpoint.id.desc()))
    summaries = [summarize(row) for row in rows]
    return render_template(
        "webhook_endpoints.html",
        endpoints=sorted(summaries, key=lambda one: one.word not in ("disabled", "failing")),
        may_change=has_role(Role.ADMIN),
    )


@admin.get("/webhook-events", endpoint="webhook_events")
@require_role(Role.VIEWER)
def list_events() -> str:
    """List the types of events, each with an example."""
    kinds = [
        (kind, json.dumps(kind.example(), indent=2, ensure_ascii=False))
        for kind in event_kinds().values()
    ]
    return render_template("webhook_events.html", kinds=kinds)


@admin.route("/webhook-endpoints/new", methods=["GET", "POST"])
@require_role(Role.ADMIN)
@rate_limit(WEBHOOKS)
def new_webhook_endpoint() -> Any:
    """Show the form of a new endpoint, and create it. The secret of a webhook is shown once."""
    default = request.args.get("source", "") or sources.DEFAULT
    kind = request.args.get("kind", "") or WEBHOOK
    forms = forms_of_new(kind, default)
    try:
        if is_submitted() and (settings := forms.read()) is not None:
            source_id = sources.get_source(forms.form["source"].data).id
            is_test = bool(forms.form["test"].data)
            endpoint_id, secret = endpoints.create(source_id, settings, test=is_test)
            if kind == WEBHOOK:
                return _render_secret(endpoint_id, secret, title="Webhook endpoint created")
            flash("Endpoint created. Test the connection, then send a test event.", "good")
            return _to_endpoint(endpoint_id)
    except Refused as refusal:
        forms.add_error(refusal)
    return _render_form(forms, None)


@admin.route("/webhook-endpoints/<endpoint_id>/edit", methods=["GET", "POST"])
@require_role(Role.ADMIN)
@rate_limit(WEBHOOKS)
def edit_webhook_endpoint(endpoint_id: str) -> Any:
    """Show the settings of an endpoint, and change them."""
    endpoint = endpoints.find(endpoint_id)
    forms = forms_of(endpoint)
    try:
        if is_submitted() and (settings := forms.read(endpoint)) is not None:
            endpoints.change(endpoint_id, settings)
            flash("Changes saved. They apply to the next attempt.", "good")
            return _to_endpoint(endpoint_id)
    except Refused as refusal:
        forms.add_error(refusal)
    return _render_form(forms, summarize(endpoint))


@admin.route("/webhook-endpoints/<endpoint_id>/rotate", methods=["GET", "POST"])
@require_role(Role.ADMIN)
@rate_limit(WEBHOOKS)
def rotate_webhook_secret(endpoint_id: str) -> Any:
    """Ask how long the previous secret stays valid, and create a new one, which is shown once."""
    endpoint = summarize(endpoints.find(endpoint_id))
    form = RotationForm(request.form if is_submitted() else None)
    try:
        if is_submitted() and form.validate():
            secret = signing_secrets.rotate_secret(
                endpoint_id, form.duration, force=bool(form.force.data)
            )
            return _render_secret(endpoint_id, secret, title="New secret created")
    except Refused as refusal:
        add_error(form, refusal)
    active = signing_secrets.active_secrets(endpoint_id)
    if len(active) < 2:
        del form.force
    page = render_template("webhook_rotation.html", form=form, endpoint=endpoint, secrets=active)
    return page, 422 if is_submitted() else 200


@admin.post("/webhook-endpoints/<endpoint_id>/enable")
@require_role(Role.ADMIN)
def enable_webhook_endpoint(endpoint_id: str) -> Response:
    """Enable an endpoint."""
    endpoints.enable(endpoint_id)
    flash("Endpoint enabled. Resend what it missed if your app needs it.", "good")
    return _to_endpoint(endpoint_id)


@admin.route("/webhook-endpoints/<endpoint_id>/disable", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def disable_webhook_endpoint(endpoint_id: str) -> Any:
    """Ask for confirmation, and disable an endpoint."""
    endpoint = summarize(endpoints.find(endpoint_id))
    if not is_submitted():
        return confirmation.ask(
            f"Disable {endpoint.title}",
            [
                "Signpost sends it no events from now on, and keeps them as missed.",
                "You can enable it at any time, and resend what it missed.",
            ],
            button="Disable endpoint",
            cancel=_url_of(endpoint_id),
            crumbs=_crumbs(endpoint),
        )
    endpoints.disable(endpoint_id)
    flash("Endpoint disabled.", "good")
    return _to_endpoint(endpoint_id)


@admin.route("/webhook-endpoints/<endpoint_id>/delete", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def delete_webhook_endpoint(endpoint_id: str) -> Any:
    """Ask for confirmation, and delete an endpoint with its deliveries."""
    endpoint = summarize(endpoints.find(endpoint_id))
    if not is_submitted():
        return confirmation.ask(
            f"Delete {endpoint.title}",
            [
                "Signpost deletes the endpoint, its settings and its deliveries.",
                "You cannot undo this.",
            ],
            button="Delete endpoint",
            cancel=_url_of(endpoint_id),
            crumbs=_crumbs(endpoint),
        )
    endpoints.delete(endpoint_id)
    flash("Endpoint deleted.", "good")
    return redirect(url_for("admin.webhook_endpoints"), 303)


def _render_form(forms: EndpointForms, endpoint: EndpointSummary | None) -> tuple[str, int]:
    kind = forms.form.kind
    page = render_template(
        "webhook_endpoint_form.html",
        broker=forms.broker,
        broker_form=forms.broker_form,
        form=forms.form,
        missing=forms.missing,
        kinds=kind_chips(kind),
        endpoint=endpoint,
    )
    return page, 422 if is_submitted() else 200


def _render_secret(endpoint_id: str, secret: str, *, title: str) -> str:
    return render_template(
        "webhook_secret.html",
        title=title,
        endpoint=summarize(endpoints.find(endpoint_id)),
        secret=secret,
    )


def _crumbs(endpoint: EndpointSummary) -> list[tuple[str, str]]:
    return [
        ("Webhooks", url_for("admin.webhook_endpoints")),
        (endpoint.title, _url_of(endpoint.row.id)),
    ]


def _url_of(endpoint_id: str) -> str:
    return url_for("admin.webhook_endpoint", endpoint_id=endpoint_id)


def _to_endpoint(endpoint_id: str) -> Response:
    return redirect(_url_of(endpoint_id), 303)
