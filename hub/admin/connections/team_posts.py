"""Save the events that a connection posts to a team, and create links that add it to a group."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for

from hub.admin.auth.guard import admin, require_role
from hub.admin.connections import connection_page
from hub.connections import connections
from hub.core.errors import Conflict
from hub.core.vocabulary import EventType, Role
from hub.signing import chat_invitations, team_subscriptions


@admin.post("/connections/<slug>/posts")
@require_role(Role.ADMIN)
def change_posts(slug: str) -> Any:
    """Save the events that a connection posts."""
    connection = connections.get_by_slug(slug)
    posted = request.form.getlist("events")
    event_types = [event_type for event_type in EventType if event_type in posted]
    try:
        team_subscriptions.save_subscriptions(connection.id, event_types)
        flash("Changes saved. They apply from the next event on.", "good")
    except Conflict as refusal:
        flash(str(refusal), "bad")
    return redirect(url_for("admin.connection", slug=slug, _anchor="posts"), 303)


@admin.post("/connections/<slug>/invite")
@require_role(Role.ADMIN)
def invite_team(slug: str) -> Any:
    """Create a link that adds a connection to a group."""
    connection = connections.get_by_slug(slug)
    try:
        invitation = chat_invitations.invite_team(connection.id)
    except Conflict as refusal:
        flash(str(refusal), "bad")
        return redirect(url_for("admin.connection", slug=slug), 303)
    return connection_page.build_page(connections.get_by_slug(slug)).show(invitation=invitation)
