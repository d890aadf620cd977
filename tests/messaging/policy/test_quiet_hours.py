"""Messages wait for the end of quiet hours."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from hub.core.vocabulary import Address
from hub.db.types import now
from hub.messaging.compose import outbox
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.send import claims
from hub.models import Connection
from tests.hub_fixtures import ERIC, message, queue_text, status_words, update_message
from tests.messaging.policy.policy_steps import claim, code, posted, receive_text, rule


@pytest.fixture
def current_quiet_hours() -> QuietHours:
    """Give quiet hours that hold now in New York, and until an hour from now."""
    here = now().astimezone(ZoneInfo("America/New_York"))
    return QuietHours(f"{here - timedelta(hours=1):%H:%M}", f"{here + timedelta(hours=1):%H:%M}")


def test_message_queued_at_night_waits_for_the_morning(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    rule(connection, quiet=current_quiet_hours)
    found = posted()
    assert code(found) == ("queued", "quiet_hours")
    assert status_words(found) == ["quiet hours"], "its page says what it waits for"
    due_at = message(found).due_at
    assert due_at is not None
    assert timedelta(minutes=55) < due_at - now() <= timedelta(hours=1)
    assert claim(connection) == []
    assert code(posted("+81312345678")) == ("queued", ""), "in Tokyo it is another time"


def test_a_night_that_begins_while_a_message_waits_holds_it_too(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    found = posted()
    rule(connection, quiet=current_quiet_hours)
    assert claim(connection) == []
    assert code(found) == ("queued", "quiet_hours")
    assert status_words(found) == ["quiet hours"]
    update_message(found, due_at=now() - timedelta(seconds=1))
    assert claim(connection) == []
    assert status_words(found) == ["quiet hours"], "it is said once"
    rule(connection, quiet=current_quiet_hours, per_day=9)
    assert claims.is_due() == [], "what waits goes on waiting"
    rule(connection)
    assert len(claim(connection)) == 1, "hours that are lifted hold nothing back any more"


@pytest.mark.parametrize(
    ("waits", "becomes"), [(False, ("queued", "")), (True, ("suppressed", "quiet_hours"))]
)
def test_message_expiring_first_is_sent_unless_rules_forbid_it(
    connection: Connection, current_quiet_hours: QuietHours, waits: bool, becomes: tuple[str, str]
) -> None:
    rule(connection, quiet=current_quiet_hours, quiet_waits=waits)
    contact = contact_for(Address.PHONE, ERIC, test=True)
    soon = now() + timedelta(minutes=30)
    assert (
        code(
            outbox.add(
                outbox.Draft(
                    connection=connection.info, recipient=contact, text="Sign.", expires_at=soon
                )
            ).id
        )
        == becomes
    )


def test_the_zone_that_was_given_counts_for_more_than_the_number(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    rule(connection, quiet=current_quiet_hours)
    contact_for(Address.PHONE, ERIC, test=True, time_zone="Asia/Tokyo")
    found = posted()
    assert code(found) == ("queued", "")
    assert [one.message_id for one in claim(connection)] == [found]


def test_manual_message_is_sent_at_once(
    connection: Connection, current_quiet_hours: QuietHours
) -> None:
    rule(connection, quiet=current_quiet_hours, consent=True)
    found = queue_text()
    assert code(found) == ("queued", "")
    assert [one.message_id for one in claim(connection)] == [found]
    receive_text(False, "")
    assert code(queue_text()) == ("suppressed", "consent_no"), "a no holds for everybody"
