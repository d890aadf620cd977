"""Process opt-out keywords: STOP opts out, START removes what a STOP added, HELP is answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Boolean, and_, bindparam, or_, select, update

from hub import integrations
from hub.core.errors import DecryptionError, Refused
from hub.core.vocabulary import Channel
from hub.db.compiled_sql import Statement, table_of
from hub.db.engine import db
from hub.db.store import cached, list_param, read, transaction, write
from hub.db.types import id_at, new_id, now
from hub.integrations.base import Inbound
from hub.messaging.compose.outbox import Draft, add
from hub.messaging.contacts import contact_links
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.contacts.keywords import LONGEST, Keyword, keyword_of, spellings
from hub.messaging.policy import linked_contacts
from hub.messaging.policy.policy import sender_key
from hub.messaging.state import unreadable_rows
from hub.models import Connection, ConnectionInfo, Consent, Recipient, Setting, Suppression
from hub.models import InboundMessage as Came
from hub.shared import audit

SAID_STOP = "keyword"  # the reason of a suppression that a keyword made, and that a keyword lifts
# the code of one that was sent to an account which belongs to no connection
STRAY = "keyword_elsewhere"
CONFIRMATION = "You have opted out. Reply START to opt in again."
MOST_HELP = 3
HELP_WITHIN = timedelta(hours=1)  # answers to one person over one connection
SETTING = "opt_out"
BY_LINK = "link"  # the source of a consent: a chat that was opened to us


@dataclass(frozen=True)
class KeywordRules:
    """An admin's own keywords by language, separated by commas, and whether a STOP applies to every
    channel. `damaged`: the stored rules cannot be read.
    """

    stop: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, str] = field(default_factory=dict)
    help: Mapping[str, str] = field(default_factory=dict)
    everywhere: bool = False
    damaged: bool = False


def keyword_rules() -> KeywordRules:
    """Return what holds, as it was a moment ago at the latest."""
    found: KeywordRules = cached((SETTING,), stored_rules)
    return found


def stored_rules() -> KeywordRules:
    """Return the stored rules, or the strictest with the standard keywords if they are damaged."""
    row = db.session.get(Setting, SETTING)
    try:
        return KeywordRules(**row.value) if row else KeywordRules()
    except (DecryptionError, TypeError) as problem:
        unreadable_rows.note_row_once(Setting.__tablename__, SETTING, problem)
        return KeywordRules(everywhere=True, damaged=True)


@transaction
def save_rules(words: Mapping[str, Mapping[str, str]], *, everywhere: bool) -> None:
    """Keep other rules: more words for `stop`, `start` and `help`, by language.

    Raises Refused that names the field.
    """
    seen: dict[str, str] = {}
    for name, languages in words.items():
        for word in _listed(languages):
            _check(word, name, seen)
    row = db.session.get(Setting, SETTING) or Setting(name=SETTING)
    row.value = {
        **{name: dict(languages) for name, languages in words.items()},
        "everywhere": everywhere,
    }
    db.session.add(row)
    unreadable_rows.recheck(Setting.__tablename__, SETTING)
    audit.record("opt_out.changed", SETTING)


def _check(word: str, name: str, seen: dict[str, str]) -> None:
    """Raise Refused for a word that cannot be one of `name`.

    `seen` has the forms of those before it, and their names.
    """
    if len(word) > LONGEST:
        why = f"{word[:20]}… is too long for a keyword. Use at most {LONGEST} characters."
        raise Refused("too_long", why, field=name)
    if not spellings(word):
        raise Refused("no_letters", f"{word} has no letter or digit. Enter a word.", field=name)
    for form in spellings(word):
        other = seen.setdefault(form, name)
        if other != name:
            why = f"{word.upper()} cannot mean both {other.upper()} and {name.upper()}."
            raise Refused("two_meanings", why, field=name)


def keyword_meaning(came: Inbound) -> tuple[Keyword | None, bool]:
    """Return what a message asks for, and whether the provider has answered it already: then it has
    read the words, not we.
    """
    if came.keyword:
        return Keyword(came.keyword), True
    held = keyword_rules()
    return (
        keyword_of(came.text, *(_forms(words) for words in (held.stop, held.start, held.help))),
        False,
    )


@transaction
def process_keyword(
    word: Keyword,
    text: str,
    receiver: ConnectionInfo,
    contact: Recipient,
    at: datetime,
    *,
    answered: bool,
) -> None:
    """Do what a keyword asks for.

    Told late, it undoes nothing that was said after it. `answered`: by the provider, always.
    """
    if word == Keyword.STOP and _close(receiver, contact, at):
        _note(receiver, contact, at, text, given=False)
        if not answered:
            _reply(receiver, contact, CONFIRMATION)
    elif word == Keyword.START and _open(receiver, contact, at):
        _note(receiver, contact, at, text, given=True)
    elif word == Keyword.HELP and not answered and not _helped(receiver, contact):
        _reply(receiver, contact, help_text(receiver.id))


def _listed(words: Mapping[str, str]) -> Collection[str]:
    return list(filter(None, (word.strip() for line in words.values() for word in line.split(","))))


def _forms(words: Mapping[str, str]) -> Collection[str]:
    return frozenset().union(*map(spellings, _listed(words)))


# ── Closing and opening ───────────────────────────────────────────────────────────────────────────
def _close(receiver: ConnectionInfo, contact: Recipient, at: datetime) -> bool:
    """Suppress the contact; False when it is already, or a later message takes it back."""
    everywhere = keyword_rules().everywhere
    channel, sender = ("", "") if everywhere else (receiver.channel, sender_key(receiver))
    asked = {
        "key": contact.address_key,
        "channel": channel,
        "sender": sender,
        "test": receiver.test,
    }
    where = {"all": everywhere, "channel": channel, "sender": sender, "connection": receiver.id}
    known = read(_CLOSED, **asked)
    if any(code == STRAY for _, code in known):  # otherwise a START there would lift this one too
        write(_TAKE_OVER, [{"row": row_id} for row_id, _ in known])
        return True
    if (
        known
        or read(_STARTED, contact=contact.id, at=at, **where)
        or read(_LINKED, contact=contact.id, at=at)
    ):
        return False
    write(
        _CLOSE,
        {
            "id": new_id("sup"),
            "address_key": contact.address_key,
            "channel": channel,
            "sender": sender,
            "source_id": None,
            "test": receiver.test,
            "reason": SAID_STOP,
            "code": "",
            "message_id": None,
            "since": at,
            "lifted_at": None,
            "explanation": "",
            "lift_reason": "",
        },
    )
    return True


def _open(receiver: ConnectionInfo, contact: Recipient, at: datetime) -> bool:
    """Lift what a keyword closed before; never what an admin, a complaint or an impossible number
    did.
    """
    others = linked_contacts.linked_contacts([contact.id]).get(contact.id, ())
    keys = [contact.address_key, *(one.address_key for one in others)]
    asked = {
        "keys": keys,
        "channels": ["", receiver.channel],
        "senders": ["", sender_key(receiver)],
        "test": receiver.test,
    }
    codes = integrations.get(receiver.integration).stop_codes
    found = [
        row_id
        for row_id, reason, code in read(_OPEN_ONES, **asked, at=at)
        if reason == SAID_STOP or code in codes
    ]
    write(_LIFT, [{"row": row_id, "when": at} for row_id in found])
    return bool(found)


_table = table_of(Suppression)
_CLOSED = Statement(
    select(_table.c.id, _table.c.code).where(
        _table.c.address_key == bindparam("key"),
        _table.c.channel == bindparam("channel"),
        _table.c.sender == bindparam("sender"),
        _table.c.test == bindparam("test"),
        _table.c.lifted_at.is_(None),
        _table.c.source_id.is_(None),
    )
)
_STARTED = Statement(
    select(Came.id)
    .join(Connection, Connection.id == Came.connection_id)
    .where(
        Came.contact_id == bindparam("contact"),
        Came.keyword == Keyword.START.value,
        Came.at > bindparam("at"),
        or_(
            bindparam("all", type_=Boolean),
            Connection.id == bindparam("connection"),
            and_(
                Connection.channel == bindparam("channel"), Connection.sender == bindparam("sender")
            ),
        ),
    )
    .limit(1)
)
_LINKED = Statement(
    select(Consent.id)
    .where(
        Consent.contact_id == bindparam("contact"),
        Consent.evidence == BY_LINK,
        Consent.at > bindparam("at"),
    )
    .limit(1)
)
_TAKE_OVER = Statement(update(_table).where(_table.c.id == bindparam("row")).values(code=""))
_CLOSE = Statement.insert(_table, on_conflict_do_nothing=True)
_OPEN_ONES = Statement(
    select(_table.c.id, _table.c.reason, _table.c.code).where(
        _table.c.address_key.in_(list_param("keys")),
        _table.c.channel.in_(list_param("channels")),
        _table.c.sender.in_(list_param("senders")),
        _table.c.test == bindparam("test"),
        _table.c.lifted_at.is_(None),
        _table.c.since <= bindparam("at"),
    )
)
_LIFT = Statement(
    update(_table).where(_table.c.id == bindparam("row")).values(lifted_at=bindparam("when"))
)


# ── For an account that belongs to no connection ──────────────────────────────────────────────────
@transaction
def process_unassigned_keyword(came: Inbound, at: datetime, callback_id: str | None = None) -> None:
    """Do what a keyword asks for that was sent to an account which belongs to no connection: it
    holds for the whole channel.

    A START there lifts only what a STOP there closed. Any other message, and one that comes twice
    or late, changes nothing.
    """
    word, _ = keyword_meaning(came)
    if word not in (Keyword.STOP, Keyword.START):
        return
    contact = contact_for(came.kind, came.address, test=False)
    contact_links.link_provider_id(
        contact.id, came.address, came.external_id, callback_id, test=False
    )
    given = word == Keyword.START
    others = linked_contacts.linked_contacts([contact.id]).get(contact.id, ()) if given else ()
    keys = [contact.address_key, *(one.address_key for one in others)]
    known = read(_ELSEWHERE, keys=keys, channels=["", came.channel.value])
    if any(max(since, lifted_at or since) >= at for _, since, lifted_at in known):
        return
    standing = [row_id for row_id, _, lifted_at in known if lifted_at is None]
    channel = "" if keyword_rules().everywhere else came.channel.value
    if given:
        write(_LIFT, [{"row": row_id, "when": at} for row_id in standing])
    if not standing:  # a START without a STOP is kept too: an older STOP may come late
        write(
            _CLOSE,
            {
                "id": new_id("sup"),
                "address_key": contact.address_key,
                "channel": channel,
                "sender": "",
                "test": False,
                "reason": SAID_STOP,
                "code": STRAY,
                "message_id": None,
                "since": at,
                "lifted_at": at if given else None,
                "explanation": "",
                "lift_reason": "",
            },
        )
    if given == bool(standing):
        _record_consent(contact, channel, at, came.text, given=given)


_ELSEWHERE = Statement(
    select(_table.c.id, _table.c.since, _table.c.lifted_at).where(
        _table.c.address_key.in_(list_param("keys")),
        _table.c.channel.in_(list_param("channels")),
        _table.c.reason == SAID_STOP,
        _table.c.code == STRAY,
        _table.c.test.is_(False),
    )
)


# ── What follows ──────────────────────────────────────────────────────────────────────────────────
def _note(
    receiver: ConnectionInfo, contact: Recipient, at: datetime, said: str, *, given: bool
) -> None:
    """Write it into the ledger of consents, with the words as proof."""
    held = keyword_rules()
    # a consent for every channel must not rest on settings that cannot be read
    wide = held.everywhere and not (given and held.damaged)
    _record_consent(contact, "" if wide else receiver.channel, at, said, given=given)


def _record_consent(
    contact: Recipient, channel: str, at: datetime, said: str, *, given: bool
) -> None:
    db.session.add(
        Consent(
            id=new_id("cns"),
            contact_id=contact.id,
            channel=channel,
            given=given,
            evidence=SAID_STOP,
            at=at,
            proof=said,
        )
    )
    db.session.flush()


def _helped(receiver: ConnectionInfo, contact: Recipient) -> bool:
    """Tell whether HELP was asked for often enough: two machines that answer each other would never
    end.
    """
    asked = read(
        _ASKED, contact=contact.id, connection=receiver.id, since=id_at("inb", now() - HELP_WITHIN)
    )
    return len(asked) > MOST_HELP


_ASKED = Statement(
    select(Came.id)
    .where(
        Came.contact_id == bindparam("contact"),
        Came.connection_id == bindparam("connection"),
        Came.keyword == Keyword.HELP.value,
        Came.id > bindparam("since"),
    )
    .limit(MOST_HELP + 1)
)


def _reply(receiver: ConnectionInfo, contact: Recipient, text: str) -> None:
    """Answer over the same connection: the one message that goes to somebody who wants none."""
    add(Draft(connection=receiver, recipient=contact, text=text, exempt=True))


def help_text(connection_id: str) -> str:
    """Return what HELP is answered with: as the connection's form says, else who this is and how to
    stop.
    """
    connection = db.session.get_one(Connection, connection_id)
    own = (connection.settings_or_none() or {}).get("help_text", "")
    stop = (
        "Send /stop to opt out." if connection.channel == Channel.CHAT else "Reply STOP to opt out."
    )
    return own or f"{connection.title}: messages about documents for you to sign. {stop}"
