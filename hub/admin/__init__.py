"""The admin pages: rendered on the server, behind one guard."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import func, select

from hub.admin import error_handlers, extensions
from hub.admin.auth import guard, sign_in
from hub.admin.auth.sessions import PageSessions
from hub.admin.connections import integrations, rules, team_posts, templates
from hub.admin.connections import pages as connection_pages
from hub.admin.contacts import detail as contact_detail
from hub.admin.contacts import privacy, suppressions
from hub.admin.documentation import pages as documentation_pages
from hub.admin.messages import detail as message_detail
from hub.admin.messages import error_codes, inbox, opt_outs, provider_callbacks
from hub.admin.messages import list as message_list
from hub.admin.overview import activity, clock, pages, unreadable_rows
from hub.admin.requests import action_links, signers
from hub.admin.requests import pages as request_pages
from hub.admin.settings import account, api_keys, opt_out_keywords, sources, users
from hub.admin.view import filters, navigation
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.lib import assets, request_checks
from hub.messaging.inbox import conversations
from hub.models import Connection

# imported, they register their views on the blueprint
PAGES = (
    pages,
    activity,
    clock,
    unreadable_rows,
    sign_in,
    account,
    users,
    api_keys,
    sources,
    opt_out_keywords,
    integrations,
    connection_pages,
    team_posts,
    rules,
    templates,
    message_list,
    message_detail,
    opt_outs,
    error_codes,
    provider_callbacks,
    inbox,
    request_pages,
    signers,
    action_links,
    contact_detail,
    privacy,
    suppressions,
    documentation_pages,
)


def init_app(app: Flask) -> None:
    """Register the pages, and the extensions that they need."""
    app.session_interface = PageSessions()
    app.register_blueprint(guard.admin)
    extensions.init_app(app, guard.admin.name)
    assets.init_app(app, request_checks.protect)
    filters.install(app)
    navigation.install(app, _waiting)
    error_handlers.install(app)


def _waiting() -> dict[str, navigation.Count]:
    """Count what waits behind each place of the rail."""
    broken = db.session.scalar(
        select(func.count())
        .select_from(Connection)
        .where(Connection.state == ConnectionState.BROKEN, Connection.archived_at.is_(None))
    )
    found = {}
    if broken:
        words = "1 connection is broken" if broken == 1 else f"{broken} connections are broken"
        found["admin.integrations"] = navigation.Count(broken, words, bad=True)
    if new := conversations.count_unread():
        words = "1 unread conversation" if new == 1 else f"{new} unread conversations"
        found["admin.inbox"] = navigation.Count(new, words)
    return found
