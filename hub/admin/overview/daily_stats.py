"""The last day in numbers: counted on the index of connection, status and id, so that a busy day
costs little more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from sqlalchemy import func, select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import id_at, now, time_of
from hub.messaging.track import message_queries
from hub.models import Connection, Message

DAY = timedelta(hours=24)
TIMED = 1000  # messages of a channel whose times are looked at: the newest
ARRIVED = tuple(status for status in Status if status.is_delivered)
LOST = (Status.FAILED, Status.UNDELIVERED, Status.EXPIRED)
ON_THE_WAY = (Status.QUEUED, Status.SENDING, Status.ACCEPTED, Status.SENT, Status.UNKNOWN)


@dataclass(frozen=True)
class DailyStats:
    """The messages of the last day: how many of each channel and status, and in each hour; how long
    the newest took to arrive.
    """

    counts: Mapping[tuple[str, Status], int]
    hours: list[int]  # the oldest hour first
    seconds: Mapping[str, list[float]]  # by channel, from plan to handset
    over: Mapping[str, int]  # by channel, how many were handed to who says no more than that

    def count(self, statuses: Container[Status], channel: str = "") -> int:
        return sum(
            n
            for (on, status), n in self.counts.items()
            if status in statuses and channel in ("", on)
        )

    def on_the_way(self, channel: str = "") -> int:
        return self.count(ON_THE_WAY, channel) - sum(
            n for on, n in self.over.items() if channel in ("", on)
        )

    def silent(self, channel: str) -> bool:
        """Tell whether of a channel's messages nothing was heard, and nothing will be."""
        return bool(self.over.get(channel)) and not self.count(ARRIVED, channel)

    @property
    def channels(self) -> list[str]:
        return sorted({channel for channel, _ in self.counts})


def read_daily_stats() -> DailyStats:
    """Count the messages of the last day."""
    moment = now()
    carriers: dict[str, list[str]] = {}
    for connection_id, channel in db.session.execute(select(Connection.id, Connection.channel)):
        carriers.setdefault(channel, []).append(connection_id)
    silent = set(message_queries.silent_connections())
    counts: Counter[tuple[str, Status]] = Counter()
    seconds: dict[str, list[float]] = {}
    over: Counter[str] = Counter()
    for channel, ids in carriers.items():
        of_day = (Message.connection_id.in_(ids), Message.id > id_at("msg", moment - DAY))
        standing = select(Message.connection_id, Message.status, func.count()).where(
            *of_day, Message.status.in_(list(Status))
        )
        for connection_id, status, n in db.session.execute(
            standing.group_by(Message.connection_id, Message.status)
        ):
            counts[channel, Status(status)] += n
            if connection_id in silent and Status(status).awaits_report:
                over[channel] += n
        arrived = select(Message.changed_at, Message.id).where(*of_day, Message.status.in_(ARRIVED))
        newest = arrived.order_by(Message.id.desc()).limit(TIMED)
        seconds[channel] = [
            (at - time_of(message_id)).total_seconds()
            for at, message_id in db.session.execute(newest)
        ]
    ends = [id_at("msg", moment - timedelta(hours=ago)) for ago in range(24, -1, -1)]
    every = select(func.count()).select_from(Message)
    hours = (
        every.where(Message.id > began, Message.id <= ended).scalar_subquery()
        for began, ended in pairwise(ends)
    )
    return DailyStats(counts, list(db.session.execute(select(*hours)).one()), seconds, over)
