"""The outbox: rows of messages. Added in the transaction of what causes them; taken back, sent again, stopped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import bindparam, or_, select, update

from hub import audit
from hub.crypto import blind
from hub.errors import Conflict, NotFound
from hub.extensions import db
from hub.integrations.base import Filled
from hub.messaging import provider_templates, spending
from hub.messaging.ledger import messages as message_table
from hub.messaging.ledger import status_events
from hub.messaging.policy import Policy, Verdict, Wanted
from hub.messaging.windows import WINDOW_CLOSED
from hub.models import Body, Connection, Event, Message, StatusEvent
from hub.models.types import keyring, new_id, now
from hub.statements import Statement, table_of
from hub.store import index_key, read, several, transaction, wake, write
from hub.vocabulary import ConnectionState, Lane, Status

LATEST = datetime.max.replace(tzinfo=UTC)
WORTH_SENDING = timedelta(hours=24)  # a message that cannot go for longer is not worth sending any more


class Carrying(Protocol):
    """A connection, as far as a message needs it."""

    @property
    def id(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def integration(self) -> str: ...
    @property
    def sender(self) -> str: ...
    @property
    def test(self) -> bool: ...
    @property
    def rules(self) -> str: ...


class Reachable(Protocol):
    """A contact, as far as a message needs it."""

    @property
    def id(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def address_key(self) -> bytes: ...
    @property
    def time_zone(self) -> str: ...


@dataclass(frozen=True)
class Draft:
    """A message to be: over which connection, to whom, saying what."""

    connection: Carrying
    contact: Reachable
    text: str
    subject: str = ""
    source_id: str | None = None
    event_id: str | None = None
    request_id: str | None = None
    signer_id: str | None = None
    step_id: str | None = None
    template_version_id: str | None = None
    template: Filled | None = None  # the provider's approved one, for when free text may not go
    says: Mapping[str, Any] | None = None  # name, locale and values of our own, to find an approved one when it is sent again
    media: Sequence[Mapping[str, Any]] = ()  # what goes along with free text, as `media.attached` makes it
    exempt: bool = False  # from what the contact does not want: it says that this is understood
    by_hand: bool = False  # somebody here chose to send it, now
    lane: Lane = Lane.NOW
    once_key: bytes | None = None
    after_id: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Stored:
    """A message as it was stored."""

    id: str
    channel: str
    to: str
    status: str
    code: str


def add(draft: Draft) -> Stored:
    """Store a message: queued, or suppressed with the code of the rule that forbids it."""
    return add_all([draft])[0]


@transaction
def add_all(drafts: Sequence[Draft]) -> list[Stored]:
    """Store many messages, each queued or suppressed, and wake the workers."""
    moment = now()
    wanted = [_wanted(draft, moment) for draft in drafts]
    policies: dict[str, Policy] = {}
    for connection in {draft.connection.id: draft.connection for draft in drafts}.values():
        theirs = [one for draft, one in zip(drafts, wanted, strict=True) if draft.connection.id == connection.id]
        policies[connection.id] = Policy(connection, theirs, planning=True)
    rows, bodies, refused = [], [], []
    for draft, one in zip(drafts, wanted, strict=True):
        row, body = _row(draft, moment, one, _verdict(draft, one, policies[draft.connection.id]))
        rows.append(row)
        bodies.append(body)
        if row["status"] == Status.SUPPRESSED:
            refused.append(fact(row["id"], 0, "suppressed", Status.SUPPRESSED, code=row["code"]))
    write(_MESSAGES, rows)
    write(_BODIES, bodies)
    write(_FACTS, refused)
    if len(refused) < len(rows):
        wake("deliver")
    pairs = zip(drafts, rows, strict=True)
    return [Stored(row["id"], row["channel"], draft.contact.address, row["status"], row["code"]) for draft, row in pairs]


def _wanted(draft: Draft, moment: datetime) -> Wanted:
    contact, expires_at = draft.contact, min(draft.expires_at or LATEST, moment + WORTH_SENDING)
    return Wanted(
        contact.id, contact.address, contact.address_key, contact.time_zone, expires_at, exempt=draft.exempt, by_hand=draft.by_hand,
        instead_of=draft.after_id,
    )


def _verdict(draft: Draft, one: Wanted, policy: Policy) -> Verdict:
    found = policy.verdict(one)
    if not found.code and draft.template is None and not policy.free(one.contact_id):
        return Verdict(WINDOW_CLOSED)
    if found.code:
        return found
    code, cost = policy.price(one, draft.text)
    if code:
        return Verdict(code)
    if cost is not None:
        policy.spend(draft.text, cost)
    policy.passed(one)
    return found


_MESSAGES, _BODIES, _FACTS = (Statement.insert(table) for table in (message_table, table_of(Body), status_events))


def _row(draft: Draft, moment: datetime, one: Wanted, verdict: Verdict) -> tuple[dict[str, Any], dict[str, Any]]:
    connection, message_id, code = draft.connection, new_id("msg"), verdict.code
    content: dict[str, Any] = {"subject": draft.subject, "text": draft.text}
    if draft.template is not None:
        content["template"] = {"id": draft.template.id, "variables": dict(draft.template.variables)}
    if draft.says is not None:
        content["says"] = dict(draft.says)
    if draft.media:
        content["media"] = [dict(one) for one in draft.media]
    row = {
        "id": message_id, "event_id": draft.event_id, "request_id": draft.request_id, "signer_id": draft.signer_id,
        "contact_id": draft.contact.id, "connection_id": connection.id, "source_id": draft.source_id, "channel": connection.channel,
        "test": connection.test, "lane": draft.lane.value, "thread": "", "step_id": draft.step_id,
        "template_version_id": draft.template_version_id, "consent_id": verdict.consent_id,
        "status": (Status.SUPPRESSED if code else Status.QUEUED).value, "code": code or ("quiet_hours" if verdict.until else ""),
        "exempt": draft.exempt, "by_hand": draft.by_hand, "tries": 0, "due_at": None if code else verdict.until or moment,
        "expires_at": one.expires_at,
        "once_key": draft.once_key, "after_id": draft.after_id, "changed_at": moment,
        "body_hmac": blind(index_key(), "body", draft.subject, draft.text),
    }  # fmt: skip
    sealed = keyring().seal_json("bodies", message_id.partition("_")[2], "content", content)
    return row, {"owner_id": message_id, "content": sealed}


def fact(message_id: str, attempt: int, word: str, status: Status, *, code: str = "", why: str = "") -> dict[str, Any]:
    """Return the row of a fact of our own about a message."""
    return {
        "id": new_id("sev"), "message_id": message_id, "attempt": attempt, "at": now(), "status": status.value, "word": word,
        "code": code, "why": why, "source": "hub",
    }  # fmt: skip


def note(message: Message, word: str, status: Status | None = None, *, code: str = "", why: str = "", attempt: int | None = None) -> None:
    """Write down a fact of our own about a message."""
    db.session.add(StatusEvent(
        message_id=message.id, attempt=message.tries if attempt is None else attempt, status=status and status.value, word=word,
        code=code, why=why, source="hub",
    ))  # fmt: skip


@transaction
def cancel(message_id: str) -> Message:
    """Take back a message that was not sent yet. Raises NotFound, Conflict."""
    message = _locked(message_id)
    if message.status != Status.QUEUED:
        over = f"It is {message.status} already, so there is nothing to take back."
        raise Conflict("not_queued", _TOO_LATE.get(Status(message.status), over))
    _end(message, Status.CANCELED, "canceled", why=f"by {audit.actor().who}")
    audit.record("message.canceled", message.id)
    return message


_TOO_LATE = {
    Status.SENDING: "It is being handed to the provider at this moment, so it cannot be taken back.",
    Status.UNKNOWN: "The provider may have it already, so it cannot be taken back.",
}


@transaction
def resend(message_id: str) -> Message:
    """Send a message again, as a successor, which each message has at most one of. Raises NotFound, Conflict."""
    message = _locked(message_id)
    status = Status(message.status)
    if not (status.final or status == Status.UNKNOWN):
        raise Conflict("under_way", "It is still on its way. Wait until it has arrived or failed, then send it again.")
    successor = db.session.scalar(select(Message.id).where(Message.after_id == message_id))
    if successor is not None:
        raise Conflict("resent_already", f"It was sent again already, as {successor}. Send that one again instead.")
    connection = message.connection
    if not connection.enabled:
        raise Conflict("connection_off", f"The connection {connection.title} does not send now. Enable it, then send again.")
    body = db.session.get(Body, message.id)
    if body is None:
        raise Conflict("body_gone", "What it said was removed after its retention, so it cannot be sent again.")
    content = body.content
    again = add(Draft(
        connection=connection, contact=message.contact, text=content["text"], subject=content["subject"], source_id=message.source_id,
        event_id=message.event_id, request_id=message.request_id, signer_id=message.signer_id, step_id=message.step_id,
        template_version_id=message.template_version_id, template=_template_now(connection.id, content),
        says=content.get("says"), media=content.get("media", ()), by_hand=message.by_hand, after_id=message.id,
    ))  # fmt: skip
    audit.record("message.resent", message.id, successor=again.id)
    return db.session.get_one(Message, again.id)


def _template_now(connection_id: str, content: Mapping[str, Any]) -> Filled | None:
    """Return the approved template that says today what a message's content says."""
    says = content.get("says")
    return provider_templates.filled(connection_id, says["name"], says["locale"], says["values"]) if says else template_of(content)


