"""Claiming what can be sent.

Claiming means the call begins: without an attempt's row it was surely never made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any

import structlog
from sqlalchemy import and_, bindparam, exists, func, or_, select

from hub.core.errors import DecryptionError, HubError
from hub.core.vocabulary import ConnectionState, Lane, Status
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.optimistic_transaction import optimistic
from hub.db.store import read, savepoint
from hub.db.types import now
from hub.integrations.base import Integration, Outbound
from hub.messaging.compose import media
from hub.messaging.compose.outbox import ASKING
from hub.messaging.policy.policy import (
    QUIET,
    Carrier,
    Policy,
    PolicyQuestion,
    hold_message,
    rules_of,
)
from hub.messaging.policy.rules import UnreadableRules
from hub.messaging.policy.session_windows import WINDOW_CLOSED
from hub.messaging.send import destinations, media_check, outcomes
from hub.messaging.send.isolation import Isolation
from hub.messaging.send.outbound import Addressee, outbound_of
from hub.messaging.send.outcomes import Claim, Outcome
from hub.messaging.send.recipient_pacing import LOOKED_AT, RecipientPacing
from hub.messaging.send.thread_order import edited_post, is_next_in_thread, provider_thread_of
from hub.messaging.send.throttle_gate import LONGEST_REST, Gate, Gates
from hub.messaging.state.database_clock import CLOCK, not_before
from hub.messaging.state.message_batch import COLUMNS, MessageBatch, MessageRow
from hub.messaging.state.message_batch import messages as message_table
from hub.messaging.state.unreadable_rows import is_transient
from hub.models import Body, Connection, Contact, Event, Message, SigningRequest, Throttle
from hub.shared import integration_instances

__all__ = ["LEASE", "Claim", "Outcome", "is_due", "record_and_claim"]

log = structlog.get_logger(__name__)

# longer than the longest call; an expired one becomes unknown, never queued
LEASE = timedelta(seconds=60)
UNREADABLE_PAUSE = timedelta(seconds=30)  # an operator may be restoring a key
UNREADABLE_RULES = (
    "The stored rules of this connection cannot be read. Open its rules, check and save them, then"
    " enable it again."
)
RESERVED = 4  # bulk leaves one in so many of a connection's threads to the other lane


def is_due() -> list[str]:
    """Return the ids of enabled connections that have something to send now, and whose sender may;
    who waits longest comes first.

    Reads only.
    """
    moment = now()
    found = read(_DUE, moment=moment, far=moment + LONGEST_REST)
    return [
        connection_id
        for (connection_id,) in found
        if not integration_instances.instances().is_aside(connection_id)
    ]


def _waiting(lane: Lane) -> Any:
    return (
        Message.connection_id == Connection.id,
        Message.status == Status.QUEUED,
        Message.lane == lane,
        Message.due_at <= bindparam("moment"),
    )


def _waits(lane: Lane) -> Any:
    return exists().where(*_waiting(lane))


def _since(lane: Lane) -> Any:
    return (
        select(Message.due_at)
        .where(*_waiting(lane))
        .order_by(Message.due_at)
        .limit(1)
        .correlate(Connection)
        .scalar_subquery()
    )


_DUE = Statement(
    select(Connection.id)
    .outerjoin(Throttle, Throttle.name == Connection.throttle)
    .where(
        Connection.state == ConnectionState.ENABLED,
        Connection.archived_at.is_(None),
        # one that rests for days is due too: the claim puts that right
        or_(
            Throttle.ready_at.is_(None),
            Throttle.ready_at <= CLOCK,
            Throttle.ready_at > bindparam("far"),
        ),
        or_(
            _waits(Lane.NOW),
            and_(
                or_(
                    Throttle.bulk_at.is_(None),
                    Throttle.bulk_at <= CLOCK,
                    Throttle.bulk_at > bindparam("far"),
                ),
                _waits(Lane.BULK),
            ),
        ),
    )
    .order_by(func.coalesce(_since(Lane.NOW), _since(Lane.BULK)))
    .limit(500)
)


def record_and_claim(
    ended: Sequence[Outcome], free: Mapping[str, int], bulk: Mapping[str, int] | None = None
) -> list[Claim]:
    """Record outcomes and claim for each connection no more than its free threads: one transaction
    for both.

    `bulk` says how many of a connection's calls under way are of the bulk lane, which never holds
    the last quarter.
    """
    try:
        return _turn(ended, free, bulk or {})
    except Exception as problem:
        if is_transient(problem):
            raise
        log.error("turn.failed", problem=type(problem).__name__)
        return Isolation(_turn).make(ended, free, bulk or {})  # one of them spoils it for all


@optimistic
def _turn(
    ended: Sequence[Outcome],
    free: Mapping[str, int],
    bulk: Mapping[str, int],
    *,
    apart: bool = False,
    only: str = "",
) -> list[Claim]:
    gates = Gates(free, ended)
    held = hold_message(free)
    asked = list[Policy]()
    gates.learn()
    (_record_apart if apart else outcomes.record_outcomes)(ended)
    claims = [
        claim
        for connection_id, threads in free.items()
        for claim in _claim(
            connection_id,
            threads,
            bulk.get(connection_id, 0),
            gates.of(connection_id),
            held,
            asked,
            only,
        )
    ]
    for policy in sorted(asked, key=attrgetter("connection_id")):  # two turns write in one order
        policy.write()
    gates.write()
    return claims


def _record_apart(ended: Sequence[Outcome]) -> None:
    for outcome in ended:
        try:
            with savepoint():
                outcomes.record_outcomes([outcome])
        except Exception as problem:
            if is_transient(problem):
                raise
            log.error(
                "outcome.not_written",
                message=outcome.claim.message_id,
                problem=type(problem).__name__,
            )  # its lease will expire


def _claim(
    connection_id: str,
    threads: int,
    bulk_flying: int,
    gate: Gate,
    held: Collection[str],
    policies: list[Policy],
    only: str = "",
) -> list[Claim]:
    threads = gate.most(threads)
    enabled = read(_ENABLED, id=connection_id, moment=now()) if threads else []
    if not enabled:
        gate.passed(0)
        return []
    version, account, *of_carrier, at = enabled[0]
    carrier = Carrier(connection_id, *of_carrier)
    rules = rules_of(carrier)
    if isinstance(rules, UnreadableRules):
        outcomes.pause_connection(connection_id, UNREADABLE_RULES)
        return []
    if rules.capped and connection_id not in held:
        return []  # its rules are a moment old: the next turn holds it
    integration = integration_instances.instances().kept(connection_id, version) or _start(
        connection_id
    )
    if integration is None:
        return []
    ledger = MessageBatch()
    spacing = gate.spacing()
    chosen = _choose(connection_id, Lane.NOW, threads, spacing, ledger, only)
    for_bulk = integration.concurrency - integration.concurrency // RESERVED - bulk_flying
    if (bulk := gate.bulk(min(threads - len(chosen), for_bulk), len(chosen))) > 0:
        chosen += _choose(connection_id, Lane.BULK, bulk, spacing, ledger, only)
    wanted = [_wanted(row, to) for row, to in chosen]
    asked = Policy(carrier, wanted)
    claims = [
        claim
        for (row, to), one in zip(chosen, wanted, strict=True)
        if (
            claim := _begin(
                ledger.hold(row),
                to,
                one,
                asked,
                integration,
                gate.epoch,
                ledger,
                account=account,
                sender=carrier.sender,
                at=at,
            )
        )
    ]
    ledger.write()
    policies.append(asked)
    if spacing:
        spacing.write()
    gate.passed(len(claims))
    return claims


def _wanted(row: MessageRow, to: Addressee) -> PolicyQuestion:
    limits = [limit for limit in (row.expires_at, to.asks_until) if limit is not None]
    return PolicyQuestion(
        row.contact_id,
        to.address,
        to.address_key,
        to.time_zone,
        min(limits, default=None),
        exempt=row.exempt,
        by_hand=row.by_hand,
        posted=bool(row.thread),
        source_id=row.source_id,
    )


_ENABLED = Statement(
    select(
        Connection.settings_version,
        Connection.account,
        Connection.integration,
        Connection.channel,
        Connection.sender,
        Connection.test,
        Connection.rules,
        CLOCK,
    ).where(
        Connection.id == bindparam("id"),
        Connection.state == ConnectionState.ENABLED,
        Connection.archived_at.is_(None),
    )
)


def _start(connection_id: str) -> Integration | None:
    connection = db.session.get_one(Connection, connection_id)
    try:
        return integration_instances.instance(connection)
    except DecryptionError as problem:  # an operator may be restoring the key; what waits, waits
        log.error("connection.unreadable", connection=connection.slug, key=problem.key_id)
        integration_instances.instances().set_aside(connection.id, UNREADABLE_PAUSE.total_seconds())
    except HubError as problem:  # a package that is gone, a test connection without the demo
        outcomes.pause_connection(connection.id, str(problem))
    return None


def _choose(
    connection_id: str,
    lane: Lane,
    most: int,
    spacing: RecipientPacing | None,
    ledger: MessageBatch,
    only: str,
) -> list[tuple[MessageRow, Addressee]]:
    looked_at = max(most, LOOKED_AT) if spacing else most
    asked = {"connection": connection_id, "lane": lane, "moment": now(), "most": looked_at}
    width = len(COLUMNS)
    found: list[tuple[MessageRow, Addressee]] = []
    for values in read(_CHOOSE_ONE, only=only, **asked) if only else read(_CHOOSE, **asked):
        address, address_key, zone, erased_at, content, asks_until = values[width:]
        erased = erased_at is not None
        bulk = lane == Lane.BULK
        to = Addressee(address, address_key, zone, erased, content, bulk, asks_until)
        found.append((MessageRow(*values[:width]), to))
    found = destinations.hold_back(connection_id, is_next_in_thread(found, ledger), ledger)
    return spacing.choose(found, most, ledger) if spacing else found


_WAITING = (
    select(
        *COLUMNS,
        Contact.address,
        Contact.address_key,
        Contact.time_zone,
        Contact.erased_at,
        Body._content,
        SigningRequest.expires_at.label("asks_until"),
    )
    .join(Contact, Contact.id == Message.contact_id)
    .outerjoin(Body, Body.owner_id == Message.id)
    # the request's end may have changed since the message was planned; posts to a team ask nobody
    .outerjoin(
        Event,
        and_(
            Event.id == Message.event_id,
            Event.type.in_(ASKING),
            Message.thread == "",
        ),
    )
    .outerjoin(SigningRequest, SigningRequest.id == Event.request_id)
    .where(
        Message.connection_id == bindparam("connection"),
        Message.status == Status.QUEUED,
        Message.lane == bindparam("lane"),
        Message.due_at <= bindparam("moment"),
    )
    .order_by(Message.due_at)
    .limit(bindparam("most"))
    .with_for_update(of=message_table, skip_locked=True)
)
_CHOOSE = Statement(_WAITING)
_CHOOSE_ONE = Statement(_WAITING.where(Message.id == bindparam("only")))


def _begin(
    row: MessageRow,
    to: Addressee,
    wanted: PolicyQuestion,
    asked: Policy,
    integration: Integration,
    epoch: int,
    ledger: MessageBatch,
    *,
    account: str,
    sender: str,
    at: datetime,
) -> Claim | None:
    moment = now()
    verdict = asked.verdict(wanted)
    row.expires_at = wanted.expires_at  # the provider gets the current limit
    if row.stop:
        ledger.end(row, Status.CANCELED, "stopped", why=row.stop)
    elif to.asks_until is not None and to.asks_until <= moment:
        ledger.end(row, Status.EXPIRED, "expired", code="request_expired")
    elif row.expires_at is not None and row.expires_at <= moment:
        ledger.end(row, Status.EXPIRED, "expired", code=row.code)  # what it waited for is why
    elif verdict.code:
        ledger.end(row, Status.SUPPRESSED, "suppressed", code=verdict.code)
    elif to.content is None or to.erased:
        ledger.end(
            row, Status.CANCELED, "erased", why="What it said, or whom it was for, was removed."
        )
    elif verdict.until is not None:
        if row.code != QUIET:
            ledger.note(row, "quiet hours")
        row.due_at = verdict.until
        row.code = QUIET
    else:
        if row.edits_id is not None:  # what it says may have been replaced until it was locked
            to = replace(
                to,
                content=next((content for (content,) in read(_BODY, id=row.id)), None)
                or to.content,
            )
        try:
            outbound = outbound_of(
                row, to, integration, row.tries + 1, free=asked.free(row.contact_id)
            )
        except DecryptionError as problem:
            if row.code != "unreadable":
                ledger.note(row, "unreadable", why=str(problem))
            row.due_at = moment + UNREADABLE_PAUSE
            row.code = "unreadable"
            return None
        if outbound is None:
            ledger.end(row, Status.SUPPRESSED, "suppressed", code=WINDOW_CLOSED)
            return None
        if row.thread:
            outbound = replace(outbound, thread=provider_thread_of(row), edits=edited_post(row))
        if row.edits_id and not (outbound.edits or outbound.reply_to):
            ledger.end(
                row,
                Status.CANCELED,
                "nothing to edit",
                why="What it would have changed does not stand there.",
            )
            return None
        if media.file_is_gone(outbound.files):
            ledger.end(row, Status.FAILED, "file gone", code="media_gone")
            return None
        if row.estimate is None:
            code, row.estimate = asked.spend(wanted, outbound.text)
            if code:
                ledger.end(row, Status.SUPPRESSED, "suppressed", code=code)
                return None
        asked.passed(wanted)
        begins = not_before(row.id, at)
        ledger.begin(
            row,
            begins,
            begins + LEASE,
            outbound.template.id if outbound.template else "",
            account=account,
            sender=integration.other_sender(to.address) or sender,
        )
        looks = _looks(integration, outbound)
        return Claim(
            row.id,
            row.tries,
            row.connection_id,
            integration,
            outbound,
            to.bulk,
            epoch,
            sender=sender,
            looks=looks,
        )
    return None


_BODY = Statement(select(Body._content).where(Body.owner_id == bindparam("id")))


def _looks(integration: Integration, outbound: Outbound) -> Callable[[], None] | None:
    """Return what looks at the files that others serve; the thread that hands the message over
    calls it.
    """
    if not outbound.unseen:
        return None
    limits = {
        content_type: media.limit_of(integration.media, content_type)
        for content_type in integration.media
    }
    return partial(
        media_check.check_links,
        outbound.unseen,
        limits,
        integration_instances.instances().door(
            media.reachable(integration_instances.instances().config)
        ),
    )
