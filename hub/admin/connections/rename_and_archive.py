"""Rename and archive a connection."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from hub import integrations
from hub.admin.auth.guard import admin, require_role
from hub.admin.connections import connection_page
from hub.admin.view import forms
from hub.connections import connections
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.models import Connection


@admin.route("/connections/<slug>/rename", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def rename_connection(slug: str) -> Any:
    """Ask for another name, and rename a connection."""
    connection = connections.get_by_slug(slug)
    form = forms.RenameConnection(
        request.form, data={"title": connection.title, "slug": connection.slug}
    )
    if not forms.is_submitted():
        return _confirm(connection, "rename", form)
    connection_id = connection.id
    try:
        if form.validate():
            connections.rename(connection_id, form.title.data or "", form.slug.data or "")
            flash("Renamed.", "good")
            if form.slug.data != slug:
                _warn_of_old_webhook(connection)
            return connection_page.redirect_to(connection_id)
    except Refused as refusal:
        forms.add_error(form, refusal)
    return _confirm(connections.get_by_slug(slug), "rename", form), 422


def _warn_of_old_webhook(connection: Connection) -> None:
    """Warn that a provider still calls the URL with the old name, if Signpost can change that."""
    integration_class = integrations.registry().get(connection.integration)
    if integration_class is not None and integration_class.supports("subscribe"):
        flash(
            f"{integration_class.provider} still sends its webhooks to the old URL. Choose Set"
            " webhook below.",
            "warn",
        )


@admin.route("/connections/<slug>/archive", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def archive_connection(slug: str) -> Any:
    """Ask for confirmation, and archive a connection."""
    connection = connections.get_by_slug(slug)
    if not forms.is_submitted():
        return _confirm(connection, "archive")
    title = connection.title
    after = "" if connection.source_id else " Callbacks about its messages are still verified."
    connections.archive(connection.id)
    flash(f"{title} is archived.{after}", "info")
    return redirect(url_for("admin.integrations"), 303)


def _confirm(
    connection: Connection, action: str, form: forms.RenameConnection | None = None
) -> str:
    return render_template(
        "connection_confirm.html",
        connection=connection,
        action=action,
        form=form,
        waiting=connections.count_waiting(connection.id),
        routes=connections.describe_routes_using(connection.id),
    )
