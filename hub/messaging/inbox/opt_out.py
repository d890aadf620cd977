"""Process opt-out keywords: STOP opts out, START removes what a STOP added, HELP gets a reply."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, or_, select

from hub import integrations
from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.db.store import cached, transaction
from hub.db.types import first_id_at, new_id, now
from hub.integrations.base import Inbound
from hub.messaging.compose import render
from hub.messaging.compose.outbox import Draft, add_message
from hub.messaging.contacts import contact_links, languages
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.keywords import MAX_LENGTH, Keyword, recognize_keyword, spellings
from hub.messaging.contacts.opt_out_events import Decision, report_decision
from hub.messaging.policy import linked_contacts, opt_out_kinds
from hub.messaging.policy.opt_out_kinds import OptOutKind
from hub.messaging.policy.policy import sender_key
from hub.messaging.state import unreadable_rows
from hub.models import Connection, ConnectionInfo, Consent, Recipient, Setting, Suppression
from hub.models import InboundMessage as ReceivedMessage
from hub.shared import audit
from hub.shared.sentences import sentence

BY_KEYWORD = "keyword"  # the reason of suppressions that a keyword adds and lifts
# the code of a suppression by a keyword sent to an account that no connection uses
UNASSIGNED_CODE = "keyword_elsewhere"
MAX_HELP_REPLIES = 3
HELP_PERIOD = timedelta(
    hours=1
)  # in which a contact gets MAX_HELP_REPLIES replies from a connection
SETTING = "opt_out"
BY_LINK = "link"  # the evidence of a consent: the contact opened a chat by its link


@dataclass(frozen=True)
class KeywordRules:
    """Keywords that an admin has added, separated by commas, by language.

    `everywhere`: a STOP applies to all channels. `damaged`: the stored rules cannot be read.
    """

    stop: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, str] = field(default_factory=dict)
    help: Mapping[str, str] = field(default_factory=dict)
    everywhere: bool = False
    damaged: bool = False


def keyword_rules() -> KeywordRules:
    """Return the stored rules from a short-lived cache."""
    rules: KeywordRules = cached((SETTING,), stored_rules)
    return rules


def stored_rules() -> KeywordRules:
    """Return the stored rules, or the strictest with the standard keywords if they are damaged."""
    row = db.session.get(Setting, SETTING)
    try:
        return KeywordRules(**row.value) if row else KeywordRules()
    except (DecryptionError, TypeError) as error:
        unreadable_rows.record_unreadable_row_once(Setting.__tablename__, SETTING, error)
        return KeywordRules(everywhere=True, damaged=True)


@transaction
def save_rules(words: Mapping[str, Mapping[str, str]], *, everywhere: bool) -> None:
    """Store the keywords for `stop`, `start` and `help` by language, and the scope of a STOP.

    Raises Refused with the field.
    """
    seen: dict[str, str] = {}
    for name, by_language in words.items():
        for word in _split_words(by_language):
            _check_word(word, name, seen)
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = {**{name: dict(texts) for name, texts in words.items()}, "everywhere": everywhere}
    db.session.add(row)
    unreadable_rows.recheck(Setting.__tablename__, SETTING)
    audit.record("opt_out.changed", SETTING)


def _check_word(word: str, name: str, seen: dict[str, str]) -> None:
    """Raise Refused if a word cannot be a keyword of the field `name`.

    `seen`: the spellings of earlier words, with the fields they belong to.
    """
    if len(word) > MAX_LENGTH:
        reason = f"{word[:20]}… is too long for a keyword. Use at most {MAX_LENGTH} characters."
        raise Refused("too_long", reason, field=name)
    if not spellings(word):
        raise Refused("no_letters", f"{word} has no letter or digit. Enter a word.", field=name)
    for spelling in spellings(word):
        other = seen.setdefault(spelling, name)
        if other != name:
            reason = f"{word.upper()} cannot mean both {other.upper()} and {name.upper()}."
            raise Refused("two_meanings", reason, field=name)


def keyword_meaning(inbound: Inbound) -> tuple[Keyword | None, bool]:
    """Return the keyword of a message, and whether the provider has replied to it already.

    A provider that replies to keywords reports the keyword itself.
    """
    if inbound.keyword:
        return Keyword(inbound.keyword), True
    rules = keyword_rules()
    keywords = map(_all_spellings, (rules.stop, rules.start, rules.help))
    return recognize_keyword(inbound.text, *keywords), False


@transaction
def process_keyword(
    keyword: Keyword,
    text: str,
    receiver: ConnectionInfo,
    contact: Recipient,
    at: datetime,
    *,
    answered: bool,
) -> bool | None:
    """Opt a contact out or in, or send the help text.

    Return whether the contact consented, or None if neither an opt-out nor an opt-in was stored. A
    keyword that arrives late does not undo a newer one. `answered`: the provider has replied.
    """
    if keyword == Keyword.STOP and _add_opt_out(receiver, contact, at):
        _record_decision(receiver, contact, at, text, consented=False)
        if not answered:
            _reply(receiver, contact, sentence("opted_out", _language_of(contact)))
        return False
    if keyword == Keyword.START and _lift_opt_outs(receiver, contact, at):
        _record_decision(receiver, contact, at, text, consented=True)
        return True
    if keyword == Keyword.HELP and not answered and not _has_enough_help(receiver, contact):
        _reply(receiver, contact, help_text(receiver.id, _language_of(contact)))
    return None


def _split_words(words: Mapping[str, str]) -> Collection[str]:
    return list(filter(None, (word.strip() for line in words.values() for word in line.split(","))))


def _all_spellings(words: Mapping[str, str]) -> Collection[str]:
    return frozenset().union(*map(spellings, _split_words(words)))


# ── Opting out and in ─────────────────────────────────────────────────────────────────────────────
def _add_opt_out(receiver: ConnectionInfo, contact: Recipient, at: datetime) -> bool:
    """Opt a contact out; return False if it is opted out already, or has opted in since."""
    everywhere = keyword_rules().everywhere
    scope = {
        "address_key": contact.address_key,
        "channel": "" if everywhere else receiver.channel,
        "sender": "" if everywhere else sender_key(receiver),
        "test": receiver.test,
        "source_id": None,
    }
    active = _active_suppression(scope)
    # without its code, the suppression is not lifted by a START to the unassigned account, and the
    # number of a person who wrote is no longer out of reach
    if active is not None and (active.code == UNASSIGNED_CODE or _is_unreachable(active)):
        active.reason = BY_KEYWORD
        active.code = ""
        db.session.flush()
        return True
    if active is not None or _has_opted_in_since(receiver, contact, at, everywhere=everywhere):
        return False
    db.session.add(Suppression(**scope, reason=BY_KEYWORD, since=at))
    db.session.flush()
    return True


def _is_unreachable(row: Suppression) -> bool:
    [(_, kind, _)] = opt_out_kinds.with_kinds([row])
    return kind == OptOutKind.UNREACHABLE


def _active_suppression(scope: Mapping[str, Any]) -> Suppression | None:
    """Return the suppression of a scope that is not lifted; there is at most one."""
    return db.session.scalar(select(Suppression).filter_by(**scope, lifted_at=None))


def _has_opted_in_since(
    receiver: ConnectionInfo, contact: Recipient, at: datetime, *, everywhere: bool
) -> bool:
    """Return whether a contact sent START to this sender, or opened a link, after `at`."""
    start = (
        select(ReceivedMessage.id)
        .join(Connection, Connection.id == ReceivedMessage.connection_id)
        .where(
            ReceivedMessage.contact_id == contact.id,
            ReceivedMessage.keyword == Keyword.START.value,
            ReceivedMessage.at > at,
        )
    )
    if not everywhere:
        same_sender = and_(
            Connection.channel == receiver.channel, Connection.sender == sender_key(receiver)
        )
        start = start.where(or_(Connection.id == receiver.id, same_sender))
    link = select(Consent.id).where(
        Consent.contact_id == contact.id, Consent.evidence == BY_LINK, Consent.at > at
    )
    return any(db.session.scalar(query.limit(1)) is not None for query in (start, link))


def _lift_opt_outs(receiver: ConnectionInfo, contact: Recipient, at: datetime) -> bool:
    """Lift the opt-outs of a contact that a keyword added; return whether there were any.

    Opt-outs by an admin, a complaint or an invalid number stay.
    """
    active = select(Suppression).where(
        Suppression.address_key.in_(_address_keys(contact)),
        Suppression.channel.in_(["", receiver.channel]),
        Suppression.sender.in_(["", sender_key(receiver)]),
        Suppression.test == receiver.test,
        Suppression.lifted_at.is_(None),
        Suppression.since <= at,
    )
    stop_codes = integrations.get(receiver.integration).stop_codes
    liftable = [
        row
        for row in db.session.scalars(active)
        if row.reason == BY_KEYWORD or row.code in stop_codes
    ]
    for row in liftable:
        row.lifted_at = at
    db.session.flush()
    return bool(liftable)


def _address_keys(contact: Recipient) -> list[bytes]:
    """Return the address keys of a contact and of the contacts linked to it."""
    linked = linked_contacts.linked_contacts([contact.id]).get(contact.id, ())
    return [contact.address_key, *(other.address_key for other in linked)]


# ── Keywords to an account that no connection uses ────────────────────────────────────────────────
@transaction
def process_unassigned_keyword(
    inbound: Inbound, at: datetime, callback_id: str | None = None
) -> None:
    """Opt a contact out of a whole channel, or in again, by a keyword to an unassigned account.

    A START lifts only the opt-outs of a STOP to such an account. Other messages, and repeated or
    late ones, change nothing.
    """
    if (keyword := keyword_meaning(inbound)[0]) not in (Keyword.STOP, Keyword.START):
        return
    contact = get_or_create_contact(inbound.kind, inbound.address, test=False)
    contact_links.link_provider_id(
        contact.id, inbound.address, inbound.external_id, callback_id, test=False
    )
    given = keyword == Keyword.START
    keys = _address_keys(contact) if given else [contact.address_key]
    channel = "" if keyword_rules().everywhere else inbound.channel.value
    scope: dict[str, Any] = {
        "address_key": contact.address_key,
        "channel": channel,
        "sender": "",
        "test": False,
        "source_id": None,
    }
    stored = db.session.scalars(_unassigned(keys, inbound.channel)).all()
    if any(max(row.since, row.lifted_at or row.since) >= at for row in stored):
        return
    active = [row for row in stored if row.lifted_at is None]
    if given:
        for row in active:
            row.lifted_at = at
    # a START without a STOP before it is stored too, because an older STOP may arrive late
    if not active and (given or _active_suppression(scope) is None):
        row = Suppression(**scope, reason=BY_KEYWORD, code=UNASSIGNED_CODE, since=at)
        row.lifted_at = at if given else None
        db.session.add(row)
    db.session.flush()
    if given == bool(active):
        consent_id = _record_consent(contact, channel, at, inbound.text, given=given)
        report_decision(
            Decision(
                row_id=consent_id,
                consented=given,
                contact_id=contact.id,
                reason=BY_KEYWORD,
                channel=inbound.channel.value,
                test=False,
                at=at,
            )
        )


def _unassigned(keys: Collection[bytes], channel: Channel) -> Select[Suppression]:
    """Return the query for the opt-outs by keywords to an account that no connection uses."""
    return select(Suppression).where(
        Suppression.address_key.in_(keys),
        Suppression.channel.in_(["", channel.value]),
        Suppression.reason == BY_KEYWORD,
        Suppression.code == UNASSIGNED_CODE,
        Suppression.test.is_(False),
    )


# ── Consents and replies ──────────────────────────────────────────────────────────────────────────
def _record_decision(
    receiver: ConnectionInfo, contact: Recipient, at: datetime, text: str, *, consented: bool
) -> None:
    """Record a consent or a refusal, with the text of the message as proof."""
    rules = keyword_rules()
    # a consent for all channels needs rules that can be read
    for_all_channels = rules.everywhere and not (consented and rules.damaged)
    channel = "" if for_all_channels else receiver.channel
    _record_consent(contact, channel, at, text, given=consented)


def _record_consent(
    contact: Recipient, channel: str, at: datetime, text: str, *, given: bool
) -> str:
    row = Consent(
        id=new_id("cns"),
        contact_id=contact.id,
        channel=channel,
        given=given,
        evidence=BY_KEYWORD,
        at=at,
        proof=text,
    )
    db.session.add(row)
    db.session.flush()
    return row.id


def _has_enough_help(receiver: ConnectionInfo, contact: Recipient) -> bool:
    """Return whether a contact asked for HELP more than MAX_HELP_REPLIES times in HELP_PERIOD.

    Two machines that reply to each other would otherwise never stop.
    """
    requests = select(ReceivedMessage.id).where(
        ReceivedMessage.contact_id == contact.id,
        ReceivedMessage.connection_id == receiver.id,
        ReceivedMessage.keyword == Keyword.HELP.value,
        ReceivedMessage.id > first_id_at("inb", now() - HELP_PERIOD),
    )
    return len(db.session.scalars(requests.limit(MAX_HELP_REPLIES + 1)).all()) > MAX_HELP_REPLIES


def _reply(receiver: ConnectionInfo, contact: Recipient, text: str) -> None:
    """Reply over the same connection, even if the contact is opted out."""
    add_message(Draft(connection=receiver, recipient=contact, text=text, exempt=True))


def _language_of(contact: Recipient) -> str:
    return languages.find_language(contact.id) or render.default_locale()


def help_text(connection_id: str, locale: str) -> str:
    """Return the reply to HELP: the text of the connection's form, or one in a language."""
    connection = db.session.get_one(Connection, connection_id)
    custom = (connection.settings_or_none() or {}).get("help_text", "")
    key = "help_chat" if connection.channel == Channel.CHAT else "help_text"
    return custom or sentence(key, locale, connection=connection.title)
