"""May this go, now? One place answers, when a message is planned and again right before it is sent."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import or_, select

from hub.extensions import db
from hub.models import Suppression
from hub.statements import Statement, table_of
from hub.store import read, several


def suppression(address_key: bytes, channel: str, sender: str, *, test: bool) -> Suppression | None:
    """Return what forbids sending to an address, or None. A live suppression also holds for a test send, never the reverse."""
    tests = (False, True) if test else (False,)
    return db.session.scalar(
        select(Suppression).where(
            Suppression.address_key == address_key, Suppression.lifted_at.is_(None), Suppression.test.in_(tests),
            or_(Suppression.channel == "", Suppression.channel == channel), or_(Suppression.sender == "", Suppression.sender == sender),
        ).limit(1)
    )  # fmt: skip


def refusals(address_keys: Collection[bytes], channel: str, sender: str, *, test: bool) -> dict[bytes, str]:
    """Return, for each address that must not be sent to, the code of the rule that forbids it."""
    if not address_keys:
        return {}
    asked = {"keys": list(address_keys), "tests": [False, True] if test else [False], "channels": ["", channel], "senders": ["", sender]}
    return {address_key: code or reason for address_key, code, reason in read(_OPEN, **asked)}


_table = table_of(Suppression)
_OPEN = Statement(select(_table.c.address_key, _table.c.code, _table.c.reason).where(
    _table.c.address_key.in_(several("keys")), _table.c.lifted_at.is_(None), _table.c.test.in_(several("tests")),
    _table.c.channel.in_(several("channels")), _table.c.sender.in_(several("senders")),
))  # fmt: skip


def refusal(address_key: bytes, channel: str, sender: str, *, test: bool) -> str:
    """Return the code of the rule that forbids a message, or '' when it may go."""
    return refusals([address_key], channel, sender, test=test).get(address_key, "")
