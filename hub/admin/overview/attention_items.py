"""What needs the reader's attention on the overview: one function for each kind of problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

from flask import url_for
from sqlalchemy import func, select

from hub.admin.connections import connection_health
from hub.admin.overview.daily_stats import DAY, LOST
from hub.admin.view.filters import plural
from hub.core.vocabulary import ConnectionState, Status
from hub.db.engine import db
from hub.db.types import id_at, now
from hub.intake import process_callbacks
from hub.messaging.compose import template_sync
from hub.messaging.policy import policy, spending
from hub.messaging.send import provider_health
from hub.messaging.state import unreadable_rows
from hub.messaging.track import message_queries
from hub.models import Connection, Message, Receipt
from hub.shared import clock_check

LATE = timedelta(minutes=1)
COUNT_LIMIT = 1000  # messages are counted no further
CALLBACK_LIMIT = 100


@dataclass(frozen=True)
class AttentionItem:
    """A problem, with a link to where it can be solved."""

    tone: str
    icon: str
    title: str
    text: str
    href: str
    button: str


def list_items() -> list[AttentionItem]:
    """Return every problem that there is now, the most serious kinds first."""
    sending = _connections(ConnectionState.ENABLED)
    kinds = (
        _wrong_clock(),
        _broken_connections(_connections(ConnectionState.BROKEN)),
        _disabled_connections(_connections(ConnectionState.DISABLED)),
        _hindered_connections(sending),
        _spent_limits(sending),
        _lost_templates(),
        _unknown_outcomes(),
        _failed_messages(),
        _late_messages(),
        _unreadable_rows(),
        _unsettled_callbacks(),
    )
    return list(chain.from_iterable(kinds))


def _connections(state: ConnectionState) -> list[Connection]:
    query = select(Connection).where(Connection.archived_at.is_(None), Connection.state == state)
    return list(db.session.scalars(query.order_by(Connection.state_at)))


def _wrong_clock() -> Iterator[AttentionItem]:
    if problem := clock_check.problem():
        yield AttentionItem(
            tone="bad",
            icon="clock-history",
            title="The clock may be wrong",
            text=(
                f"{problem} Signpost deletes nothing by age until the clock is right or confirmed."
            ),
            href=url_for("admin.clock"),
            button="Check the clock",
        )


def _broken_connections(broken: list[Connection]) -> Iterator[AttentionItem]:
    for connection in broken:
        yield AttentionItem(
            tone="bad",
            icon="exclamation-triangle-fill",
            title=f"{connection.title} has stopped",
            text=f"{connection.why} {_describe_waiting(_count_waiting(connection))}".strip(),
            href=url_for("admin.connection", slug=connection.slug),
            button="Fix the connection",
        )


def _disabled_connections(disabled: list[Connection]) -> Iterator[AttentionItem]:
    for connection in disabled:
        if waiting := _count_waiting(connection):
            yield AttentionItem(
                tone="warn",
                icon="toggle-off",
                title=f"{connection.title} is disabled, and messages wait for it",
                text=_describe_waiting(waiting),
                href=url_for("admin.connection", slug=connection.slug),
                button="Open the connection",
            )


def _hindered_connections(sending: list[Connection]) -> Iterator[AttentionItem]:
    health = connection_health.health_of(sending)
    for connection in sending:
        problem = health.get(connection.id)
        if problem is not None and not problem.passing:
            yield AttentionItem(
                tone="warn",
                icon=problem.icon,
                title=f"{connection.title}: {problem.title}",
                text=problem.text,
                href=url_for("admin.connection", slug=connection.slug),
                button="Open the connection",
            )


def _spent_limits(sending: list[Connection]) -> Iterator[AttentionItem]:
    for connection in sending:
        rules = policy.rules_of(connection)
        if not (rules.capped and rules.spends):
            continue
        share = spending.spending_of(connection.id, now()).share(rules)
        if share >= spending.ALERT:
            yield AttentionItem(
                tone="bad" if share >= 1 else "warn",
                icon="cash-coin",
                title=f"{connection.title} has spent {share:.0%} of what its rules allow",
                text=(
                    "What would pass the limit is not sent. Look at what went out before you"
                    " raise it."
                ),
                href=url_for("admin.connection_rules", slug=connection.slug),
                button="Open the rules",
            )


def _lost_templates() -> Iterator[AttentionItem]:
    for template, connection in template_sync.mark_removed():
        state = template.state
        change = "has other variables now" if state == "approved" else f"is {state}"
        yield AttentionItem(
            tone="warn",
            icon="file-earmark-x",
            title=f"{connection.title} may not send the template {template.name} any more",
            text=(
                f"It {change}. Until one is mapped anew, only people who wrote"
                " in the last 24 hours are told."
            ),
            href=url_for("admin.templates"),
            button="Open the templates",
        )


def _unknown_outcomes() -> Iterator[AttentionItem]:
    if unknown := message_queries.count_messages((Status.UNKNOWN,), now() - DAY, COUNT_LIMIT):
        yield AttentionItem(
            tone="warn",
            icon="question-diamond-fill",
            title=f"The outcome of {plural(unknown, 'message')} is not known",
            text="We ask the provider. What stays unknown can be sent again by hand.",
            href=url_for("admin.messages", show="unknown"),
            button="Look at them",
        )


def _failed_messages() -> Iterator[AttentionItem]:
    if failed := message_queries.count_messages(LOST, now() - DAY, COUNT_LIMIT):
        yield AttentionItem(
            tone="warn",
            icon="x-octagon",
            title=f"{plural(failed, 'message')} of the last day did not arrive",
            text="Each says why, and what can be done.",
            href=url_for("admin.messages", show="lost"),
            button="Look at them",
        )


def _late_messages() -> Iterator[AttentionItem]:
    due_before = now() - LATE
    late = _count_messages(
        Message.status == Status.QUEUED,
        Message.due_at < due_before,
        Message.connection_id.in_(provider_health.healthy_since(due_before)),
    )
    if late:
        yield AttentionItem(
            tone="bad",
            icon="hourglass-split",
            title=f"{plural(late, 'message')} should have gone out a minute ago",
            text=(
                "The workers may be stopped. Look at the terminal or the service that runs hub"
                " worker."
            ),
            href=url_for("admin.messages", status="queued"),
            button="Look at them",
        )


def _unreadable_rows() -> Iterator[AttentionItem]:
    if unreadable := len(unreadable_rows.list_rows()):
        yield AttentionItem(
            tone="bad",
            icon="file-earmark-x",
            title=f"{plural(unreadable, 'database row')} cannot be read",
            text="Signpost set them aside. All other messages and webhooks continue.",
            href=url_for("admin.unreadable_rows"),
            button="View unreadable rows",
        )


def _unsettled_callbacks() -> Iterator[AttentionItem]:
    recent = Receipt.id > id_at("rcp", now() - DAY)
    callbacks = select(Receipt.id).where(Receipt.error != "", recent).limit(CALLBACK_LIMIT)
    if unsettled := _count(callbacks):
        minutes = process_callbacks.LOOK_FOR.seconds // 60
        yield AttentionItem(
            tone="warn",
            icon="inbox",
            title=f"{plural(unsettled, 'callback')} could not be settled",
            text=(
                f"Signpost tries each again for {minutes} minutes. The list says why it could not"
                " apply them."
            ),
            href=url_for("admin.receipts"),
            button="Look at them",
        )


def _count_waiting(connection: Connection) -> int:
    return _count_messages(
        Message.connection_id == connection.id,
        Message.status == Status.QUEUED,
        Message.due_at.is_not(None),
    )


def _describe_waiting(count: int) -> str:
    if not count:
        return ""
    waiting = plural(count, "message waits", "messages wait")
    return f"{waiting} and {'goes' if count == 1 else 'go'} out once it sends again."


def _count_messages(*conditions: Any) -> int:
    return _count(select(Message.id).where(*conditions).limit(COUNT_LIMIT))


def _count(rows: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(rows.subquery())) or 0
