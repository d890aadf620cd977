"""Show stored provider callbacks, and replay them: those of a message, and unprocessed ones."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from flask import abort, flash, redirect, render_template, request, url_for
from sqlalchemy import literal_column, select

from hub.admin.auth.guard import admin, has_role, require_role, safe_redirect_target
from hub.admin.view.datetimes import format_time
from hub.admin.view.filters import plural
from hub.admin.view.pagination import paginate_query
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.intake import callback_rows, process_callbacks, replay
from hub.intake.replay import Report, Selection
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Message, ProviderCallback


@dataclass(frozen=True)
class CallbackEntry:
    """A callback as a page shows it."""

    id: str
    at: datetime
    about: str  # the provider's ID of the message, or ''
    detail: str
    text: str  # the content, one field a line
    error: str  # why the callback could not be processed, or ''
    due_at: datetime | None  # the time of the next attempt


@admin.get("/receipts")
@require_role(Role.VIEWER)
def callbacks() -> Any:
    """List the callbacks that could not be processed, newest first."""
    # the same condition as the index, so that the database uses it
    failed = select(ProviderCallback).where(ProviderCallback.error != literal_column("''"))
    page = paginate_query(failed, ProviderCallback.id, "rcp", {})
    return render_template(
        "provider_callbacks.html",
        callbacks=_entries(page.rows),
        may_replay=has_role(Role.OPERATOR),
        minutes=process_callbacks.MATCH_WINDOW.seconds // 60,
        newer=page.newer,
        older=page.older,
    )


@admin.post("/receipts/<callback_id>/replay")
@require_role(Role.OPERATOR)
def replay_callback(callback_id: str) -> Any:
    """Replay one callback."""
    if not is_id("rcp", callback_id) or db.session.get(ProviderCallback, callback_id) is None:
        abort(404)
    flash(*summarize_replay(replay.replay(Selection(callback_id=callback_id))))
    return redirect(
        safe_redirect_target(request.form.get("next") or url_for("admin.callbacks")), 303
    )


@admin.post("/messages/<message_id>/replay")
@require_role(Role.OPERATOR)
def replay_message(message_id: str) -> Any:
    """Replay the callbacks of a message."""
    if not is_id("msg", message_id) or db.session.get(Message, message_id) is None:
        abort(404)
    flash(*summarize_replay(replay.replay(Selection(message=message_id))))
    return redirect(url_for("admin.message", message_id=message_id), 303)


def callbacks_of_message(message_id: str) -> list[CallbackEntry]:
    """Return the callbacks about a message, oldest first."""
    return _entries(
        db.session.scalars(
            select(ProviderCallback)
            .where(ProviderCallback.id.in_(replay.callbacks_of_message(message_id)))
            .order_by(ProviderCallback.id)
        )
    )


def _entries(rows: Iterable[ProviderCallback]) -> list[CallbackEntry]:
    sources = set(
        db.session.scalars(select(Connection.id).where(Connection.source_id.is_not(None)))
    )
    return unreadable_rows.readable_rows(
        "provider_callbacks",
        rows,
        lambda row: CallbackEntry(
            row.id,
            row.received_at,
            "" if _HASH.fullmatch(row.subject) or row.connection_id in sources else row.subject,
            (row.detail.partition(" ")[0] if row.connection_id in sources else row.detail).rstrip(
                ":"
            ),
            _text(row),
            row.error,
            row.due_at or row.fetch_at,
        ),
    )


_HASH = re.compile(r"[0-9a-f]{64}")  # the subject of a webhook that names no message


def _text(row: ProviderCallback) -> str:
    """Return the content of a callback, one field a line."""
    line = f"{format_time(row.received_at)}  POST /api/rpc/webhooks/{row.endpoint}\n"
    try:
        content = row.request
    except DecryptionError as error:
        return line + str(error)
    if content is None:
        return line + callback_rows.REMOVED
    body = base64.b64decode(content["body"]).decode(errors="replace")
    content_type = content["headers"].get("content-type", "").lower()
    if not content_type.startswith("application/x-www-form-urlencoded"):
        return line + body
    return line + "\n".join(
        f"{name}={value}" for name, value in parse_qsl(body, keep_blank_values=True)
    )


def summarize_replay(report: Report) -> tuple[str, str]:
    """Return the sentences about the result of a replay, and their tone."""
    if not report.read_count:
        return "No stored callback matches, so nothing was replayed.", "info"
    sentences = [_describe_result(report)]
    if report.deleted_count:
        sentences.append(
            f"{plural(report.deleted_count, 'callback')} could not be read, because the content"
            " was deleted at the end of its retention period."
        )
    if report.unverified_count:
        sentences.append(
            f"{plural(report.unverified_count, 'callback')} had no effect, because no connection’s"
            " secret verified it."
        )
    if report.failed_count:
        sentences.append(
            f"{plural(report.failed_count, 'callback')} could not be processed."
            f" {next(iter(report.reasons))}"
        )
        return " ".join(sentences), "warn"
    return " ".join(sentences), "good" if report.missed else "info"


def _describe_result(report: Report) -> str:
    replayed = f"Replayed {plural(report.read_count, 'callback')}"
    if report.new_count:
        singular = "status event was missing and has been"
        several = "status events were missing and have been"
        return f"{replayed}. {plural(report.new_count, singular, several)} added."
    if report.missed:
        return f"{replayed}. Missed changes were applied."
    return (
        f"{replayed}."
        if report.failed_count == report.read_count
        else f"{replayed}. Nothing was missed."
    )
