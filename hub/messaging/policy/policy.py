"""May this go, now, to this contact, over this connection?

One place answers: when a message is planned, and right before it is sent.

Suppressions, consents, countries, caps, quiet hours and spending are asked here; whether free text
may go (session windows) too, of which the text itself then decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import and_, bindparam, not_, select

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Channel, Status
from hub.db.compiled_sql import Statement, table_of
from hub.db.engine import db
from hub.db.store import cached, list_param, read
from hub.db.types import id_at, now
from hub.integrations.base import Integration
from hub.lib.text import segments
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
from hub.messaging.policy.opt_outs import opt_outs_of
from hub.messaging.policy.rules import Rules
from hub.models import Attempt, Connection, ConnectionInfo, Message, Recipient

QUIET = "quiet_hours"  # the code of what waits for their end, and of what could not
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LIVES = timedelta(days=2)  # a message at most, from when it is stored until its last try begins


@dataclass(frozen=True)
class PolicyQuestion:
    """A message, as far as rules ask about it: to whom, and until when it is worth anything."""

    recipient: Recipient
    expires_at: datetime | None = None
    exempt: bool = False  # it confirms that nothing more will come, or tells how to say so
    manual: bool = False  # somebody here chose to send it, now
    posted: bool = False  # for a team, which asked for it: rules about people do not hold there
    instead_of: str | None = None  # the failed message that it takes over from
    source_id: str | None = None  # None: an admin sends it, and what any source recorded holds


@dataclass(frozen=True)
class PolicyDecision:
    """`code` names the rule that forbids a message, '' when none does; `until` says when it may go,
    None for now.
    """

    code: str = ""
    until: datetime | None = None
    consent_id: str | None = None  # the yes that it rests upon


def sender_key(connection: ConnectionInfo) -> str:
    """Return the sender to which a connection's opt-outs are bound; without a sender that is the
    connection itself.

    It is never '', which means every sender.
    """
    return connection.sender or connection.id


class Policy:
    """The rules of one connection, asked about some messages in one transaction."""

    def __init__(
        self,
        connection: ConnectionInfo,
        wanted: Collection[PolicyQuestion],
        *,
        planning: bool = False,
    ) -> None:
        """Read what the rules need to know of these recipients.

        `planning`: what waits to be sent counts as sent.
        """
        self._moment = now()
        cls = _class(connection)
        self.connection_id = connection.id
        self.rules = rules_of(connection)
        self._on_phones = connection.channel in (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)
        self._counts_segments = bool(cls and cls.counts_segments)
        contacts = {one.recipient.id for one in wanted}
        self._links = links = linked_contacts.linked_contacts(contacts)
        keys = {one.recipient.address_key for one in wanted} | {
            other.address_key for some in links.values() for other in some
        }
        self._stops = opt_outs_of(
            keys, connection.channel, sender_key(connection), test=connection.test
        )
        self._words = newest_decisions(
            linked_contacts.with_linked(contacts, links), connection.channel
        )
        self._open = (
            session_windows.closing_times(sender_key(connection), contacts, links).keys()
            if cls and cls.session_window
            else None
        )
        self._hour: Counter[str] = Counter()
        self._day: Counter[str] = Counter()
        if contacts and (self.rules.per_hour or self.rules.per_day):
            self._count(contacts, {one.instead_of for one in wanted}, planning=planning)
        self._before = self._spent = (
            spending.spending_of(connection.id, self._moment)
            if self.rules.has_prices
            else spending.Spending()
        )
        self._booked = [0, 0]  # messages and segments

    def allows_free_text(self, contact_id: str) -> bool:
        """Tell whether free text may go to a contact."""
        return self._open is None or contact_id in self._open

    def decide(self, one: PolicyQuestion) -> PolicyDecision:
        """Say whether a message may go, but for what it costs."""
        # whom it goes to wants nothing else; but nobody may make the hub send to just any number
        if one.exempt:
            return PolicyDecision(self._country(one))
        # a channel or group is nobody who could opt out; see messaging/destinations.py
        if one.posted:
            return PolicyDecision()
        # the person wrote to us, and waits
        answers = self._open is not None and one.recipient.id in self._open
        said = self._said(one)
        code = (
            self._stop(one)
            or self._consent(said, asks=self.rules.consent and not (answers or one.manual))
            or self._country(one)
            or self._cap(one)
        )
        if code:
            return PolicyDecision(code)
        consent_id = said.id if said and said.given else None
        until = None if answers or one.manual else self._quiet(one)
        if until is not None and one.expires_at is not None and until >= one.expires_at:
            return (
                PolicyDecision(QUIET)
                if self.rules.quiet_waits
                else PolicyDecision(consent_id=consent_id)
            )
        return PolicyDecision("", until, consent_id)

    def count_sent(self, one: PolicyQuestion) -> None:
        """Count a message that goes."""
        self._hour[one.recipient.id] += 1
        self._day[one.recipient.id] += 1

    def spend(self, one: PolicyQuestion, text: str) -> tuple[str, Decimal | None]:
        """Book what a message costs that goes, and return the estimate, None where messages have no
        price; or what forbids it.
        """
        if not self.rules.has_prices:
            return "", None
        counted = max(segments(text), 1) if self._counts_segments else 1
        cost = self.rules.cost(one.recipient.address, counted)
        after = self._spent.plus(cost)
        if not one.exempt:
            if self.rules.spend_day and after.day > self.rules.spend_day:
                return "spend_day", None
            if self.rules.spend_month and after.month > self.rules.spend_month:
                return "spend_month", None
        self._spent = after
        self._booked[0] += 1
        self._booked[1] += counted
        return "", cost

    def write(self) -> None:
        """Write down what was booked."""
        if self._booked[0]:
            messages, counted = self._booked
            spending.add_spending(
                self.connection_id,
                self._moment,
                messages=messages,
                segments=counted,
                cost=self._spent.day - self._before.day,
            )
            spending.alert_near_limit(self.connection_id, self._before, self._spent, self.rules)

    # rule by rule
    def _stop(self, one: PolicyQuestion) -> str:
        keys = (
            one.recipient.address_key,
            *(other.address_key for other in self._links.get(one.recipient.id, ())),
        )
        return next(
            (
                code
                for key in keys
                for code in entries_for_source(one.source_id, self._stops.get(key, {}))
            ),
            "",
        )

    def _said(self, one: PolicyQuestion) -> Decision | None:
        """Return the consent or objection that decides about a message."""
        contacts = (
            one.recipient.id,
            *(other.id for other in self._links.get(one.recipient.id, ())),
        )
        words = (word for contact in contacts for word in self._words.get(contact, {}).values())
        return current_decision(words, one.source_id)

    def _consent(self, said: Decision | None, *, asks: bool) -> str:
        if said is not None and not said.given:
            return "consent_no"
        if not asks:
            return ""
        if said is None:
            return "consent_missing"
        oldest = (
            self._moment - timedelta(days=self.rules.consent_days)
            if self.rules.consent_days
            else said.at
        )
        return "consent_old" if said.at < oldest else ""

    def _country(self, one: PolicyQuestion) -> str:
        return (
            ""
            if not self._on_phones or self.rules.allows_number(one.recipient.address)
            else "country_not_allowed"
        )

    def _cap(self, one: PolicyQuestion) -> str:
        if self.rules.per_hour and self._hour[one.recipient.id] >= self.rules.per_hour:
            return "cap_hour"
        return (
            "cap_day"
            if self.rules.per_day and self._day[one.recipient.id] >= self.rules.per_day
            else ""
        )

    def _quiet(self, one: PolicyQuestion) -> datetime | None:
        hours = self.rules.quiet
        return (
            hours.next_allowed(
                self._moment,
                quiet_hours.recipient_zones(
                    one.recipient.time_zone, one.recipient.address if self._on_phones else ""
                ),
            )
            if hours
            else None
        )

    def _count(
        self, contacts: Collection[str], left_out: Collection[str | None], *, planning: bool
    ) -> None:
        oldest = id_at("msg", self._moment - DAY - LIVES)
        for message_id, contact_id, status, began in read(
            _SENT, contacts=list(contacts), connection=self.connection_id, oldest=oldest
        ):
            waits = status == Status.QUEUED
            at = self._moment if waits else began
            if at is None or (waits and not planning) or message_id in left_out:
                continue
            self._hour[contact_id] += at > self._moment - HOUR
            self._day[contact_id] += at > self._moment - DAY


def rules_of(connection: ConnectionInfo) -> Rules:
    """Return what a connection may send."""
    cls = _class(connection)
    return rules.rules_of_connection(connection.rules, bool(cls and cls.consent_required))


def _class(connection: ConnectionInfo) -> type[Integration] | None:
    try:
        return integrations.get(connection.integration)
    except NotFound:  # its package is gone; the claim says so
        return None


# ── One at a time ─────────────────────────────────────────────────────────────────────────────────
def hold_message(connection_ids: Iterable[str]) -> frozenset[str]:
    """Lock the connections of these whose rules count what was sent before, and return them: others
    may not claim for them meanwhile.

    Before any message is locked, in the order of their ids. What is known of their rules may be a
    second old.
    """
    capped = sorted(cached(("capped",), _capped).intersection(connection_ids))
    return frozenset(row_id for (row_id,) in read(_HOLD, ids=capped)) if capped else frozenset()


def _capped() -> frozenset[str]:
    found = db.session.execute(
        select(Connection.id, Connection.rules).where(
            Connection.rules != "", Connection.archived_at.is_(None)
        )
    )
    return frozenset(
        row_id for row_id, kept in found if rules.rules_of_connection(kept, False).is_capped
    )


_messages = table_of(Message)
_attempts = table_of(Attempt)
_REACHED = [
    one.value
    for one in (
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
        _messages.c.status.in_(_REACHED),
        not_(_messages.c.exempt),
    )
)
_HOLD = Statement(
    select(Connection.id)
    .where(Connection.id.in_(list_param("ids")))
    .order_by(Connection.id)
    .with_for_update(key_share=True)
)