def template_of(content: Mapping[str, Any]) -> Filled | None:
    """Return the approved template that a message's content holds."""
    kept = content.get("template")
    return Filled(kept["id"], kept["variables"]) if kept else None


@transaction
def stop(why: str, *, event_types: Iterable[str], request_id: str, signer_id: str | None = None) -> None:
    """Keep what is unfinished of a request, or of one of its signers, from being sent: queued messages end as canceled.

    One that is being sent right now goes out; it will not be tried again.
    """
    found = read(_UNFINISHED, request=request_id, types=[str(event_type) for event_type in event_types])
    _halt([(message_id, status, tries) for message_id, whose, status, tries in found if signer_id in (None, whose)], why)


@transaction
def stop_contact(contact_id: str, why: str) -> None:
    """Keep what is unfinished to a contact from being sent, as `stop` does."""
    _halt(read(_UNFINISHED_TO, contact=contact_id), why)


def _halt(concerned: Sequence[tuple[Any, ...]], why: str) -> None:
    queued = [(message_id, tries) for message_id, status, tries in concerned if status == Status.QUEUED]
    spending.release([message_id for message_id, _ in queued])
    write(_STOP, [{"key": message_id, "why": why} for message_id, _, _ in concerned])
    write(_CANCEL, [{"key": message_id, "status": Status.CANCELED.value, "at": now()} for message_id, _ in queued])
    write(_FACTS, [fact(message_id, tries, "stopped", Status.CANCELED, why=why) for message_id, tries in queued])


