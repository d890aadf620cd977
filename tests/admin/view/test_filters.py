"""Pages format times, numbers, statuses and icons."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g

from hub.admin.view import datetimes, filters, status_badges
from hub.core.vocabulary import Channel, ConnectionState, RequestState, SignerState, Status

NOW = datetime(2026, 11, 21, 9, 41, 22, 912_345, tzinfo=UTC)
STYLESHEET = Path(filters.__file__).parents[2] / "static" / "components.css"


@pytest.mark.parametrize(
    ("passed", "expected"),
    [
        (timedelta(seconds=0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=2, minutes=5), "2 h ago"),
        (timedelta(hours=9), "9 h ago"),
        (timedelta(hours=20), "yesterday"),
        (timedelta(days=2), "Nov 19"),
        (timedelta(days=400), "Oct 17, 2025"),
        (timedelta(seconds=-5), "in a moment"),
        (timedelta(minutes=-12), "in 12 min"),
        (timedelta(hours=-3), "in 3 h"),
        (timedelta(hours=-20), "tomorrow"),
    ],
)
def test_recent_times_are_relative(passed: timedelta, expected: str) -> None:
    assert datetimes.format_relative(NOW - passed, NOW) == expected


@pytest.mark.parametrize(
    ("ahead", "sentence"),
    [
        (None, "It is tried again with the next event."),
        (timedelta(0), "The next attempt is due now."),
        (timedelta(seconds=-59), "The next attempt is due now."),
        (timedelta(minutes=-6), "The next attempt has been due for 6 min."),
        (timedelta(days=-1), "The next attempt has been due since yesterday."),
        (timedelta(days=-18), "The next attempt has been due since Nov 3."),
        (timedelta(seconds=30), "The next attempt is in a moment."),
        (timedelta(minutes=4), "The next attempt is in 4 min."),
        (timedelta(days=1), "The next attempt is tomorrow."),
        (timedelta(days=7), "The next attempt is on Nov 28."),
    ],
)
def test_next_attempt_is_a_sentence(ahead: timedelta | None, sentence: str) -> None:
    time = None if ahead is None else NOW + ahead
    assert datetimes.format_next_attempt(time, NOW) == sentence


def test_hours_before_midnight_are_not_shown_as_yesterday() -> None:
    midnight = datetime(2026, 11, 21, 0, 30, tzinfo=UTC)
    assert datetimes.format_relative(midnight - timedelta(hours=2), midnight) == "2 h ago"


def test_times_without_a_reader_are_utc() -> None:
    assert datetimes.format_datetime(NOW) == "Nov 21, 2026, 09:41:22 UTC"
    assert datetimes.format_iso(NOW) == "2026-11-21T09:41:22.912Z"


def test_times_are_shown_in_the_zone_of_the_browser() -> None:
    with Flask(__name__).test_request_context(headers={"Cookie": "tz=Europe/Berlin"}):
        assert datetimes.format_datetime(NOW) == "Nov 21, 2026, 10:41:22 CET"
        assert datetimes.format_datetime(NOW, milliseconds=True) == "Nov 21, 2026, 10:41:22.912 CET"
        assert datetimes.format_time(NOW) == "10:41:22.912"


def test_zone_of_the_user_comes_before_the_zone_of_the_browser() -> None:
    with Flask(__name__).test_request_context(headers={"Cookie": "tz=Europe/Berlin"}):
        g.zone = ZoneInfo("America/Sao_Paulo")
        assert datetimes.format_datetime(NOW) == "Nov 21, 2026, 06:41:22 UTC-03"


@pytest.mark.parametrize(
    "cookie", ["", "Mars/Olympus", "../../etc/passwd", "/etc", "posixrules.", "x" * 5000]
)
def test_unknown_zone_falls_back_to_utc(cookie: str) -> None:
    assert datetimes.choose_zone(None, cookie).key == "UTC"


def test_every_offered_zone_can_be_chosen() -> None:
    assert all(datetimes.choose_zone(name).key == name for name in datetimes.zone_names())


def test_zones_are_offered_by_their_current_name_only() -> None:
    names = datetimes.zone_names()
    assert {"America/New_York", "Asia/Kolkata", "Europe/Kyiv", "UTC"} <= {*names}
    assert not {"Africa/Asmera", "America/Atka", "Asia/Calcutta", "Etc/GMT+5"} & {*names}


def test_phone_numbers_are_grouped_and_other_addresses_are_unchanged() -> None:
    assert filters.phone("+13175551234") == "+1 317-555-1234"
    assert filters.phone("+4915112345678") == "+49 1511 2345678"
    assert filters.phone("legal@fjord.example") == "legal@fjord.example"


def test_long_ids_are_shortened_in_the_middle() -> None:
    assert filters.short_id("msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c") == "msg_019aa5…e41c"
    assert filters.short_id("agr-1001") == "agr-1001"


def test_counts_shares_and_durations_are_formatted() -> None:
    assert filters.plural(1, "message") == "1 message"
    assert filters.plural(1284, "message") == "1,284 messages"
    assert filters.plural(2, "person", "people") == "2 people"
    assert [
        filters.percent(*pair) for pair in ((1226, 1247), (9999, 10000), (0, 5), (5, 5), (0, 0))
    ] == [
        "98.3%",
        "99.9%",
        "0%",
        "100%",
        "–",
    ]
    assert [
        filters.duration(s) for s in (0.318, 0.9996, 1.94, 42.0, 59.96, 3599, timedelta(hours=2))
    ] == [
        "318 ms",
        "1 s",
        "1.9 s",
        "42 s",
        "1 min",
        "1 h",
        "2 h",
    ]


def test_every_status_has_an_icon_a_label_and_a_color_of_the_stylesheet() -> None:
    colors = set(re.findall(r"\.sp-state-([a-z]+)", STYLESHEET.read_text(encoding="utf-8")))
    badges = [
        *map(status_badges.message_badge, Status),
        *map(status_badges.connection_badge, [None, *ConnectionState]),
        *map(status_badges.request_badge, RequestState),
        *map(status_badges.signer_badge, SignerState),
    ]
    assert all(badge.icon and badge.label and badge.color in colors for badge in badges)


def test_message_statuses_have_distinct_icons() -> None:
    icons = [status_badges.message_badge(status).icon for status in Status]
    assert len(set(icons)) == len(icons)


def test_unknown_status_is_shown_unchanged() -> None:
    assert status_badges.message_badge("half_sent").label == "Half sent"


@pytest.mark.parametrize("channel", Channel)
def test_every_channel_has_its_own_icon_in_the_text_color(
    channel: Channel,
) -> None:
    drawing = filters.icon(channel)
    assert drawing.startswith('<svg class="sp-icon-s" aria-hidden="true"')
    assert "currentColor" in drawing
    assert (filters.ICONS / f"{channel}.svg").exists()


def test_unknown_icon_falls_back_to_a_chat_bubble() -> None:
    assert filters.icon("../../../etc/passwd") == filters.icon("chat") == filters.icon("fake_chat")


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("whatsapp:+13175551234", "+13175551234"),
        ("whatsapp:MG1", "MG1"),
        ("chat.example:8065", "chat.example:8065"),
        ("localhost:8065", "localhost:8065"),
        ("+13175551234", "+13175551234"),
    ],
)
def test_sender_is_shown_without_its_channel(sender: str, name: str) -> None:
    assert filters.sender_name(sender) == name
