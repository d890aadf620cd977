"""Messages wait for the end of quiet hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hub.core.vocabulary import Address
from hub.db.types import now
from hub.messaging.compose import outbox
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.send import claims
from hub.models import Connection
from tests.hub_fixtures import ERIC, message, queue_text, status_words, update_message
from tests.messaging.policy.policy_steps import (
    claim,
    post_message,
    receive_text,
    save_rules,
    status_and_code,
)


@pytest.fixture
def current_quiet_hours() -> QuietHours:
    """Return quiet hours in New York that began an hour ago and end in an hour."""
    local_time = now().astimezone(ZoneInfo("America/New_York"))
    return QuietHours(
        f"{local_time - timedelta(hours=1):%H:%M}", f"{local_time + timedelta(hours=1):%H:%M}"
    )


def test_message_queued_at_night_waits_for_the_morning(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    save_rules(connection, quiet=current_quiet_hours)
    message_id = post_message()
    assert status_and_code(message_id) == ("queued", "quiet_hours")
    assert status_words(message_id) == ["quiet hours"], "its page says what it waits for"
    due_at = message(message_id).due_at
    assert due_at is not None
    assert timedelta(minutes=55) < due_at - now() <= timedelta(hours=1)
    assert claim(connection) == []
    assert status_and_code(post_message("+81312345678")) == ("queued", ""), (
        "in Tokyo it is another time"
    )


def test_quiet_hours_that_begin_while_a_message_waits_apply_too(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    message_id = post_message()
    save_rules(connection, quiet=current_quiet_hours)
    assert claim(connection) == []
    assert status_and_code(message_id) == ("queued", "quiet_hours")
    assert status_words(message_id) == ["quiet hours"]
    update_message(message_id, due_at=now() - timedelta(seconds=1))
    assert claim(connection) == []
    assert status_words(message_id) == ["quiet hours"], "it is said once"
    save_rules(connection, quiet=current_quiet_hours, per_day=9)
    assert claims.find_due_connections() == [], "what waits goes on waiting"
    save_rules(connection)
    assert len(claim(connection)) == 1, "removed quiet hours delay nothing"


@pytest.mark.parametrize(
    ("waits", "becomes"), [(False, ("queued", "")), (True, ("suppressed", "quiet_hours"))]
)
def test_message_expiring_first_is_sent_unless_rules_forbid_it(
    connection: Connection, current_quiet_hours: QuietHours, waits: bool, becomes: tuple[str, str]
) -> None:
    save_rules(connection, quiet=current_quiet_hours, quiet_waits=waits)
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    expires_at = now() + timedelta(minutes=30)
    assert (
        status_and_code(
            outbox.add_message(
                outbox.Draft(
                    connection=connection.info,
                    recipient=contact,
                    text="Sign.",
                    expires_at=expires_at,
                )
            )
        )
        == becomes
    )


def test_given_time_zone_takes_precedence_over_the_number(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    save_rules(connection, quiet=current_quiet_hours)
    get_or_create_contact(Address.PHONE, ERIC, test=True, time_zone="Asia/Tokyo")
    message_id = post_message()
    assert status_and_code(message_id) == ("queued", "")
    assert [claimed.message_id for claimed in claim(connection)] == [message_id]


def test_manual_message_is_sent_at_once(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    save_rules(connection, quiet=current_quiet_hours, consent=True)
    message_id = queue_text()
    assert status_and_code(message_id) == ("queued", "")
    assert [claimed.message_id for claimed in claim(connection)] == [message_id]
    receive_text(False, "")
    assert status_and_code(queue_text()) == ("suppressed", "consent_no"), "a no holds for everybody"


@pytest.mark.parametrize(
    ("at", "allowed"),
    [
        ("2026-05-09T21:30", "2026-05-09T21:30"),  # a Saturday
        ("2026-05-09T22:30", "2026-05-11T08:00"),
        ("2026-05-10T12:00", "2026-05-11T08:00"),
        ("2026-05-10T23:30", "2026-05-11T08:00"),
        ("2026-05-11T07:59", "2026-05-11T08:00"),
        ("2026-10-25T02:30", "2026-10-26T08:00"),  # the clocks show this time twice
    ],
)
def test_quiet_sunday_ends_on_monday_morning(at: str, allowed: str) -> None:
    zone = ZoneInfo("Europe/Paris")
    hours = QuietHours.from_list(QuietHours("22:00", "08:00", (6,)).to_list())
    for fold in (0, 1):
        moment = datetime.fromisoformat(at).replace(tzinfo=zone, fold=fold)
        found = hours.next_allowed(moment, [zone.key]) or moment
        assert f"{found.astimezone(zone):%Y-%m-%dT%H:%M}" == allowed


def test_hours_of_0_2_0_are_read() -> None:
    assert QuietHours.from_list(["21:00", "08:00"]) == QuietHours("21:00", "08:00")
    assert QuietHours("21:00", "08:00").to_list() == ["21:00", "08:00"]
