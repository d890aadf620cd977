"""Show and change the parts of a signing app: its source, its webhooks and their failures."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import select
from wtforms import Form, SelectField

from hub.accounts import sources
from hub.admin.auth.guard import admin, require_role
from hub.admin.view import forms
from hub.connections import connections, signing_apps
from hub.core.errors import HubError
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.integrations.base import Integration
from hub.models import Connection, ProviderCallback, Source

SHOWN = 5
SEARCHED = 2000  # of the newest webhooks of all connections, because no index names a connection


def _source_field() -> SelectField:
    return SelectField(
        "Source",
        choices=lambda: {source.slug: source.name for source in sources.list_sources()},
        default=sources.DEFAULT,
        description="Its routes, texts and webhooks apply to the events of this app.",
    )


class NewSigningApp(forms.ConnectionNameForm):
    """The name and the source of a new connection."""

    source = _source_field()


class SourceForm(Form):
    """The source of a connection."""

    source = _source_field()


@dataclass(frozen=True)
class ReceivedWebhook:
    """A webhook of a signing app for display. `next_attempt`: None if it is not retried."""

    kind: str
    at: datetime
    error: str
    is_waiting: bool
    next_attempt: datetime | None


def build_signing_app_context(
    integration_class: type[Integration], connection: Connection | None
) -> dict[str, Any]:
    """Return the template variables of the panel with the events of a signing app."""
    if connection is None or not integration_class.is_source:
        return {"source": None}
    source = db.session.get_one(Source, connection.source_id)
    return {
        "source": source,
        "source_form": SourceForm(data={"source": source.slug}),
        "received": _newest_webhooks(connection.id),
        "failures": signing_apps.find_failures(connection.id),
    }


def has_received(connection: Connection | None) -> bool:
    """Return whether a signing app has sent a webhook."""
    return connection is not None and connection.last_callback_at is not None


def _newest_webhooks(connection_id: str) -> list[ReceivedWebhook]:
    newest = (
        select(ProviderCallback.id).order_by(ProviderCallback.id.desc()).limit(SEARCHED).subquery()
    )
    query = (
        select(ProviderCallback)
        .where(
            ProviderCallback.id.in_(select(newest.c.id)),
            ProviderCallback.connection_id == connection_id,
        )
        .order_by(ProviderCallback.id.desc())
        .limit(SHOWN)
    )
    return [
        ReceivedWebhook(
            row.detail.partition(" ")[0],
            row.received_at,
            row.error,
            row.due_at is not None or row.fetch_at is not None,
            row.fetch_at,
        )
        for row in db.session.scalars(query)
    ]


@admin.post("/connections/<slug>/source")
@require_role(Role.ADMIN)
def change_connection_source(slug: str) -> Any:
    """Save the source of a signing app."""
    connection = connections.get_by_slug(slug)
    form = SourceForm(request.form)
    try:
        if form.validate():
            signing_apps.set_source(connection.id, form.source.data)
            flash("Changes saved. They apply to new events.", "good")
        else:
            flash("Choose a source.", "bad")
    except HubError as refusal:
        flash(str(refusal), "bad")
    return redirect(url_for("admin.connection", slug=slug, _anchor="events"), 303)
