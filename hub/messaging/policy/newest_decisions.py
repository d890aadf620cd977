"""Read the newest consent or objection of contacts, for each source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import bindparam, or_, select

from hub.core.vocabulary import Channel
from hub.db.compiled_sql import Statement, UnreadableRow, get_table
from hub.db.store import list_param, read
from hub.models import Consent, Source

T = TypeVar("T")

PURPOSES = ("", "signing")  # only consents with these purposes apply to messages
BY_KEYWORD = "keyword"


def entries_for_source(source_id: str | None, by_source: Mapping[str | None, T]) -> list[T]:
    """Return the entries that apply to a source's messages: its own, and those of None.

    The entries of None apply to every source. Messages without a source are an admin's: the
    entries of every source apply to them.
    """
    if source_id is None:
        return list(by_source.values())
    return [by_source[key] for key in (None, source_id) if key in by_source]


@dataclass(frozen=True, slots=True)
class Decision:
    """The newest consent or objection of a contact that one source recorded, or an admin (None).

    `for_all` is true if it applies to the messages of every source.
    """

    id: str
    given: bool
    at: datetime
    source_id: str | None = None
    for_all: bool = True


def current_decision(decisions: Iterable[Decision], source_id: str | None) -> Decision | None:
    """Return the decision that applies to a source's messages, or None.

    An objection applies until its own source, or an admin, records a consent. Messages without a
    source are an admin's: the decisions of every source apply to them.
    """
    latest: dict[str | None, Decision] = {}
    for decision in sorted(decisions, key=_sort_key):
        if source_id is None or decision.for_all or decision.source_id == source_id:
            latest[decision.source_id] = decision
    by_admin = latest.get(None)
    objections = [decision for decision in latest.values() if not decision.given]
    if by_admin is not None and by_admin.given:
        objections = [
            decision for decision in objections if _sort_key(decision) > _sort_key(by_admin)
        ]
    return max(objections or latest.values(), key=_sort_key, default=None)


def _sort_key(decision: Decision) -> tuple[datetime, str]:
    return decision.at, decision.id


def newest_decisions(
    contact_ids: Collection[str], channel: str
) -> dict[str, dict[str | None, Decision]]:
    """Return the newest decisions of contacts about a channel, by contact and by source.

    The source is None for decisions that an admin recorded. A decision about every channel applies
    to each, and an objection to texts covers calls until a later consent to calls. STOP and START
    are not read here: they create and remove suppressions of one sender, so a START restores the
    earlier state and undoes no recorded objection.
    """
    if not contact_ids:
        return {}
    newest = _read_newest(contact_ids, channel)
    if channel != Channel.VOICE:
        return newest
    for contact_id, by_source in _read_newest(contact_ids, Channel.SMS.value).items():
        about_calls = newest.setdefault(contact_id, {})
        for source_id, decision in by_source.items():
            former = about_calls.get(source_id)
            is_newer = former is None or _sort_key(former) < _sort_key(decision)
            if is_newer and not decision.given:
                about_calls[source_id] = decision
    return newest


def _read_newest(
    contact_ids: Collection[str], channel: str
) -> dict[str, dict[str | None, Decision]]:
    newest: dict[str, dict[str | None, Decision]] = {}
    rows = read(_CONSENTS, contacts=list(contact_ids), channel=channel)
    for contact_id, *rest in sorted(rows, key=lambda row: (row[3], row[1])):
        row_id, given, at, source_id, applies_to_all, row_channel = rest
        if row_channel not in _CHANNELS:  # it may be an objection to this channel
            raise UnreadableRow("consents.channel")
        if row_channel not in ("", channel):
            continue
        for_all = source_id is None or bool(applies_to_all)
        newest.setdefault(contact_id, {})[source_id] = Decision(
            row_id, given, at, source_id, for_all
        )
    return newest


_CHANNELS = frozenset(("", *(channel.value for channel in Channel)))
_consents = get_table(Consent)
_sources = get_table(Source)
_CONSENTS = Statement(
    select(
        *_consents.c["contact_id", "id", "given", "at", "source_id"],
        _sources.c.applies_to_all,
        _consents.c.channel,
    )
    .outerjoin(_sources, _sources.c.id == _consents.c.source_id)
    .where(
        _consents.c.contact_id.in_(list_param("contacts")),
        or_(
            _consents.c.channel == "",
            _consents.c.channel == bindparam("channel"),
            _consents.c.channel.not_in(sorted(_CHANNELS)),
        ),
        _consents.c.purpose.in_(PURPOSES),
        _consents.c.evidence != BY_KEYWORD,
    )
)
