"""The overview: what it says of the last day is counted, and true."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert, select

from hub.admin.overview import daily_stats
from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import id_at, now
from hub.messaging.state.message_batch import messages as table
from hub.models import Message
from tests.conftest import Browser
from tests.hub_fixtures import message, queue_text


@transaction
def happened(like: Message, status: str, ago: timedelta, took: float = 0) -> None:
    """Add a message that was planned so long ago, and changed `took` seconds later."""
    moment = now() - ago
    row: dict[str, Any] = {column.name: getattr(like, column.name) for column in table.columns}
    made = {
        "id": id_at("msg", moment),
        "status": status,
        "changed_at": moment + timedelta(seconds=took),
        "due_at": None,
    }
    db.session.execute(insert(table), [{**row, **made, "dedup_key": None, "after_id": None}])


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_the_last_day_is_counted_by_status_hour_and_channel(app: Flask, admin: Browser) -> None:
    with app.app_context():
        demo.prepare()
        like = message(queue_text())
        for hours, took in ((1, 2), (1.01, 4), (2.5, 6), (30, 600)):
            happened(like, "delivered", timedelta(hours=hours), took)
        happened(like, "read", timedelta(hours=3), 8)
        for hours in (2, 23.5, 25):
            happened(like, "undelivered", timedelta(hours=hours))
        happened(like, "suppressed", timedelta(hours=5))
        day = daily_stats.read_daily_stats()
        every = db.session.scalars(
            select(Message.id).where(Message.id > id_at("msg", now() - timedelta(days=1)))
        ).all()
    assert sum(day.hours) == len(every) == 8
    assert [day.hours[-1 - ago] for ago in (0, 1, 2, 3, 5, 23)] == [1, 2, 2, 1, 1, 1]
    assert sorted(map(round, day.seconds["sms"])) == [2, 4, 6, 8]
    page = words(admin.get("/").text)
    assert "Messages in 24 hours 8 1 in progress" in page
    assert "4 of 6 with a final status" in page
    assert "Median time 5 s" in page
    assert "the newest" not in page
    assert "2 messages failed in the last 24 hours" in page


def test_of_a_busy_day_the_times_of_the_newest_are_told(
    app: Flask, admin: Browser, monkeypatch: Any
) -> None:
    monkeypatch.setattr(daily_stats, "MAX_TIMED", 2)
    with app.app_context():
        demo.prepare()
        like = message(queue_text())
        for hours, took in ((1, 2), (2, 4), (3, 600)):
            happened(like, "delivered", timedelta(hours=hours), took)
    page = words(admin.get("/").text)
    assert "Median time 3" in page
    assert "(the newest 2)" in page
    assert "3 of 3 with a final status" in page
