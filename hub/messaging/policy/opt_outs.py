"""Find the opt-outs that block messages to an address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, or_, select

from hub.core.vocabulary import Channel
from hub.db.compiled_sql import Statement, UnreadableRow, get_table
from hub.db.engine import db
from hub.db.store import list_param, read
from hub.db.types import FIRST_TIME, LAST_TIME, is_id
from hub.messaging.policy.opt_out_kinds import (
    OPTED_OUT_OF_SMS,
    OptOutKind,
    covered_channels,
    kind_of,
    with_kinds,
)
from hub.models import Connection, Message, Source, Suppression


def find_opt_out(
    address_keys: Collection[bytes],
    channel: str,
    sender: str,
    *,
    test: bool,
    source_id: str | None = None,
) -> Suppression | None:
    """Return an opt-out that blocks a source's messages over a channel and sender, or None.

    `sender` is a `sender_key`.
    """
    found = list_opt_outs(address_keys, channel, sender, test=test, source_id=source_id)
    return found[0] if found else None


def list_opt_outs(
    address_keys: Collection[bytes],
    channel: str,
    sender: str,
    *,
    test: bool,
    source_id: str | None = None,
) -> list[Suppression]:
    """Return the opt-outs that block a source's messages over a channel and sender."""
    rows = db.session.scalars(active_opt_outs(address_keys, test=test, source_id=source_id)).all()
    return [row for row, kind, _ in with_kinds(rows) if blocks(row, kind, channel, sender)]


def blocks(row: Suppression, kind: OptOutKind, channel: str, sender: str) -> bool:
    """Return whether an opt-out blocks messages over a channel and sender."""
    return _blocks(row.channel, row.sender, kind, channel, sender)


def _blocks(row_channel: str, row_sender: str, kind: OptOutKind, channel: str, sender: str) -> bool:
    if row_channel in ("", channel):
        return row_sender in ("", sender)
    # by any sender: texts and calls of one company often come from different numbers
    return channel in covered_channels(row_channel, kind)


def active_opt_outs(
    address_keys: Collection[bytes], *, test: bool, source_id: str | None
) -> Select[Suppression]:
    """Return the query for opt-outs that block a source's messages to a person, on any channel.

    `address_keys` are those of the person. A live opt-out also blocks test messages, but a test
    opt-out does not block live ones.
    """
    tests = (False, True) if test else (False,)
    query = (
        select(Suppression)
        .outerjoin(Source, Source.id == Suppression.source_id)
        .where(
            Suppression.address_key.in_(address_keys),
            Suppression.lifted_at.is_(None),
            Suppression.test.in_(tests),
        )
    )
    if source_id is None:
        return query
    own = Suppression.source_id == source_id
    return query.where(or_(Suppression.source_id.is_(None), own, Source.applies_to_all))


@dataclass(frozen=True, slots=True)
class Block:
    """The code of an opt-out, and whether it is by a person: others cannot be reached."""

    code: str
    is_refusal: bool


def find_opt_outs(
    address_keys: Collection[bytes], channel: str, sender: str, *, test: bool
) -> dict[bytes, dict[str | None, Block]]:
    """Return the opt-out of each address, by source; None applies to every source.

    `sender` is a `sender_key`. Among several, one by a person comes first.
    """
    if not address_keys:
        return {}
    parameters = {"keys": list(address_keys), "tests": [False, True] if test else [False]}
    found: dict[bytes, dict[str | None, Block]] = {}
    for address_key, code, reason, source_id, applies_to_all, integration, *scope, _, _ in read(
        _ACTIVE, **parameters
    ):
        channel_, sender_ = scope
        _check_opt_out(
            code=code, reason=reason, channel=channel_, sender=sender_, source_id=source_id
        )
        kind = kind_of(reason, code, channel_, integration or "")
        if not _blocks(channel_, sender_, kind, channel, sender):
            continue
        is_covered = channel_ not in ("", channel)
        block = Block(
            OPTED_OUT_OF_SMS if is_covered else code or reason, kind != OptOutKind.UNREACHABLE
        )
        by_source = found.setdefault(address_key, {})
        former = by_source.setdefault(None if applies_to_all else source_id, block)
        if block.is_refusal and not former.is_refusal:
            by_source[None if applies_to_all else source_id] = block
    return found


def _check_opt_out(**values: Any) -> None:
    """Raise UnreadableRow for a damaged opt-out, which blocks its recipient until repaired."""
    for name, value in values.items():
        if name == "source_id" and value is None:
            continue
        if not isinstance(value, str) or (name == "source_id" and not is_id("src", value)):
            raise UnreadableRow(f"suppressions.{name}")
    if values["channel"] and values["channel"] not in _CHANNELS:
        raise UnreadableRow("suppressions.channel")


_CHANNELS = frozenset(channel.value for channel in Channel)
_table = get_table(Suppression)
_sources = get_table(Source)
_messages = get_table(Message)
_connections = get_table(Connection)
_ACTIVE = Statement(
    select(
        *_table.c["address_key", "code", "reason", "source_id"],
        _sources.c.applies_to_all,
        _connections.c.integration,
        *_table.c["channel", "sender", "test", "lifted_at"],
    )
    .outerjoin(_sources, _sources.c.id == _table.c.source_id)
    .outerjoin(_messages, _messages.c.id == _table.c.message_id)
    .outerjoin(_connections, _connections.c.id == _messages.c.connection_id)
    .where(
        _table.c.address_key.in_(list_param("keys")),
        # also read opt-outs with a damaged value, which would otherwise be missed
        or_(
            _table.c.lifted_at.is_(None),
            _table.c.lifted_at < FIRST_TIME,
            _table.c.lifted_at >= LAST_TIME,
        ),
        or_(_table.c.test.in_(list_param("tests")), _table.c.test.not_in([False, True])),
    )
)