_UNFINISHED = Statement(
    select(*message_table.c["id", "signer_id", "status", "tries"]).where(
        message_table.c.request_id == bindparam("request"), message_table.c.stop.is_(None),
        message_table.c.status.in_([Status.QUEUED.value, Status.SENDING.value, Status.UNKNOWN.value]),
        message_table.c.event_id.in_(select(Event.id).where(Event.request_id == bindparam("request"), Event.type.in_(several("types")))),
    ).order_by(message_table.c.id).with_for_update()
)  # fmt: skip
_UNFINISHED_TO = Statement(
    select(*message_table.c["id", "status", "tries"]).where(
        message_table.c.contact_id == bindparam("contact"), message_table.c.stop.is_(None),
        message_table.c.status.in_([Status.QUEUED.value, Status.SENDING.value, Status.UNKNOWN.value]),
    ).order_by(message_table.c.id).with_for_update()
)  # fmt: skip
_STOP = Statement(update(message_table).where(message_table.c.id == bindparam("key")).values(stop=bindparam("why")))
_CANCEL = Statement(
    update(message_table).where(message_table.c.id == bindparam("key"))
    .values(status=bindparam("status"), due_at=None, changed_at=bindparam("at"))
)  # fmt: skip


def give_up_waiting(most: int = 500) -> int:
    """End what waits for a connection that does not send: what is no longer worth sending, and all of an archived one.

    Returns how many messages ended, a bounded number at once. What has to end is looked for before anything is locked: of a long
    queue for a connection that is turned off, mostly nothing does.
    """
    off = select(Connection.id, Connection.archived_at).where(
        or_(Connection.state != ConnectionState.ENABLED, Connection.archived_at.is_not(None))
    )
    found: list[str] = []
    for connection_id, archived_at in db.session.execute(off).all():
        waiting = select(Message.id).where(Message.connection_id == connection_id, Message.status == Status.QUEUED)
        if archived_at is None:
            waiting = waiting.where(Message.expires_at <= now())
        found += db.session.scalars(waiting.order_by(Message.id).limit(most - len(found)))
    db.session.rollback()
    return _give_up(found) if found else 0


@transaction
def _give_up(ids: Sequence[str]) -> int:
    waiting = select(Message).where(Message.id.in_(ids), Message.status == Status.QUEUED).order_by(Message.id)
    ended = 0
    for message in db.session.scalars(waiting.with_for_update(skip_locked=True)).all():
        if message.connection.archived_at is not None:
            _end(message, Status.CANCELED, "canceled", "its connection was archived")
        elif not message.connection.enabled:  # else somebody has just enabled it
            _end(message, Status.EXPIRED, "expired")
        else:
            continue
        ended += 1
    return ended


def _end(message: Message, status: Status, word: str, why: str = "") -> None:
    db.session.flush()
    spending.release([message.id])
    db.session.expire(message, ["estimate"])
    message.status, message.due_at, message.changed_at = status.value, None, now()
    note(message, word, status, why=why)


def _locked(message_id: str) -> Message:
    message = db.session.scalar(select(Message).where(Message.id == message_id).with_for_update())
    if message is None:
        raise NotFound("no_such_message", "There is no message with this id.")
    return message


