"""May this go, now? One place answers, when a message is planned and again right before it is sent."""

from __future__ import annotations

from sqlalchemy import or_, select

from hub.extensions import db
from hub.models import Suppression


def suppression(address_key: bytes, channel: str, sender: str, *, test: bool) -> Suppression | None:
    """Return what forbids sending to an address, or None. A live suppression also holds for a test send, never the reverse."""
    tests = (False, True) if test else (False,)
    return db.session.scalar(
        select(Suppression).where(
            Suppression.address_key == address_key, Suppression.lifted_at.is_(None), Suppression.test.in_(tests),
            or_(Suppression.channel == "", Suppression.channel == channel), or_(Suppression.sender == "", Suppression.sender == sender),
        ).limit(1)
    )  # fmt: skip


def refusal(address_key: bytes, channel: str, sender: str, *, test: bool) -> str:
    """Return the code of the rule that forbids a message, or '' when it may go."""
    found = suppression(address_key, channel, sender, test=test)
    return (found.code or found.reason) if found else ""
