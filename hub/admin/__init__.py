"""The admin door: server-rendered pages for people, behind one guard."""

from __future__ import annotations

import importlib

from flask import Flask
from sqlalchemy import func, select

from hub import web_extensions
from hub.admin import guard, mistakes, navigation, presentation
from hub.extensions import db
from hub.messaging import conversations
from hub.models import Connection
from hub.vocabulary import ConnectionState

PAGES = (
    "overview",
    "entrance",
    "account",
    "people",
    "keys",
    "sources",
    "activity",
    "integrations",
    "connections",
    "posts",
    "rules",
    "messages",
    "message",
    "codes",
    "receipts",
    "requests",
    "signers",
    "pressing",
    "inbox",
    "person",
    "suppressions",
    "opt_out",
    "templates",
    "clock",
    "set_aside",
)


def init_app(app: Flask) -> None:
    """Open the pages."""
    presentation.install(app)
    navigation.install(app, _waiting)
    for page in PAGES:
        importlib.import_module(f"{__name__}.{page}")
    web_extensions.login.init_app(app)
    app.register_blueprint(guard.admin)
    mistakes.install(app)


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
    if new := conversations.unread():
        words = (
            "1 conversation has something new"
            if new == 1
            else f"{new} conversations have something new"
        )
        found["admin.inbox"] = navigation.Count(new, words)
    return found
