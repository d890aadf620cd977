"""The outbox: store messages in the transaction that causes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from hub.core.errors import NotFound
from hub.core.vocabulary import EventType, Lane, Status
from hub.db.compiled_sql import Statement, UnreadableRow, get_table
from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.engine import db
from hub.db.store import transaction, wake, write
from hub.db.types import keyring, new_id, now
from hub.integrations.base import Button, Card, FilledTemplate
from hub.lib.crypto import blind_index
from hub.lib.text import readable
from hub.lib.times import LATEST
from hub.messaging.compose.content import hash_content, read_content
from hub.messaging.compose.message_expiry import find_expiry
from hub.messaging.compose.opt_out_line import add_opt_out_line
from hub.messaging.compose.short_links import ShortLink, build_rows, waits_until
from hub.messaging.contacts.contacts import store_recipients
from hub.messaging.policy.policy import QUIET, Policy, PolicyDecision, PolicyQuestion
from hub.messaging.policy.session_windows import WINDOW_CLOSED
from hub.messaging.state import fallback_timers
from hub.messaging.state.message_batch import messages as message_table
from hub.messaging.state.message_batch import status_events
from hub.models import ConnectionInfo, Link, Message, MessageBody, Recipient, StatusEvent
from hub.shared.index_key import index_key

ASKING = [event_type.value for event_type in EventType if event_type.asks_to_sign]


@dataclass(frozen=True)
class Draft:
    """A message before it is stored: its connection, recipient and content."""

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
    locale: str = ""  # the language of the text of a template, if it may get an opt-out line
    # the approved template to send when free text is not allowed
    template: FilledTemplate | None = None
    # name, locale and values of the text, to find an approved template when it is resent
    template_values: Mapping[str, Any] | None = None
    card: Card | None = None
    buttons: Sequence[Button] = ()
    thread: str = ""  # messages of one thread are sent in order
    edits_id: str | None = None  # the message whose content this one replaces
    reply_to: str = ""  # the button action that it responds to
    # language and sender, for integrations with `uses_letterhead`: see `content.letterhead`
    letterhead: Mapping[str, Any] | None = None
    # files attached to free text, as `media.attached_files` returns them
    media: Sequence[Mapping[str, Any]] = ()
    exempt: bool = False  # sent in spite of an opt-out, such as its confirmation
    manual: bool = False  # a user chose to send it now
    lane: Lane = Lane.NOW
    dedup_key: bytes | None = None
    after_id: str | None = None
    after_failure: bool = False  # the message with `after_id` was lost, so only this one counts
    # the goal, and the minutes that it has, if another step of the route may follow
    fallback_goal: str | None = None
    fallback_minutes: int | None = None
    expires_at: datetime | None = None
    link_expires_at: datetime | None = None  # it is not sent with a link that leads nowhere
    links: Sequence[ShortLink] = ()  # the short links in the text
    night: str | None = None  # the recipient's, in which it is not sent; see policy/night.py
    # it waits, because another message may replace it, or for the next try after a failure
    not_before: datetime | None = None
    wait_fact: str = "waits for completion"  # the name of the fact about that wait

    def __post_init__(self) -> None:
        # the stored text is the one that is sent and that pages show
        object.__setattr__(self, "text", readable(self.text))
        object.__setattr__(self, "subject", readable(self.subject))

    def with_text(self, text: str) -> Draft:
        """Return the draft with another text, which must be readable."""
        changed = copy(self)  # `replace` would clean all texts again
        object.__setattr__(changed, "text", text)
        return changed


@dataclass(frozen=True)
class MessageSummary:
    """A stored message as the API's response to an event lists it."""

    id: str
    channel: str
    to: str
    status: str
    code: str


def add_message(draft: Draft) -> str:
    """Store a message, queued or suppressed by a rule, and return its ID."""
    return add_messages([draft])[0].id


