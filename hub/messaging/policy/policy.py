"""Decide whether a message may be sent to a contact over a connection, and when.

The same rules apply when a message is planned and immediately before it is sent: opt-outs,
consents, countries, limits, quiet hours and spending. Session windows are read here too, and the
caller decides whether the text needs an open one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import and_, bindparam, not_, select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import PHONE_CHANNELS, Status
from hub.db.compiled_sql import Statement, get_table
from hub.db.engine import db
from hub.db.store import cached, list_param, read
from hub.db.types import first_id_at, now
from hub.integrations.base import Integration
from hub.messaging.policy import (
    linked_contacts,
    quiet_hours,
    rules,
    session_windows,
    spending,
)
from hub.messaging.policy.newest_decisions import (
    Decision,
    current_decision,
    entries_for_source,
    newest_decisions,
)
from hub.messaging.policy.opt_outs import Block, find_opt_outs
from hub.messaging.policy.rules import Rules
from hub.models import Attempt, Connection, ConnectionInfo, Message, Recipient

QUIET = "quiet_hours"  # the code of messages that wait for the end, or that would expire before it
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# the longest time from storing a message until its last try begins
MAX_LIFETIME = timedelta(days=2)


@dataclass(frozen=True)
class PolicyQuestion:
    """A message, with the fields that rules depend on."""

    recipient: Recipient
    expires_at: datetime | None = None
    exempt: bool = False  # it confirms an opt-out, or explains how to opt out
    manual: bool = False  # a user of the hub chose to send it now
    is_team_post: bool = False  # a post for a team, to which rules about people do not apply
    replaced_message_id: str | None = None  # the failed message that it replaces
    source_id: str | None = None  # None: an admin's message; the rules of every source apply
    assumed: Sequence[Decision] = ()  # decisions that are not stored, for previews


@dataclass(frozen=True)
class PolicyDecision:
    """The decision about a message.

    `code` is the rule that forbids it, or '' if none does. `until` is when it can be sent, or None
    if that is now.
    """

    code: str = ""
    until: datetime | None = None
    consent_id: str | None = None  # the consent that allows it


def sender_key(connection: ConnectionInfo) -> str:
    """Return the sender that a connection's opt-outs apply to, or the connection's ID without one.

    It is never '', which means every sender.
    """
    return connection.sender or connection.id


class Policy:
    """The rules of one connection, for some messages in one transaction."""

    def __init__(
        self,
        connection: ConnectionInfo,
        questions: Collection[PolicyQuestion],
        *,
        planning: bool = False,
    ) -> None:
        """Read the data that the rules need for the recipients of some messages.

        With `planning`, queued messages count as sent.
        """
        self._current_time = now()
        integration_class = _get_integration(connection)
        self.connection_id = connection.id
        self._fixed_hours = quiet_hours.fixed_hours(integration_class)
        self.rules = get_rules(connection)
        self._uses_numbers = connection.channel in PHONE_CHANNELS
        self._billed_units = (integration_class or Integration).billed_units
        # nothing that is stored refers to a contact that is not stored yet
        contact_ids = {
            question.recipient.id for question in questions if question.recipient.new_row is None
        }
        self._links = links = linked_contacts.linked_contacts(contact_ids)
        keys = {question.recipient.address_key for question in questions} | {
            other.address_key for others in links.values() for other in others
        }
        sender = sender_key(connection)
        self._opt_outs = find_opt_outs(keys, connection.channel, sender, test=connection.test)
        self._decisions = newest_decisions(
            linked_contacts.add_linked_ids(contact_ids, links), connection.channel
        )
        self._open_windows = (
            session_windows.closing_times(sender, contact_ids, links).keys()
            if integration_class and integration_class.session_window
            else None
        )
        self._sent_in_hour: Counter[str] = Counter()  # by contact
        self._sent_in_day: Counter[str] = Counter()
        if contact_ids and (self.rules.per_hour or self.rules.per_day):
            replaced = {question.replaced_message_id for question in questions}
            self._count_earlier(contact_ids, replaced, planning=planning)
        self._stored_spending = self._spending = (
            spending.read_spending(connection.id, self._current_time)
            if self.rules.limits_spending
            else spending.Spending()
        )
        self._new_messages = 0
        self._new_segments = 0

    def allows_free_text(self, contact_id: str) -> bool:
        """Return whether free text may be sent to a contact."""
        return self._open_windows is None or contact_id in self._open_windows

    def has_consent(self, question: PolicyQuestion) -> bool:
        """Return whether a consent is recorded, or the person wrote and waits for a reply."""
        decision = self._find_decision(question)
        return self._is_reply(question) or not self._check_consent(decision, required=True)

    def is_blocked(self, question: PolicyQuestion) -> bool:
        """Return whether the recipient opted out, objected, or cannot be reached."""
        return self._has_objected(question) or bool(self._find_blocks(question))

    def has_refused(self, question: PolicyQuestion) -> bool:
        """Return whether the recipient opted out or objected, and is not only out of reach."""
        blocks = self._find_blocks(question)
        return self._has_objected(question) or any(block.is_refusal for block in blocks)

    def _has_objected(self, question: PolicyQuestion) -> bool:
        return bool(self._check_consent(self._find_decision(question), required=False))

    def lacks_consent(self, question: PolicyQuestion) -> bool:
        """Return whether a message needs a consent that is missing or too old."""
        decision = self._find_decision(question)
        required = self.rules.consent and not self._is_reply(question)
        return self._check_consent(decision, required=required) in (
            "consent_missing",
            "consent_old",
        )

    def _is_reply(self, question: PolicyQuestion) -> bool:
        """Return whether the person wrote and waits for a reply."""
        return self._open_windows is not None and question.recipient.id in self._open_windows

    def decide(self, question: PolicyQuestion) -> PolicyDecision:
        """Decide whether a message may be sent, apart from its cost."""
        # Opt-outs do not apply to their own confirmation. Countries do, so that no stranger can
        # make the hub send to any number.
        if question.exempt:
            return PolicyDecision(self._check_country(question))
        # a channel or group cannot opt out; see messaging/destinations.py
        if question.is_team_post:
            return PolicyDecision()
        is_reply = self._is_reply(question)
        decision = self._find_decision(question)
        needs_consent = self.rules.consent and not (is_reply or question.manual)
        code = (
            self._check_opt_outs(question)
            or self._check_consent(decision, required=needs_consent)
            or self._check_country(question)
            or self._check_limits(question)
        )
        if code:
            return PolicyDecision(code)
        consent_id = decision.id if decision and decision.given else None
        until = self.next_allowed(question, self._current_time)
        if until is None or question.expires_at is None or until < question.expires_at:
            return PolicyDecision("", until, consent_id)
        if self.rules.quiet_waits or self._is_forbidden_hour(question):
            return PolicyDecision(QUIET)
        return PolicyDecision(consent_id=consent_id)

    def next_allowed(self, question: PolicyQuestion, at: datetime) -> datetime | None:
        """Return when the quiet hours let a message be sent that is due at a time, None: then."""
        hours = self._fixed_hours
        if self.rules.quiet and not (question.manual or self._is_reply(question)):
            hours = (*hours, self.rules.quiet)
        return quiet_hours.first_allowed(hours, at, self._zones(question)) if hours else None

    def _is_forbidden_hour(self, question: PolicyQuestion) -> bool:
        """Return whether it is an hour at which the channel never sends, whatever the rules."""
        hours = self._fixed_hours
        at = self._current_time
        return bool(hours and quiet_hours.first_allowed(hours, at, self._zones(question)))

    def _zones(self, question: PolicyQuestion) -> tuple[str, ...]:
        number = question.recipient.address if self._uses_numbers else ""
        zones = quiet_hours.recipient_zones(question.recipient.time_zone, number)
        return zones or (("UTC",) if self._fixed_hours else ())

    def count_sent(self, question: PolicyQuestion) -> None:
        """Count a message that will be sent."""
        self._sent_in_hour[question.recipient.id] += 1
        self._sent_in_day[question.recipient.id] += 1

    def spend(self, question: PolicyQuestion, text: str) -> tuple[str, Decimal | None]:
        """Add the cost of a message, unless a limit forbids it.

        Return the code of the limit, or '' if none forbids it, and the estimate. The estimate is
        None if messages have no price.
        """
        if not self.rules.has_prices:
            return "", None
        count = self._billed_units(text)
        cost = self.rules.cost(question.recipient.address, count)
        after = self._spending.plus(cost)
        if not question.exempt:
            if self.rules.spend_day and after.day > self.rules.spend_day:
                return "spend_day", None
            if self.rules.spend_month and after.month > self.rules.spend_month:
                return "spend_month", None
        self._spending = after
        self._new_messages += 1
        self._new_segments += count
        return "", cost

    def write_spending(self) -> None:
        """Store the added costs, and notify the admins if a limit is near."""
        if not self._new_messages:
            return
        spending.add_spending(
            self.connection_id,
            self._current_time,
            messages=self._new_messages,
            segments=self._new_segments,
            cost=self._spending.day - self._stored_spending.day,
        )
        spending.alert_near_limit(
            self.connection_id, self._stored_spending, self._spending, self.rules
        )

    # the rules
    def _check_opt_outs(self, question: PolicyQuestion) -> str:
        """Return the code of an opt-out that blocks a message, or ''."""
        return next((block.code for block in self._find_blocks(question)), "")

    def _find_blocks(self, question: PolicyQuestion) -> list[Block]:
        """Return the opt-outs that block a message."""
        keys = (
            question.recipient.address_key,
            *(other.address_key for other in self._links.get(question.recipient.id, ())),
        )
        opt_outs = [self._opt_outs.get(key, {}) for key in keys]
        return [
            block for item in opt_outs for block in entries_for_source(question.source_id, item)
        ]

    def _find_decision(self, question: PolicyQuestion) -> Decision | None:
        """Return the consent or objection that applies to a message."""
        contact_ids = (
            question.recipient.id,
            *(other.id for other in self._links.get(question.recipient.id, ())),
        )
        decisions = (
            decision
            for contact_id in contact_ids
            for decision in self._decisions.get(contact_id, {}).values()
        )
        return current_decision((*decisions, *question.assumed), question.source_id)

    def _check_consent(self, decision: Decision | None, *, required: bool) -> str:
        if decision is not None and not decision.given:
            return "consent_no"
        if not required:
            return ""
        if decision is None:
            return "consent_missing"
        if not self.rules.consent_days:
            return ""
        oldest = self._current_time - timedelta(days=self.rules.consent_days)
        return "consent_old" if decision.at < oldest else ""

    def _check_country(self, question: PolicyQuestion) -> str:
        if not self._uses_numbers or self.rules.allows_number(question.recipient.address):
            return ""
        return "country_not_allowed"

    def _check_limits(self, question: PolicyQuestion) -> str:
        contact_id = question.recipient.id
        if self.rules.per_hour and self._sent_in_hour[contact_id] >= self.rules.per_hour:
            return "cap_hour"
        if self.rules.per_day and self._sent_in_day[contact_id] >= self.rules.per_day:
            return "cap_day"
        return ""

    def _count_earlier(
        self, contact_ids: Collection[str], replaced: Collection[str | None], *, planning: bool
    ) -> None:
        """Count the messages to contacts in the last hour and day, except those to replace."""
        oldest = first_id_at("msg", self._current_time - DAY - MAX_LIFETIME)
        for message_id, contact_id, status, started_at in read(
            _SENT, contacts=list(contact_ids), connection=self.connection_id, oldest=oldest
        ):
            is_queued = status == Status.QUEUED
            at = self._current_time if is_queued else started_at
            if at is None or (is_queued and not planning) or message_id in replaced:
                continue
            self._sent_in_hour[contact_id] += at > self._current_time - HOUR
            self._sent_in_day[contact_id] += at > self._current_time - DAY


def get_rules(connection: ConnectionInfo) -> Rules:
    """Return the sending rules of a connection."""
    integration_class = _get_integration(connection)
    return rules.rules_of_connection(
        connection.rules, bool(integration_class and integration_class.consent_required)
    )


def _get_integration(connection: ConnectionInfo) -> type[Integration] | None:
    try:
        return integrations.get(connection.integration)
    except NotFound:  # no longer installed; the claim of a message reports it
        return None


# ── Locks ─────────────────────────────────────────────────────────────────────────────────────────
def lock_capped(connection_ids: Iterable[str]) -> frozenset[str]:
    """Lock those of some connections whose limits depend on earlier messages, and return them.

    Other processes cannot claim messages of these connections in the meantime. Call it before any
    message is locked; the connections are locked in the order of their IDs. Their rules may have
    been read up to a second ago.
    """
    capped = sorted(cached(("capped",), _capped_connections).intersection(connection_ids))
    return frozenset(row_id for (row_id,) in read(_LOCK, ids=capped)) if capped else frozenset()


def _capped_connections() -> frozenset[str]:
    rows = db.session.execute(
        select(Connection.id, Connection.rules).where(
            Connection.rules != "", Connection.archived_at.is_(None)
        )
    )
    return frozenset(
        row_id for row_id, stored in rows if rules.rules_of_connection(stored, False).is_capped
    )


_messages = get_table(Message)
_attempts = get_table(Attempt)
_COUNTED_STATUSES = [
    status.value
    for status in (
        Status.QUEUED,
        Status.SENDING,
        Status.UNKNOWN,
        Status.ACCEPTED,
        Status.SENT,
        Status.DELIVERED,
        Status.READ,
        Status.UNDELIVERED,
    )
]
_SENT = Statement(
    select(_messages.c.id, _messages.c.contact_id, _messages.c.status, _attempts.c.started_at)
    .outerjoin(
        _attempts,
        and_(_attempts.c.message_id == _messages.c.id, _attempts.c.number == _messages.c.tries),
    )
    .where(
        _messages.c.contact_id.in_(list_param("contacts")),
        _messages.c.connection_id == bindparam("connection"),
        _messages.c.id > bindparam("oldest"),
        _messages.c.status.in_(_COUNTED_STATUSES),
        not_(_messages.c.exempt),
    )
)
_LOCK = Statement(
    select(Connection.id)
    .where(Connection.id.in_(list_param("ids")))
    .order_by(Connection.id)
    .with_for_update(key_share=True)
)
