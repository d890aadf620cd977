"""Providers report that a team's destination was removed or restored, and pages show it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.core.errors import (
    DestinationUnavailable,
    PermanentError,
    RecipientRefused,
    SendError,
    TransientError,
)
from hub.db.types import now
from hub.intake import purge
from hub.integrations.base import ChatPermission
from hub.messaging.compose import direct
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.inbox import chat_membership
from hub.messaging.track import timeline
from hub.messaging.track.statuses import Origin
from hub.models import (
    Connection,
    Contact,
    PausedDestination,
    Suppression,
)
from hub.signing import contact_erasure
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import count, deliver, message, status
from tests.messaging.send.destination_steps import GONE, ConnectTeam, pause_reason, post, refuse
from tests.team_connections import connect_team as connect_team

ERRORS = [
    DestinationUnavailable(GONE, "removed"),
    RecipientRefused(GONE, "kicked"),
    DestinationUnavailable(GONE, "new", sure=False),
]


# ── Statuses that the provider reports ────────────────────────────────────────────────────────────
def report_membership(
    connection: Connection, allowed: bool, address: str = "T1", ago: float = 0, team: bool = True
) -> None:
    permission = ChatPermission(
        allowed=allowed, address=address, reason="The bot was removed from the chat.", team=team
    )
    chat_membership.apply_membership(
        permission, Origin("callback", [connection.id]), now() - timedelta(seconds=ago)
    )


@pytest.mark.parametrize("team", [True, False])
def test_removal_pauses_the_destination_and_an_invitation_reopens_it(
    connect_team: ConnectTeam, fake_provider: FakeProvider, team: bool
) -> None:
    connection = connect_team("T1")
    report_membership(connection, allowed=False, ago=20, team=team)
    assert "removed from the chat" in pause_reason(connection)
    assert "Add the app there again" in pause_reason(connection)
    first = post()
    deliver()
    assert (status(first), count(Suppression)) == ("queued", 0)
    report_membership(connection, allowed=True, ago=10, team=team)
    deliver()
    assert status(first) == "accepted"
    report_membership(connection, allowed=False, ago=15, team=team)
    assert pause_reason(connection) == "", "an older word came late"


def test_late_report_of_a_removal_pauses_nothing(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    report_membership(connection, allowed=True, ago=10)
    report_membership(connection, allowed=False, ago=20)
    assert pause_reason(connection) == ""


def test_other_groups_are_ignored(connect_team: ConnectTeam, fake_provider: FakeProvider) -> None:
    connection = connect_team("T1")
    report_membership(connection, allowed=False, address="T9")
    assert (pause_reason(connection), count(Suppression)) == ("", 0)


def test_person_who_blocks_is_suppressed_until_they_unblock(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    report_membership(connection, allowed=False, address="chat-1", ago=10, team=False)
    assert (
        status(
            direct.send_message(
                to="chat-1", text="Hello.", connection_slug=connection.slug, test=True
            )
        )
        == "suppressed"
    )
    report_membership(connection, allowed=True, address="chat-1", team=False)
    assert (
        status(
            direct.send_message(
                to="chat-1", text="Hello.", connection_slug=connection.slug, test=True
            )
        )
        == "queued"
    )


# ── What people read ──────────────────────────────────────────────────────────────────────────────
def test_timeline_explains_why_a_post_waits(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    fake_provider.on_send = refuse(ERRORS[0], "T1")
    first = post()
    deliver()
    entries = timeline.timeline(message(first))
    assert any(
        "rejected the destination" in entry.title and GONE in entry.text for entry in entries
    )


@pytest.mark.parametrize("error", [PermanentError("No.", "p7"), TransientError("Rain.", "rain")])
def test_other_errors_pause_nothing(
    connect_team: ConnectTeam, fake_provider: FakeProvider, error: SendError
) -> None:
    connection = connect_team("T1")
    fake_provider.on_send = refuse(error, "T1")
    post()
    deliver()
    assert pause_reason(connection) == ""


# ── Forgetting ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("reopened", [True, False])
def test_old_destination_is_removed_with_its_contact(
    connect_team: ConnectTeam, fake_provider: FakeProvider, reopened: bool
) -> None:
    connection = connect_team("T1")
    report_membership(connection, allowed=False, ago=20)
    if reopened:
        report_membership(connection, allowed=True, ago=10)
    assert count(PausedDestination) == 1
    purge.delete_old_rows(now() + timedelta(days=1))
    assert (count(PausedDestination), count(Contact)) == (0, 0)


def test_erased_destination_leaves_no_pause(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    report_membership(connection, allowed=False)
    contact_erasure.erase_contact(
        get_or_create_contact("chat", "T1", test=True).id, reason="By letter."
    )
    assert (count(PausedDestination), pause_reason(connection)) == (0, "")
