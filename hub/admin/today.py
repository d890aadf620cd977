"""The last day in numbers: counted on the index of connection, status and id, so that a busy day costs little more."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import func, select

from hub.extensions import db
from hub.models import Connection, Message
from hub.models.types import id_at, now, time_of
from hub.vocabulary import Status

DAY = timedelta(hours=24)
TIMED = 1000  # messages of a channel whose times are looked at: the newest
ARRIVED = tuple(status for status in Status if status.arrived)


@dataclass(frozen=True)
class Today:
    """The messages of the last day: how many of each channel and status, and in each hour; how long the newest took to arrive."""

    counts: Mapping[tuple[str, Status], int]
    hours: list[int]  # the oldest hour first
    seconds: Mapping[str, list[float]]  # by channel, from plan to handset

    def count(self, statuses: Container[Status], channel: str = "") -> int:
        return sum(n for (on, status), n in self.counts.items() if status in statuses and channel in ("", on))

    @property
    def channels(self) -> list[str]:
        return sorted({channel for channel, _ in self.counts})


def read() -> Today:
    """Count the messages of the last day."""
    moment = now()
    carriers: dict[str, list[str]] = {}
    for connection_id, channel in db.session.execute(select(Connection.id, Connection.channel)):
        carriers.setdefault(channel, []).append(connection_id)
    counts: dict[tuple[str, Status], int] = {}
    seconds: dict[str, list[float]] = {}
    for channel, ids in carriers.items():
        of_day = (Message.connection_id.in_(ids), Message.id > id_at("msg", moment - DAY))
        standing = select(Message.status, func.count()).where(*of_day, Message.status.in_(list(Status))).group_by(Message.status)
        counts |= {(channel, Status(status)): n for status, n in db.session.execute(standing)}
        arrived = select(Message.changed_at, Message.id).where(*of_day, Message.status.in_(ARRIVED))
        newest = arrived.order_by(Message.id.desc()).limit(TIMED)
        seconds[channel] = [(at - time_of(message_id)).total_seconds() for at, message_id in db.session.execute(newest)]
    ends = [id_at("msg", moment - timedelta(hours=ago)) for ago in range(24, -1, -1)]
    every = select(func.count()).select_from(Message)
    hours = (every.where(Message.id > began, Message.id <= ended).scalar_subquery() for began, ended in pairwise(ends))
    return Today(counts, list(db.session.execute(select(*hours)).one()), seconds)
