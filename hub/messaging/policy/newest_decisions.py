"""Read the newest consent or objection of contacts, for each source."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import bindparam, or_, select

from hub.core.vocabulary import Channel
from hub.db.compiled_sql import Statement, UnreadableRow, table_of
from hub.db.store import list_param, read
from hub.models import Consent, Source

T = TypeVar("T")

PURPOSES = ("", "signing")  # of a consent: what it must be for, to count here
BY_KEYWORD = "keyword"


def holds_for(source_id: str | None, by_source: Mapping[str | None, T]) -> list[T]:
    """Return what holds for a source's messages: what holds for every source (None), and its own.

    Messages of no source are an admin's: whatever any source recorded holds for them.
    """
    if source_id is None:
        return list(by_source.values())
    return [by_source[one] for one in (None, source_id) if one in by_source]


@dataclass(frozen=True, slots=True)
class Decision:
    """The newest consent or objection of a contact, as one source recorded it, or None: an admin.

    `for_all` says that it applies to every source's messages.
    """

    id: str
    given: bool
    at: datetime
    source_id: str | None = None
    for_all: bool = True


def current_decisions(words: Iterable[Decision], source_id: str | None) -> Decision | None:
    """Return the word that decides about a source's messages, None without any.

    An objection applies until its own source, or an admin, records a consent. Messages of no
    source are an admin's: what any source recorded applies to them.
    """
    latest: dict[str | None, Decision] = {}
    for word in sorted(words, key=_when):
        if source_id is None or word.for_all or word.source_id == source_id:
            latest[word.source_id] = word
    by_admin = latest.get(None)
    refusals = [word for word in latest.values() if not word.given]
    if by_admin is not None and by_admin.given:
        refusals = [word for word in refusals if _when(word) > _when(by_admin)]
    return max(refusals or latest.values(), key=_when, default=None)


def _when(word: Decision) -> tuple[datetime, str]:
    return word.at, word.id


def newest_decisions(
    contact_ids: Collection[str], channel: str
) -> dict[str, dict[str | None, Decision]]:
    """Return what contacts said last about a channel, by the time it was said.

    By contact, and by the source that recorded it, None for admins. A word about every channel
    counts for each.

    STOP and START hold for the sender that they were written to, which a suppression says: here
    they count as nothing, so that a START brings back what was, and undoes no recorded no.
    """
    if not contact_ids:
        return {}
    found: dict[str, dict[str | None, Decision]] = {}
    rows = read(_SAID, contacts=list(contact_ids), channel=channel)
    for contact_id, *rest in sorted(rows, key=lambda row: (row[3], row[1])):
        row_id, given, at, source_id, applies_to_all, said_of = rest
        if said_of not in _CHANNELS:  # it may be an objection to this very channel
            raise UnreadableRow("consents.channel")
        if said_of not in ("", channel):
            continue
        for_all = source_id is None or bool(applies_to_all)
        found.setdefault(contact_id, {})[source_id] = Decision(
            row_id, given, at, source_id, for_all
        )
    return found


_CHANNELS = frozenset(("", *(one.value for one in Channel)))
_consents = table_of(Consent)
_sources = table_of(Source)
_SAID = Statement(
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
