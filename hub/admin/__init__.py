"""The admin pages: rendered on the server, behind one guard."""

from __future__ import annotations

from flask import Flask
from sqlalchemy import func, select

from hub.admin import error_handlers, extensions
from hub.admin.auth import guard, sign_in
from hub.admin.auth.sessions import PageSessions
from hub.admin.connections import (
    integrations,
    rename_and_archive,
    rules,
    signing_app,
    team_posts,
    templates,
)
from hub.admin.connections import pages as connection_pages
from hub.admin.contacts import contact_page, people, privacy, suppressions, unsubscribe
from hub.admin.documentation import pages as documentation_pages
from hub.admin.evidence import pages as evidence_pages
from hub.admin.evidence import verify_page
from hub.admin.handlers import pages as handler_pages
from hub.admin.messages import (
    error_code_report,
    inbox,
    message_list,
    message_page,
    provider_callbacks,
    unblock_recipient,
)
from hub.admin.overview import activity_log, clock_confirmation, pages, unreadable_rows
from hub.admin.requests import action_links, scheduled, short_links, signers
from hub.admin.requests import pages as request_pages
from hub.admin.routing import pages as routing_pages
from hub.admin.search import pages as search_pages
from hub.admin.settings import (
    account,
    api_keys,
    branding,
    link_shorteners,
    opt_out_keywords,
    sources,
    users,
)
from hub.admin.texts import email_preview, text_files
from hub.admin.texts import pages as text_pages
from hub.admin.view import filters, navigation
from hub.admin.webhook_endpoints import delivery_pages
from hub.admin.webhook_endpoints import pages as webhook_pages
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.lib import assets, request_checks, unmatched
from hub.messaging.inbox import conversations
from hub.models import Connection

# importing a module registers its views on the blueprint
PAGES = (
    pages,
    activity_log,
    clock_confirmation,
    unreadable_rows,
    sign_in,
    account,
    users,
    api_keys,
    sources,
    opt_out_keywords,
    link_shorteners,
    integrations,
    connection_pages,
    team_posts,
    rename_and_archive,
    rules,
    signing_app,
    templates,
    text_pages,
    email_preview,
    text_files,
    message_list,
    message_page,
    unblock_recipient,
    error_code_report,
    provider_callbacks,
    inbox,
    request_pages,
    search_pages,
    signers,
    action_links,
    scheduled,
    evidence_pages,
    verify_page,
    unsubscribe,
    branding,
    contact_page,
    people,
    privacy,
    suppressions,
    handler_pages,
    documentation_pages,
    routing_pages,
    webhook_pages,
    delivery_pages,
)


def init_app(app: Flask) -> None:
    """Register the pages, and the extensions that they need."""
    app.session_interface = PageSessions()
    app.register_blueprint(guard.admin)
    app.register_blueprint(short_links.short_links)
    unmatched.register_fallback(app, short_links.PATH, short_links.handle_unmatched)
    extensions.init_app(app, guard.admin.name)
    assets.init_app(app, request_checks.add_request_checks)
    filters.install(app)
    navigation.install(app, _navigation_counts)
    error_handlers.init_app(app)


def _navigation_counts() -> dict[str, navigation.NavigationCount]:
    """Return the badge counts of the navigation."""
    broken = db.session.scalar(
        select(func.count())
        .select_from(Connection)
        .where(Connection.state == ConnectionState.BROKEN, Connection.archived_at.is_(None))
    )
    counts = {}
    if broken:
        label = "1 connection is broken" if broken == 1 else f"{broken} connections are broken"
        counts["admin.integrations"] = navigation.NavigationCount(broken, label, is_problem=True)
    if unread_count := conversations.count_unread():
        label = (
            "1 unread conversation" if unread_count == 1 else f"{unread_count} unread conversations"
        )
        counts["admin.inbox"] = navigation.NavigationCount(unread_count, label)
    return counts
