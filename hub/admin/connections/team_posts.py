"""Events that a connection posts for a team, and the link that invites it to a group."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for

from hub.admin.auth.guard import admin, needs
from hub.admin.connections import connection_page
from hub.connections import connections
from hub.core.errors import Conflict
from hub.core.vocabulary import EventType, Role
from hub.signing import chat_invitations, team_subscriptions


@admin.post("/connections/<slug>/posts")
@needs(Role.ADMIN)
def change_posts(slug: str) -> Any:
    """Choose which events are posted."""
    one = connections.by_slug(slug)
    wanted = [
        event_type for event_type in EventType if event_type in request.form.getlist("events")
    ]
    try:
        team_subscriptions.save_subscriptions(one.id, wanted)
        flash("Changes saved. They apply from the next event on.", "good")
    except Conflict as refusal:
        flash(str(refusal), "bad")
    return redirect(url_for("admin.connection", slug=slug, _anchor="posts"), 303)


@admin.post("/connections/<slug>/invite")
@needs(Role.ADMIN)
def invite_team(slug: str) -> Any:
    """Make the link that lets a connection into a group."""
    one = connections.by_slug(slug)
    try:
        invitation = chat_invitations.invite_team(one.id)
    except Conflict as refusal:
        flash(str(refusal), "bad")
        return redirect(url_for("admin.connection", slug=slug), 303)
    return connection_page.of(connections.by_slug(slug)).show(invitation=invitation)
