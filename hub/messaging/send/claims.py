"""Claim messages that can be sent.

A claim stores the attempt before the call begins: without its row, the call was never made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter

import structlog

from hub.core.errors import DecryptionError, HubError
from hub.core.vocabulary import Lane, Status
from hub.db.engine import db
from hub.db.optimistic_transaction import optimistic
from hub.db.store import savepoint
from hub.db.types import now
from hub.integrations.base import Integration, Outbound
from hub.messaging.compose import media
from hub.messaging.policy import night
from hub.messaging.policy.policy import (
    QUIET,
    Policy,
    PolicyDecision,
    PolicyQuestion,
    get_rules,
    lock_capped,
)
from hub.messaging.policy.rules import UnreadableRules
from hub.messaging.policy.session_windows import WINDOW_CLOSED
from hub.messaging.send import connection_pause, media_check, outcomes
from hub.messaging.send.attachments import attach_files
from hub.messaging.send.calls import Claim, DueMessage, Outcome
from hub.messaging.send.concurrency_limit import limit_to_free_lines
from hub.messaging.send.due_messages import (
    choose_messages,
    find_due_connections,
    read_enabled,
    replaced_content,
)
from hub.messaging.send.final_status import find_final_status, find_final_status_before_call
from hub.messaging.send.isolation import Isolation
from hub.messaging.send.outbound import build_outbound
from hub.messaging.send.predecessors import NONE, Succession, find_successions
from hub.messaging.send.thread_order import find_edited_post_id, find_provider_thread
from hub.messaging.send.throttle_gate import ThrottleGate, ThrottleGates
from hub.messaging.state import unreadable_rows
from hub.messaging.state.database_clock import clamp_to_creation
from hub.messaging.state.message_batch import MessageBatch, MessageRow
from hub.models import Connection, ConnectionInfo
from hub.shared import integration_instances

__all__ = ["LEASE", "Claim", "Outcome", "find_due_connections", "record_and_claim"]

log = structlog.get_logger(__name__)

# longer than the longest call; a message whose lease expires becomes unknown, never queued
LEASE = timedelta(seconds=60)
UNREADABLE_PAUSE = timedelta(seconds=30)  # an operator may be restoring a key
UNREADABLE_RULES = (
    "The stored rules of this connection cannot be read. Open the rules, check and save"
    " them, then enable the connection again."
)
RESERVED = 4  # the bulk lane leaves one of this many threads of a connection to the other lane


def record_and_claim(
    finished_calls: Sequence[Outcome],
    free_threads: Mapping[str, int],
    running_bulk_calls: Mapping[str, int] | None = None,
) -> list[Claim]:
    """Record outcomes and claim messages for the free threads of connections, in one transaction.

    `running_bulk_calls` is the number of running calls of the bulk lane by connection. That lane
    never uses the last quarter of the threads.
    """
    try:
        return _run_turn(finished_calls, free_threads, running_bulk_calls or {})
    except Exception as error:
        if unreadable_rows.is_transient(error):
            raise
        log.error("dispatch_turn.failed", problem=type(error).__name__)
        return Isolation(_run_turn).run_separately(
            finished_calls, free_threads, running_bulk_calls or {}
        )  # finds the part that fails


@optimistic
def _run_turn(
    ended: Sequence[Outcome],
    free_threads: Mapping[str, int],
    bulk: Mapping[str, int],
    *,
    separately: bool = False,
    message_id: str = "",
) -> list[Claim]:
    gates = ThrottleGates(free_threads, ended)
    locked_connections = lock_capped(free_threads)
    policies = list[Policy]()
    gates.apply_outcomes()
    (_record_separately if separately else outcomes.record_outcomes)(ended)
    claims = [
        claim
        for connection_id, threads in free_threads.items()
        for claim in _claim(
            connection_id,
            threads,
            bulk.get(connection_id, 0),
            gates.get_gate(connection_id),
            locked_connections,
            policies,
            message_id,
        )
    ]
    for policy in sorted(policies, key=attrgetter("connection_id")):  # one order, against deadlocks
        policy.write_spending()
    gates.write()
    return claims


def _record_separately(ended: Sequence[Outcome]) -> None:
    for outcome in ended:
        try:
            with savepoint():
                outcomes.record_outcomes([outcome])
        except Exception as error:
            if unreadable_rows.is_transient(error):
                raise
            log.error(
                "outcome.write_failed",
                message=outcome.claim.message_id,
                problem=type(error).__name__,
            )  # its lease will expire


@dataclass(frozen=True, slots=True)
class _ClaimContext:
    """A connection while its messages are claimed, and the checks for them."""

    connection: ConnectionInfo
    integration: Integration
    policy: Policy
    batch: MessageBatch
    epoch: int
    at: datetime  # by the database's clock
    successions: Mapping[str, Succession]


def _claim(
    connection_id: str,
    threads: int,
    running_bulk: int,
    gate: ThrottleGate,
    locked_connections: Collection[str],
    policies: list[Policy],
    message_id: str = "",
) -> list[Claim]:
    threads = gate.allowance(threads)
    enabled = read_enabled(connection_id) if threads else None
    if enabled is None:
        gate.consume(0)
        return []
    connection, at = enabled
    integration = _usable_integration(connection, locked_connections)
    if integration is None:
        return []
    threads = limit_to_free_lines(connection_id, integration, threads, gate)
    batch = MessageBatch()
    pacing = gate.create_pacing()
    messages = choose_messages(connection_id, Lane.NOW, threads, pacing, batch, message_id)
    for_bulk = integration.concurrency - integration.concurrency // RESERVED - running_bulk
    if (bulk := gate.bulk_allowance(min(threads - len(messages), for_bulk), len(messages))) > 0:
        messages += choose_messages(
            connection_id, Lane.BULK, bulk, pacing, batch, message_id, messages
        )
    successions = find_successions(messages)
    questions = [_build_question(due, successions.get(due.row.id, NONE)) for due in messages]
    policy = Policy(connection, questions)
    claiming = _ClaimContext(connection, integration, policy, batch, gate.epoch, at, successions)
    started = [
        _start_call(due, question, claiming)
        for due, question in zip(messages, questions, strict=True)
    ]
    claims = [claim for claim in started if claim is not None]
    batch.write()
    policies.append(policy)
    if pacing:
        pacing.write()
    gate.consume(len(claims))
    return claims


def _usable_integration(
    connection: ConnectionInfo, locked_connections: Collection[str]
) -> Integration | None:
    """Return the integration of a connection, or None while its rules or settings do not
    allow it.
    """
    rules = get_rules(connection)
    if isinstance(rules, UnreadableRules):
        connection_pause.pause_connection(connection.id, UNREADABLE_RULES)
        return None
    if rules.is_capped and connection.id not in locked_connections:
        return None  # its rules have just changed: the next turn locks it
    cached = integration_instances.instances().cached(connection.id, connection.settings_version)
    return cached or _create_integration(connection.id)


def _build_question(due: DueMessage, succession: Succession) -> PolicyQuestion:
    row = due.row
    limits = [limit for limit in (row.expires_at, due.request_expires_at) if limit is not None]
    return PolicyQuestion(
        due.recipient,
        min(limits, default=None),
        exempt=row.exempt,
        manual=row.manual,
        is_team_post=bool(row.thread),
        replaced_message_id=succession.lost_id,
        source_id=row.source_id,
    )


def _create_integration(connection_id: str) -> Integration | None:
    connection = db.session.get_one(Connection, connection_id)
    try:
        return integration_instances.instance(connection)
    except DecryptionError as error:  # an operator may be restoring the key, so messages wait
        log.error("connection.unreadable", connection=connection.slug, key=error.key_id)
        integration_instances.instances().suspend(connection.id, UNREADABLE_PAUSE.total_seconds())
        unreadable_rows.record_unreadable_row_once(Connection.__tablename__, connection.id, error)
    except HubError as error:  # a missing package, or a test connection without the demo
        connection_pause.pause_connection(connection.id, str(error))
    return None


def _start_call(due: DueMessage, question: PolicyQuestion, claiming: _ClaimContext) -> Claim | None:
    """Start the call of a message, or end or postpone the message."""
    row = claiming.batch.add_row(due.row)
    current_time = now()
    decision = claiming.policy.decide(question)
    row.expires_at = question.expires_at  # the provider gets the current limit
    succession = claiming.successions.get(row.id, NONE)
    if end := find_final_status(due, decision, current_time, succession):
        claiming.batch.end_message(row, end.status, end.fact_name, code=end.code, reason=end.reason)
        return None
    if (until := _quiet_until(row, decision, current_time)) is not None:
        _postpone(row, QUIET, "quiet hours", until, claiming.batch)
        return None
    try:
        outbound = _build_outbound(due, claiming)
    except DecryptionError as error:
        until = current_time + UNREADABLE_PAUSE
        _postpone(row, "unreadable", "unreadable", until, claiming.batch, reason=str(error))
        return None
    if outbound is None:
        claiming.batch.end_message(row, Status.SUPPRESSED, "suppressed", code=WINDOW_CLOSED)
        return None
    if end := find_final_status_before_call(row, outbound, question, claiming.policy):
        claiming.batch.end_message(row, end.status, end.fact_name, code=end.code, reason=end.reason)
        return None
    claiming.policy.count_sent(question)
    return _write_attempt(due, outbound, claiming)


def _quiet_until(
    row: MessageRow, decision: PolicyDecision, current_time: datetime
) -> datetime | None:
    """Return until when a message waits: for the rules, and for the end of its own night."""
    ends = [end for end in (decision.until, night.end_of_night(row.night, current_time)) if end]
    return max(ends, default=None)


def _postpone(
    row: MessageRow,
    code: str,
    fact_name: str,
    due_at: datetime,
    batch: MessageBatch,
    reason: str = "",
) -> None:
    """Postpone a message, and record the reason once."""
    if row.code != code:
        batch.record_fact(row, fact_name, reason=reason)
    row.due_at = due_at
    row.code = code


def _build_outbound(due: DueMessage, claiming: _ClaimContext) -> Outbound | None:
    """Open a message's content, or None if it needs free text, which is not allowed now.

    Raises DecryptionError.
    """
    row = due.row
    content = due.content or b""
    if row.edits_id is not None:  # an edit may have been replaced before the row was locked
        content = replaced_content(row.id) or content
    allow_free_text = claiming.policy.allows_free_text(row.contact_id)
    outbound = build_outbound(
        row,
        due.recipient.address,
        content,
        claiming.integration,
        row.tries + 1,
        allow_free_text=allow_free_text,
    )
    if outbound is None:
        return None
    outbound = attach_files(outbound, claiming.integration)
    if not row.thread:
        return outbound
    return replace(outbound, thread=find_provider_thread(row), edits=find_edited_post_id(row))


def _write_attempt(due: DueMessage, outbound: Outbound, claiming: _ClaimContext) -> Claim:
    row = due.row
    integration = claiming.integration
    sender = claiming.connection.sender
    started_at = clamp_to_creation(row.id, claiming.at)
    claiming.batch.begin_attempt(
        row,
        started_at,
        started_at + LEASE,
        outbound.template.id if outbound.template else "",
        account=claiming.connection.account,
        sender=integration.senders.country_sender(due.recipient.address) or sender,
    )
    return Claim(
        row.id,
        row.tries,
        row.connection_id,
        integration,
        outbound,
        due.bulk,
        claiming.epoch,
        sender=sender,
        check_files=_file_check(integration, outbound),
    )


def _file_check(integration: Integration, outbound: Outbound) -> Callable[[], None] | None:
    """Return a function that checks files on other servers; the sending thread calls it."""
    if not outbound.external_media or integration.attaches_files:
        return None
    limits = {
        content_type: media.size_limit(integration.media, content_type)
        for content_type in integration.media
    }
    return partial(
        media_check.check_links,
        outbound.external_media,
        limits,
        integration_instances.instances().http_client(
            media.allowed_private_hosts(integration_instances.instances().config)
        ),
    )
