"""Callbacks as they came in: those of a message, those that could not be settled, and replaying
them.
"""

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

from hub.admin.auth.guard import admin, back_to, may, needs
from hub.admin.view.datetimes import clock
from hub.admin.view.filters import plural
from hub.admin.view.pagination import page
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.intake import callback_rows, process_callbacks, replay
from hub.intake.replay import Report, Selection
from hub.messaging.state import unreadable_rows
from hub.models import Message, ProviderCallback


@dataclass(frozen=True)
class CallbackEntry:
    """A callback as a page shows it.

    `about` is a provider's id or "", `text` what came, `error` why it could not be settled,
    `due_at` when it is tried again.
    """

    id: str
    at: datetime
    about: str
    detail: str
    text: str
    error: str
    due_at: datetime | None


@admin.get("/receipts")
@needs(Role.VIEWER)
def callbacks() -> Any:
    """List the callbacks that could not be settled, newest first."""
    # said as its index says it
    failed = select(ProviderCallback).where(ProviderCallback.error != literal_column("''"))
    found = page(failed, ProviderCallback.id, "rcp", {})
    return render_template(
        "provider_callbacks.html",
        callbacks=_kept(found.rows),
        may_replay=may(Role.OPERATOR),
        minutes=process_callbacks.LOOK_FOR.seconds // 60,
        newer=found.newer,
        older=found.older,
    )


@admin.post("/receipts/<callback_id>/replay")
@needs(Role.OPERATOR)
def replay_callback(callback_id: str) -> Any:
    """Apply one callback once more."""
    if not is_id("rcp", callback_id) or db.session.get(ProviderCallback, callback_id) is None:
        abort(404)
    flash(*callback_summary(replay.replay(Selection(callback_id=callback_id))))
    return redirect(back_to(request.form.get("next") or url_for("admin.callbacks")), 303)


@admin.post("/messages/<message_id>/replay")
@needs(Role.OPERATOR)
def replay_message(message_id: str) -> Any:
    """Apply the callbacks of a message once more."""
    if not is_id("msg", message_id) or db.session.get(Message, message_id) is None:
        abort(404)
    flash(*callback_summary(replay.replay(Selection(message=message_id))))
    return redirect(url_for("admin.message", message_id=message_id), 303)


def callbacks_of_message(message_id: str) -> list[CallbackEntry]:
    """Return the callbacks about a message, oldest first."""
    return _kept(
        db.session.scalars(
            select(ProviderCallback)
            .where(ProviderCallback.id.in_(replay.callbacks_of_message(message_id)))
            .order_by(ProviderCallback.id)
        )
    )


def _kept(rows: Iterable[ProviderCallback]) -> list[CallbackEntry]:
    return unreadable_rows.readable_rows(
        "provider_callbacks",
        rows,
        lambda row: CallbackEntry(
            row.id,
            row.received_at,
            "" if _HASH.fullmatch(row.subject) else row.subject,
            row.detail.rstrip(":"),
            _text(row),
            row.error,
            row.due_at,
        ),
    )


_HASH = re.compile(r"[0-9a-f]{64}")  # what a webhook is known by that names nothing else


def _text(row: ProviderCallback) -> str:
    """Write what came, one field a line."""
    line = f"{clock(row.received_at)}  POST /api/rpc/webhooks/{row.endpoint}\n"
    try:
        content = row.request
    except DecryptionError as problem:
        return line + str(problem)
    if content is None:
        return line + callback_rows.REMOVED
    body = base64.b64decode(content["body"]).decode(errors="replace")
    if (
        not content["headers"]
        .get("content-type", "")
        .lower()
        .startswith("application/x-www-form-urlencoded")
    ):
        return line + body
    return line + "\n".join(
        f"{name}={value}" for name, value in parse_qsl(body, keep_blank_values=True)
    )


def callback_summary(report: Report) -> tuple[str, str]:
    """Say what a replay did, and in which tone."""
    if not report.read:
        return "No stored callback matches, so nothing was replayed.", "info"
    sentences = [_came_of(report)]
    if report.removed:
        sentences.append(
            f"{plural(report.removed, 'callback')} could not be read, because the content"
            " was deleted at the end of its retention period."
        )
    if report.unproven:
        sentences.append(
            f"{plural(report.unproven, 'callback')} had no effect, because no connection’s"
            " secret verified it."
        )
    if report.failed:
        sentences.append(
            f"{plural(report.failed, 'callback')} could not be processed."
            f" {next(iter(report.reasons))}"
        )
        return " ".join(sentences), "warn"
    return " ".join(sentences), "good" if report.missed else "info"


def _came_of(report: Report) -> str:
    replayed = f"Replayed {plural(report.read, 'callback')}"
    if report.new:
        were = "status event was missing and has been"
        many = "status events were missing and have been"
        return f"{replayed}. {plural(report.new, were, many)} added."
    if report.missed:
        return f"{replayed}. Missed changes were applied."
    return f"{replayed}." if report.failed == report.read else f"{replayed}. Nothing was missed."