@transaction
def add_messages(drafts: Sequence[Draft]) -> list[MessageSummary]:
    """Store many messages, each queued or suppressed, and wake the workers."""
    current_time = now()
    drafts, informed = _add_opt_out_lines(drafts)
    questions = [_policy_question(draft, current_time) for draft in drafts]
    rows = []
    bodies = []
    facts = []
    for draft, question, decision in zip(
        drafts, questions, _decisions(drafts, questions), strict=True
    ):
        row, body = _row(draft, current_time, question, decision)
        rows.append(row)
        bodies.append(body)
        if row["status"] == Status.SUPPRESSED:
            facts.append(
                build_fact_row(row["id"], 0, "suppressed", Status.SUPPRESSED, code=row["code"])
            )
        elif draft.not_before is not None:
            facts.append(build_fact_row(row["id"], 0, draft.wait_fact, None))
        elif row["code"]:
            facts.append(build_fact_row(row["id"], 0, row["code"].replace("_", " "), None))
    informed &= {row["contact_id"] for row in rows if row["status"] == Status.QUEUED}
    store_recipients([draft.recipient for draft in drafts], informed)
    write(_MESSAGES, rows)
    write(_BODIES, bodies)
    write(FACTS, facts)
    write(_LINKS, build_rows(drafts, rows))
    if any(row["status"] == Status.QUEUED for row in rows):
        wake("deliver")
    is_escalated = any(row["escalate_at"] == current_time for row in rows)
    if is_escalated or any(waits_until(draft, current_time) for draft in drafts):
        wake("chores")
    pairs = zip(drafts, rows, strict=True)
    return [
        MessageSummary(
            row["id"], row["channel"], draft.recipient.address, row["status"], row["code"]
        )
        for draft, row in pairs
    ]


def _add_opt_out_lines(drafts: Sequence[Draft]) -> tuple[list[Draft], set[str]]:
    """Return drafts of which the first SMS to each contact has an opt-out line, and the contacts.

    Only texts of templates get the line: direct messages and replies are sent as written.
    """
    informed: set[str] = set()
    result = []
    for draft in drafts:
        recipient = draft.recipient
        if draft.template_version_id and not draft.thread and recipient.id not in informed:
            text = add_opt_out_line(draft.text, draft.connection, recipient, draft.locale)
            if text != draft.text:
                informed.add(recipient.id)
                draft = draft.with_text(text)
        result.append(draft)
    return result, informed


@transaction
def store_edit(draft: Draft) -> None:
    """Store an edit of a message. An earlier edit that still waits gets the new content instead."""
    waiting = select(Message).where(
        Message.edits_id == draft.edits_id, Message.status == Status.QUEUED
    )
    row = db.session.scalar(waiting.order_by(Message.id.desc()).limit(1).with_for_update())
    if row is None:
        add_message(draft)
        return
    body = db.session.get_one(MessageBody, row.id.partition("_")[2])
    reply = {name: value for name, value in body.content.items() if name == "reply_to"}
    body.content = content = reply | read_content(draft)
    for column, value in hash_content(content).items():
        setattr(row, column, value)
    row.body_hmac = blind_index(index_key(), "body", draft.subject, draft.text)
    row.event_id = draft.event_id
    row.manual = row.manual or draft.manual
    row.due_at = now()
    row.code = ""
    db.session.flush()
    wake("deliver")


def _policy_question(draft: Draft, current_time: datetime) -> PolicyQuestion:
    limit = min(draft.expires_at or LATEST, draft.link_expires_at or LATEST)
    expires_at = find_expiry(
        limit, draft.connection.integration, current_time, night_of_recipient=draft.night
    )
    return PolicyQuestion(
        draft.recipient,
        expires_at,
        exempt=draft.exempt,
        manual=draft.manual,
        is_team_post=bool(draft.thread),
        replaced_message_id=draft.after_id if draft.after_failure else None,
        source_id=draft.source_id,
    )


def _decisions(
    drafts: Sequence[Draft], questions: Sequence[PolicyQuestion]
) -> list[PolicyDecision]:
    """Decide for each message whether it may be sent.

    A damaged row about one recipient does not stop the other messages. The message to that
    recipient is stored, and the claim, which checks again, sets it aside.
    """
    decisions: dict[int, PolicyDecision] = {}
    for connection in {draft.connection.id: draft.connection for draft in drafts}.values():
        indexes = [
            index for index, draft in enumerate(drafts) if draft.connection.id == connection.id
        ]
        try:
            policy = Policy(connection, [questions[index] for index in indexes], planning=True)
            decisions |= {
                index: _decide(drafts[index], questions[index], policy) for index in indexes
            }
        except UnreadableRow:
            decisions |= {
                index: _decide_alone(drafts[index], questions[index]) for index in indexes
            }
    return [decisions[index] for index in range(len(drafts))]


