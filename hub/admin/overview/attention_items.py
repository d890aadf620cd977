"""List the items that need attention, with one function for each kind of problem."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

from flask import url_for
from sqlalchemy import func, select

from hub import integrations
from hub.admin.connections import connection_health
from hub.admin.overview.daily_stats import DAY, LOST
from hub.admin.requests.pages import NOT_NOTIFIED
from hub.admin.view.filters import plural
from hub.core.vocabulary import ConnectionState, EndpointState, Status
from hub.db.engine import db
from hub.db.types import first_id_at, now
from hub.endpoints import endpoints
from hub.handlers import handler_list, registration
from hub.intake import process_callbacks
from hub.messaging.compose import template_sync
from hub.messaging.policy import policy, spending
from hub.messaging.send import provider_health
from hub.messaging.state import unreadable_rows
from hub.messaging.track import message_queries
from hub.models import Connection, Message, ProviderCallback
from hub.shared import clock_check
from hub.signing import overdue_fallbacks, skipped_signers, unreached

LATE = timedelta(minutes=1)
COUNT_LIMIT = 1000  # the highest number of messages that is counted
CALLBACK_LIMIT = 100


@dataclass(frozen=True)
class AttentionItem:
    """A problem, with a link to the page on which to solve it."""

    tone: str
    icon: str
    title: str
    text: str
    href: str
    button: str


def list_items() -> list[AttentionItem]:
    """Return all current problems, the most serious kinds first."""
    sending = _connections(ConnectionState.ENABLED)
    kinds = (
        _wrong_clock(),
        _broken_connections(_connections(ConnectionState.BROKEN)),
        _disabled_connections(_connections(ConnectionState.DISABLED)),
        _unhealthy_connections(sending),
        _spent_limits(sending),
        _unusable_templates(),
        _unreached_signers(),
        _skipped_signers(),
        _expired_fallbacks(),
        _unknown_outcomes(),
        _failed_messages(),
        _late_messages(),
        _unreadable_rows(),
        _unprocessed_callbacks(),
        _webhook_endpoints(),
        _handlers(),
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
                f"{problem} Signpost deletes no data by age until the clock is corrected"
                " or confirmed."
            ),
            href=url_for("admin.clock"),
            button="Check clock",
        )


def _webhook_endpoints() -> Iterator[AttentionItem]:
    """Report endpoints that fail for long, or that Signpost disabled."""
    for row in db.session.scalars(endpoints.failing_query()):
        is_off = row.state == EndpointState.DISABLED
        title = row.description or "An endpoint for events"
        yield AttentionItem(
            tone="bad" if is_off else "warn",
            icon="toggle-off" if is_off else "exclamation-triangle-fill",
            title=f"{title} {'was disabled' if is_off else 'is failing'}",
            text=(
                "Its events are kept as missed."
                if is_off
                else "It has accepted no events for 4 days. Signpost will disable it."
            ),
            href=url_for("admin.webhook_endpoint", endpoint_id=row.id),
            button="Open endpoint",
        )


def _handlers() -> Iterator[AttentionItem]:
    """Report handlers that fail, and files of handlers that could not be loaded."""
    for problem in registration.load_problems():
        yield AttentionItem(
            tone="bad",
            icon="exclamation-triangle-fill",
            title=f"The handlers of {problem['name']} cannot run",
            text=problem["problem"],
            href=url_for("admin.handlers"),
            button="View handlers",
        )
    for row in handler_list.list_failing():
        yield AttentionItem(
            tone="warn",
            icon="exclamation-triangle-fill",
            title=f"The handler {row.description.partition(':')[2]} is failing",
            text="Its events are retried for 24 hours.",
            href=url_for("admin.handler", handler_id=row.id),
            button="Open handler",
        )


def _broken_connections(broken: list[Connection]) -> Iterator[AttentionItem]:
    for connection in broken:
        yield AttentionItem(
            tone="bad",
            icon="exclamation-triangle-fill",
            title=f"{connection.title} is broken",
            text=" ".join(
                filter(
                    None,
                    (connection.state_reason, _describe_waiting(_count_waiting(connection))),
                )
            ),
            href=url_for("admin.connection", slug=connection.slug),
            button="Fix connection",
        )


def _disabled_connections(disabled: list[Connection]) -> Iterator[AttentionItem]:
    for connection in disabled:
        if waiting := _count_waiting(connection):
            yield AttentionItem(
                tone="warn",
                icon="toggle-off",
                title=f"{connection.title} is disabled and has waiting messages",
                text=_describe_waiting(waiting),
                href=url_for("admin.connection", slug=connection.slug),
                button="View connection",
            )


def _unhealthy_connections(sending: list[Connection]) -> Iterator[AttentionItem]:
    health = connection_health.describe_health(sending)
    for connection in sending:
        problem = health.get(connection.id)
        if problem is not None and not problem.is_temporary:
            yield AttentionItem(
                tone="warn",
                icon=problem.icon,
                title=f"{connection.title}: {problem.title}",
                text=problem.text,
                href=url_for("admin.connection", slug=connection.slug),
                button="View connection",
            )


def _spent_limits(sending: list[Connection]) -> Iterator[AttentionItem]:
    for connection in sending:
        rules = policy.get_rules(connection.info)
        if not (rules.is_capped and rules.has_prices):
            continue
        share = spending.read_spending(connection.id, now()).share(rules)
        if share >= spending.ALERT:
            yield AttentionItem(
                tone="bad" if share >= 1 else "warn",
                icon="cash-coin",
                title=f"{connection.title} has used {share:.0%} of its spending limit",
                text=(
                    "When the limit is reached, Signpost stops sending. Check what was sent before"
                    " you raise the limit."
                ),
                href=url_for("admin.connection_rules", slug=connection.slug),
                button="View rules",
            )


def _unusable_templates() -> Iterator[AttentionItem]:
    for template, connection in template_sync.unsendable_templates():
        state = template.state
        change = f"The template is {state}."
        if state == "approved":
            change = "The variables of the template changed."
        yield AttentionItem(
            tone="warn",
            icon="file-earmark-x",
            title=f"{connection.title} can no longer send the template {template.name}",
            text=f"{change} Until you map another one, {_effect_without_template(connection)}.",
            href=url_for("admin.templates"),
            button="View templates",
        )


def _effect_without_template(connection: Connection) -> str:
    """Return what happens to messages whose template can no longer be sent."""
    integration_class = integrations.registry().get(connection.integration)
    if integration_class is not None and integration_class.prefers_templates:
        return "its messages are sent with the text of Signpost"
    return "Signpost notifies only contacts who messaged you in the last 24 hours"


def _unreached_signers() -> Iterator[AttentionItem]:
    message_ids = unreached.list_unreached(now() - DAY, COUNT_LIMIT)
    if len(message_ids) == 1:
        yield AttentionItem(
            tone="bad",
            icon="x-octagon-fill",
            title="1 signer could not be reached",
            text="Every step of the route failed. The last message shows why.",
            href=url_for("admin.message", message_id=message_ids[0]),
            button="View last message",
        )
    elif message_ids:
        yield AttentionItem(
            tone="bad",
            icon="x-octagon-fill",
            title=f"{len(message_ids):,} signers could not be reached",
            text="Every step of their routes failed. Each last message shows why.",
            href=url_for("admin.messages", show="lost"),
            button="View failed messages",
        )


def _skipped_signers() -> Iterator[AttentionItem]:
    request_ids = skipped_signers.list_recent_requests()
    if not request_ids:
        return
    is_one = len({*request_ids}) == 1
    yield AttentionItem(
        tone="bad",
        icon="x-octagon-fill",
        title=f"{plural(len(request_ids), 'signer')} could not be notified",
        text=(
            "Every step of the route was skipped, for example because an address is missing."
            f" {'The request shows why.' if is_one else 'Each request shows why.'}"
        ),
        href=(
            url_for("admin.request_page", request_id=request_ids[0])
            if is_one
            else url_for("admin.requests", show=NOT_NOTIFIED)
        ),
        button="View request" if is_one else "View these requests",
    )


def _expired_fallbacks() -> Iterator[AttentionItem]:
    if expired := overdue_fallbacks.count_expired(now() - DAY):
        yield AttentionItem(
            tone="warn",
            icon="hourglass-split",
            title=f"{plural(expired, 'fallback')} expired",
            text=(
                "The next steps were due for more than 24 hours, for example after an outage, so"
                " they were left out. Signers who were not reached are listed above."
            ),
            href=url_for("admin.activity", subject=overdue_fallbacks.SUBJECT),
            button="View activity",
        )


def _unknown_outcomes() -> Iterator[AttentionItem]:
    if unknown := message_queries.count_messages((Status.UNKNOWN,), now() - DAY, COUNT_LIMIT):
        yield AttentionItem(
            tone="warn",
            icon="question-diamond-fill",
            title=f"The result of {plural(unknown, 'message')} is unknown",
            text="Signpost asks the provider. You can resend messages that stay unknown.",
            href=url_for("admin.messages", show="unknown"),
            button="View unknown messages",
        )


def _failed_messages() -> Iterator[AttentionItem]:
    if failed := message_queries.count_messages(LOST, now() - DAY, COUNT_LIMIT):
        yield AttentionItem(
            tone="warn",
            icon="x-octagon",
            title=f"{plural(failed, 'message')} failed in the last 24 hours",
            text="Each message shows the reason and how to fix it.",
            href=url_for("admin.messages", show="lost"),
            button="View failed messages",
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
            title=f"{plural(late, 'message')} {'has' if late == 1 else 'have'} waited for more"
            f" than a minute",
            text=(
                "The workers may have stopped. Check the terminal or the service that"
                " runs hub worker."
            ),
            href=url_for("admin.messages", status="queued"),
            button="View late messages",
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


def _unprocessed_callbacks() -> Iterator[AttentionItem]:
    recent = ProviderCallback.id > first_id_at("rcp", now() - DAY)
    callbacks = (
        select(ProviderCallback.id)
        .where(ProviderCallback.error != "", recent)
        .limit(CALLBACK_LIMIT)
    )
    if unprocessed := _count(callbacks):
        minutes = process_callbacks.MATCH_WINDOW.seconds // 60
        yield AttentionItem(
            tone="warn",
            icon="inbox",
            title=f"{plural(unprocessed, 'callback')} could not be processed",
            text=(
                f"Signpost retries a callback whose message it does not know for {minutes} minutes,"
                " and events of signing apps for 48 hours. The list shows the reasons."
            ),
            href=url_for("admin.callbacks"),
            button="View callbacks",
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
    waiting = plural(count, "message is waiting and is", "messages are waiting and are")
    return f"{waiting} sent once the connection sends again."


def _count_messages(*conditions: Any) -> int:
    return _count(select(Message.id).where(*conditions).limit(COUNT_LIMIT))


def _count(rows: Any) -> int:
    return db.session.scalar(select(func.count()).select_from(rows.subquery())) or 0
