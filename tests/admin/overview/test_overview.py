"""The overview counts the messages of the last 24 hours."""

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
from hub.db.types import first_id_at, now
from hub.messaging.state.message_batch import messages as table
from hub.models import Message
from tests.conftest import Browser
from tests.hub_fixtures import message, queue_text


@transaction
def add_message(like: Message, status: str, age: timedelta, seconds: float = 0) -> None:
    """Add a message that was created this long ago and changed `took` seconds later."""
    moment = now() - age
    row: dict[str, Any] = {column.name: getattr(like, column.name) for column in table.columns}
    columns = {
        "id": first_id_at("msg", moment),
        "status": status,
        "changed_at": moment + timedelta(seconds=seconds),
        "due_at": None,
    }
    db.session.execute(insert(table), [{**row, **columns, "dedup_key": None, "after_id": None}])


def page_text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_last_day_is_counted_by_status_hour_and_channel(app: Flask, admin: Browser) -> None:
    with app.app_context():
        demo.prepare()
        like = message(queue_text())
        for hours, seconds in ((1, 2), (1.01, 4), (2.5, 6), (30, 600)):
            add_message(like, "delivered", timedelta(hours=hours), seconds)
        add_message(like, "read", timedelta(hours=3), 8)
        for hours in (2, 23.5, 25):
            add_message(like, "undelivered", timedelta(hours=hours))
        add_message(like, "suppressed", timedelta(hours=5))
        day = daily_stats.read_daily_stats()
        every = db.session.scalars(
            select(Message.id).where(Message.id > first_id_at("msg", now() - timedelta(days=1)))
        ).all()
    assert sum(day.hours) == len(every) == 8
    assert [day.hours[-1 - ago] for ago in (0, 1, 2, 3, 5, 23)] == [1, 2, 2, 1, 1, 1]
    assert sorted(map(round, day.seconds["sms"])) == [2, 4, 6, 8]
    page = page_text(admin.get("/").text)
    assert "Messages in 24 hours 8 1 in progress" in page
    assert "4 of 6 with a final status" in page
    assert "Median time 5 s" in page
    assert "the newest" not in page
    assert "Includes undelivered and expired messages. 1 more were blocked." in page
    assert "2 messages failed in the last 24 hours" in page


def test_busy_day_shows_delivery_times_of_the_newest_messages(
    app: Flask, admin: Browser, monkeypatch: Any
) -> None:
    monkeypatch.setattr(daily_stats, "MAX_TIMED", 2)
    with app.app_context():
        demo.prepare()
        like = message(queue_text())
        for hours, seconds in ((1, 2), (2, 4), (3, 600)):
            add_message(like, "delivered", timedelta(hours=hours), seconds)
    page = page_text(admin.get("/").text)
    assert "Median time 3" in page
    assert "(the newest 2)" in page
    assert "3 of 3 with a final status" in page
