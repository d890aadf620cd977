"""The outbox: rows of messages, added in the transaction of what causes them; and sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from hub.core.errors import NotFound
from hub.core.vocabulary import EventType, Lane, Status
from hub.db.compiled_sql import Statement, UnreadableRow, table_of
from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.engine import db
from hub.db.store import transaction, wake, write
from hub.db.types import keyring, new_id, now
from hub.integrations.base import Button, Card, FilledTemplate
from hub.lib.crypto import blind_index
from hub.lib.text import readable
from hub.messaging.compose.content import content_of
from hub.messaging.policy.policy import QUIET, Policy, PolicyDecision, PolicyQuestion
from hub.messaging.policy.session_windows import WINDOW_CLOSED
from hub.messaging.state.message_batch import messages as message_table
from hub.messaging.state.message_batch import status_events
from hub.models import ConnectionInfo, Message, MessageBody, Recipient, StatusEvent
from hub.shared.index_key import index_key

LATEST = datetime.max.replace(tzinfo=UTC)
ASKING = [event_type.value for event_type in EventType if event_type.asks_to_sign]
# a message that cannot go for longer is not worth sending any more
WORTH_SENDING = timedelta(hours=24)


@dataclass(frozen=True)
class Draft:
    """A message to be: over which connection, to whom, saying what."""

    connection: ConnectionInfo
    recipient: Recipient
    text: str
    subject: str = ""
    source_id: str | None = None
    event_id: str | None = None
    request_id: str | None = None
    signer_id: str | None = None
    step_id: str | None = None
    template_version_id: str | None = None
    template: FilledTemplate | None = (
        None  # the provider's approved one, for when free text may not go
    )
    # name, locale and values of our own, to find an approved one when it is sent again
    says: Mapping[str, Any] | None = None
    card: Card | None = None
    buttons: Sequence[Button] = ()
    thread: str = ""  # what it is about, where that has an order
    edits_id: str | None = None  # the message that takes this content instead
    reply_to: str = ""  # of the press that it answers
    # files attached to free text, as `media.attached_files` returns them
    media: Sequence[Mapping[str, Any]] = ()
    exempt: bool = False  # from what the contact does not want: it says that this is understood
    manual: bool = False  # somebody here chose to send it, now
    lane: Lane = Lane.NOW
    dedup_key: bytes | None = None
    after_id: str | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        # what is stored is what is sent, and what pages show
        object.__setattr__(self, "text", readable(self.text))
        object.__setattr__(self, "subject", readable(self.subject))


@dataclass(frozen=True)
class StoredMessage:
    """A message as it was stored."""

    id: str
    channel: str
    to: str
    status: str
    code: str


def add(draft: Draft) -> StoredMessage:
    """Store a message: queued, or suppressed with the code of the rule that forbids it."""
    return add_all([draft])[0]


@transaction
def add_all(drafts: Sequence[Draft]) -> list[StoredMessage]:
    """Store many messages, each queued or suppressed, and wake the workers."""
    moment = now()
    wanted = [_wanted(draft, moment) for draft in drafts]
    rows = []
    bodies = []
    facts = []
    for draft, one, verdict in zip(drafts, wanted, _verdicts(drafts, wanted), strict=True):
        row, body = _row(draft, moment, one, verdict)
        rows.append(row)
        bodies.append(body)
        if row["status"] == Status.SUPPRESSED:
            facts.append(
                message_fact(row["id"], 0, "suppressed", Status.SUPPRESSED, code=row["code"])
            )
        elif row["code"]:
            facts.append(message_fact(row["id"], 0, row["code"].replace("_", " "), None))
    write(_MESSAGES, rows)
    write(_BODIES, bodies)
    write(FACTS, facts)
    if any(row["status"] == Status.QUEUED for row in rows):
        wake("deliver")
    pairs = zip(drafts, rows, strict=True)
    return [
        StoredMessage(
            row["id"], row["channel"], draft.recipient.address, row["status"], row["code"]
        )
        for draft, row in pairs
    ]


@transaction
def replace(draft: Draft) -> None:
    """Store a message that changes another one; where one like it waits still, that says this
    instead.
    """
    waiting = select(Message).where(
        Message.edits_id == draft.edits_id, Message.status == Status.QUEUED
    )
    row = db.session.scalar(waiting.order_by(Message.id.desc()).limit(1).with_for_update())
    if row is None:
        add(draft)
        return
    body = db.session.get_one(MessageBody, row.id.partition("_")[2])
    answers = {name: value for name, value in body.content.items() if name == "reply_to"}
    body.content = answers | content_of(draft)
    row.body_hmac = blind_index(index_key(), "body", draft.subject, draft.text)
    row.event_id = draft.event_id
    row.manual = row.manual or draft.manual
    row.due_at = now()
    row.code = ""
    db.session.flush()
    wake("deliver")


@transaction
def reconsider(connection_id: str) -> None:
    """Let what waits for the end of quiet hours be asked about now: they may have been changed."""
    waiting = (
        message_table.c.connection_id == connection_id,
        message_table.c.status == Status.QUEUED,
        message_table.c.code == QUIET,
    )
    db.session.execute(update(message_table).where(*waiting).values(due_at=now()))
    wake("deliver")


def _wanted(draft: Draft, moment: datetime) -> PolicyQuestion:
    expires_at = min(draft.expires_at or LATEST, moment + WORTH_SENDING)
    return PolicyQuestion(
        draft.recipient,
        expires_at,
        exempt=draft.exempt,
        manual=draft.manual,
        posted=bool(draft.thread),
        instead_of=draft.after_id,
        source_id=draft.source_id,
    )


def _verdicts(drafts: Sequence[Draft], wanted: Sequence[PolicyQuestion]) -> list[PolicyDecision]:
    """Decide for each message whether it may be sent.

    A damaged row about one recipient does not stop the other messages. That recipient's message is
    stored, and the claim, which checks again, sets it aside.
    """
    found: dict[int, PolicyDecision] = {}
    for connection in {draft.connection.id: draft.connection for draft in drafts}.values():
        theirs = [
            place for place, draft in enumerate(drafts) if draft.connection.id == connection.id
        ]
        try:
            policy = Policy(connection, [wanted[place] for place in theirs], planning=True)
            found |= {place: _verdict(drafts[place], wanted[place], policy) for place in theirs}
        except UnreadableRow:
            found |= {place: _verdict_apart(drafts[place], wanted[place]) for place in theirs}
    return [found[place] for place in range(len(drafts))]


def _verdict_apart(draft: Draft, one: PolicyQuestion) -> PolicyDecision:
    try:
        return _verdict(draft, one, Policy(draft.connection, [one], planning=True))
    except UnreadableRow:
        return PolicyDecision()


def _verdict(draft: Draft, one: PolicyQuestion, policy: Policy) -> PolicyDecision:
    found = policy.decide(one)
    if not found.code and draft.template is None and not policy.allows_free_text(one.recipient.id):
        return PolicyDecision(WINDOW_CLOSED)
    if found.code:
        return found
    code, _ = policy.spend(one, draft.text)
    if code:
        return PolicyDecision(code)
    policy.count_sent(one)
    return found


_MESSAGES, _BODIES, FACTS = (
    Statement.insert(table) for table in (message_table, table_of(MessageBody), status_events)
)


def _row(
    draft: Draft, moment: datetime, one: PolicyQuestion, verdict: PolicyDecision
) -> tuple[dict[str, Any], dict[str, Any]]:
    connection = draft.connection
    message_id = new_id("msg")
    code = verdict.code
    row = {
        "id": message_id,
        "event_id": draft.event_id,
        "request_id": draft.request_id,
        "signer_id": draft.signer_id,
        "contact_id": draft.recipient.id,
        "connection_id": connection.id,
        "source_id": draft.source_id,
        "channel": connection.channel,
        "test": connection.test,
        "lane": draft.lane.value,
        "thread": draft.thread,
        "edits_id": draft.edits_id,
        "step_id": draft.step_id,
        "template_version_id": draft.template_version_id,
        "consent_id": verdict.consent_id,
        "status": (Status.SUPPRESSED if code else Status.QUEUED).value,
        "code": code or (QUIET if verdict.until else ""),
        "exempt": draft.exempt,
        "manual": draft.manual,
        "tries": 0,
        "due_at": None if code else verdict.until or moment,
        "expires_at": one.expires_at,
        "dedup_key": draft.dedup_key,
        "after_id": draft.after_id,
        "changed_at": moment,
        "body_hmac": blind_index(index_key(), "body", draft.subject, draft.text),
    }
    sealed = keyring().seal_json(MESSAGE_CONTENT, message_id.partition("_")[2], content_of(draft))
    return row, {"owner_id": message_id, "content": sealed}


def message_fact(
    message_id: str,
    attempt: int,
    word: str,
    status: Status | None,
    *,
    code: str = "",
    why: str = "",
) -> dict[str, Any]:
    """Return the row of a fact of our own about a message."""
    return {
        "id": new_id("sev"),
        "message_id": message_id,
        "attempt": attempt,
        "at": now(),
        "status": status and status.value,
        "provider_status": word,
        "code": code,
        "reason": why,
        "source": "hub",
    }


def record_fact(
    message: Message,
    word: str,
    status: Status | None = None,
    *,
    code: str = "",
    why: str = "",
    attempt: int | None = None,
) -> None:
    """Write down a fact of our own about a message."""
    db.session.add(
        StatusEvent(
            message_id=message.id,
            attempt=message.tries if attempt is None else attempt,
            status=status and status.value,
            provider_status=word,
            code=code,
            reason=why,
            source="hub",
        )
    )


def lock_message(message_id: str) -> Message:
    """Return a message, locked. Raises NotFound."""
    message = db.session.scalar(select(Message).where(Message.id == message_id).with_for_update())
    if message is None:
        raise NotFound("no_such_message", "There is no message with this ID.")
    return message