def _decide_alone(draft: Draft, question: PolicyQuestion) -> PolicyDecision:
    try:
        return _decide(draft, question, Policy(draft.connection, [question], planning=True))
    except UnreadableRow:
        return PolicyDecision()


def _decide(draft: Draft, question: PolicyQuestion, policy: Policy) -> PolicyDecision:
    decision = policy.decide(question)
    needs_window = not decision.code and draft.template is None
    if needs_window and not policy.allows_free_text(question.recipient.id):
        return PolicyDecision(WINDOW_CLOSED)
    if decision.code:
        return decision
    code, _ = policy.spend(question, draft.text)
    if code:
        return PolicyDecision(code)
    policy.count_sent(question)
    return decision


_BODIES, _LINKS = (Statement.insert(get_table(table)) for table in (MessageBody, Link))
_MESSAGES, FACTS = (Statement.insert(table) for table in (message_table, status_events))


def _row(
    draft: Draft, current_time: datetime, question: PolicyQuestion, decision: PolicyDecision
) -> tuple[dict[str, Any], dict[str, Any]]:
    connection = draft.connection
    message_id = new_id("msg")
    code = decision.code
    content = read_content(draft)
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
        "consent_id": decision.consent_id,
        "status": (Status.SUPPRESSED if code else Status.QUEUED).value,
        "code": code or (QUIET if decision.until else ""),
        "exempt": draft.exempt,
        "manual": draft.manual,
        "tries": 0,
        "due_at": None if code else _due_at(draft, decision, current_time),
        "expires_at": question.expires_at,
        "night": draft.night,
        "link_expires_at": draft.link_expires_at,
        "dedup_key": draft.dedup_key,
        "after_id": draft.after_id,
        "fallback_goal": draft.fallback_goal,
        "fallback_minutes": draft.fallback_minutes,
        "escalate_at": _escalation(draft, code, current_time),
        "changed_at": current_time,
        "body_hmac": blind_index(index_key(), "body", draft.subject, draft.text),
        **hash_content(content),
    }
    encrypted = keyring().seal_json(MESSAGE_CONTENT, message_id.partition("_")[2], content)
    return row, {"owner_id": message_id, "content": encrypted}


def _escalation(draft: Draft, code: str, current_time: datetime) -> datetime | None:
    """Return when the next step follows a message that is blocked, or whose connection is off."""
    if draft.fallback_goal is None:
        return None
    if code:
        return current_time
    if draft.connection.enabled:
        return None
    return fallback_timers.escalation_while_waiting(
        draft.fallback_goal, draft.fallback_minutes, current_time
    )


def _due_at(draft: Draft, decision: PolicyDecision, current_time: datetime) -> datetime:
    times = (current_time, decision.until, draft.not_before, waits_until(draft, current_time))
    return max(time for time in times if time is not None)


def build_fact_row(
    message_id: str,
    attempt: int,
    word: str,
    status: Status | None,
    *,
    code: str = "",
    reason: str = "",
) -> dict[str, Any]:
    """Return the row of a fact that the hub records about a message."""
    return {
        "id": new_id("sev"),
        "message_id": message_id,
        "attempt": attempt,
        "at": now(),
        "status": status and status.value,
        "provider_status": word,
        "code": code,
        "reason": reason,
        "source": "hub",
    }


def record_fact(
    message: Message,
    word: str,
    status: Status | None = None,
    *,
    code: str = "",
    reason: str = "",
    attempt: int | None = None,
) -> None:
    """Record a fact of the hub about a message."""
    db.session.add(
        StatusEvent(
            message_id=message.id,
            attempt=message.tries if attempt is None else attempt,
            status=status and status.value,
            provider_status=word,
            code=code,
            reason=reason,
            source="hub",
        )
    )


def lock_message(message_id: str) -> Message:
    """Return a message, locked. Raises NotFound."""
    message = db.session.scalar(select(Message).where(Message.id == message_id).with_for_update())
    if message is None:
        raise NotFound("no_such_message", "There is no message with this ID.")
    return message
