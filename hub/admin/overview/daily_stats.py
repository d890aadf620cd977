"""Count the messages of the last day, by the index of connection, status and ID, which is fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import ColumnElement, func, select

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import creation_time, first_id_at, now
from hub.messaging.track import message_queries
from hub.models import Connection, Message

DAY = timedelta(hours=24)
MAX_TIMED = 1000  # the newest messages of a channel whose delivery times are read
ARRIVED = tuple(status for status in Status if status.is_delivered)
LOST = (Status.FAILED, Status.UNDELIVERED, Status.EXPIRED)
IN_PROGRESS = (Status.QUEUED, Status.SENDING, Status.ACCEPTED, Status.SENT, Status.UNKNOWN)


@dataclass(frozen=True)
class DailyStats:
    """The numbers and delivery times of the last day's messages."""

    counts: Mapping[tuple[str, Status], int]  # by channel and status
    hours: list[int]  # the number of messages in each hour, the oldest first
    seconds: Mapping[str, list[float]]  # by channel, from queued to delivered
    unreported: Mapping[str, int]  # by channel, accepted by providers that report no delivery

    def count(self, statuses: Container[Status], channel: str = "") -> int:
        return sum(
            count
            for (counted_channel, status), count in self.counts.items()
            if status in statuses and channel in ("", counted_channel)
        )

    def in_progress(self, channel: str = "") -> int:
        return self.count(IN_PROGRESS, channel) - self.without_report(channel)

    def without_report(self, channel: str = "") -> int:
        """Return the number of sent messages whose provider reports no delivery."""
        return sum(
            count
            for counted_channel, count in self.unreported.items()
            if channel in ("", counted_channel)
        )

    def reports_no_deliveries(self, channel: str) -> bool:
        """Return whether a channel reports no deliveries at all."""
        return bool(self.unreported.get(channel)) and not self.count(ARRIVED, channel)

    @property
    def channels(self) -> list[str]:
        return sorted({channel for channel, _ in self.counts})


def read_daily_stats() -> DailyStats:
    """Count the messages of the last day."""
    current_time = now()
    ids_by_channel: dict[str, list[str]] = {}
    for connection_id, channel in db.session.execute(select(Connection.id, Connection.channel)):
        ids_by_channel.setdefault(channel, []).append(connection_id)
    silent = set(message_queries.silent_connections())
    counts: Counter[tuple[str, Status]] = Counter()
    seconds: dict[str, list[float]] = {}
    unreported: Counter[str] = Counter()
    for channel, ids in ids_by_channel.items():
        in_day = (
            Message.connection_id.in_(ids),
            Message.id > first_id_at("msg", current_time - DAY),
        )
        by_status = (
            select(Message.connection_id, Message.status, func.count())
            .where(*in_day, Message.status.in_(list(Status)))
            .group_by(Message.connection_id, Message.status)
        )
        for connection_id, status, count in db.session.execute(by_status):
            counts[channel, Status(status)] += count
            if connection_id in silent and Status(status).awaits_report:
                unreported[channel] += count
        seconds[channel] = _delivery_times(in_day)
    return DailyStats(counts, _count_by_hour(current_time), seconds, unreported)


def _delivery_times(conditions: Iterable[ColumnElement[bool]]) -> list[float]:
    """Return the seconds from queued to delivered of the newest messages of some conditions."""
    arrived = select(Message.changed_at, Message.id).where(*conditions, Message.status.in_(ARRIVED))
    newest = arrived.order_by(Message.id.desc()).limit(MAX_TIMED)
    return [
        (at - creation_time(message_id)).total_seconds()
        for at, message_id in db.session.execute(newest)
    ]


def _count_by_hour(current_time: datetime) -> list[int]:
    """Return the number of messages in each of the 24 hours before a time, the oldest first."""
    borders = [
        first_id_at("msg", current_time - timedelta(hours=hours)) for hours in range(24, -1, -1)
    ]
    count = select(func.count()).select_from(Message)
    counts = (
        count.where(Message.id > first, Message.id <= last).scalar_subquery()
        for first, last in pairwise(borders)
    )
    return list(db.session.execute(select(*counts)).one())
