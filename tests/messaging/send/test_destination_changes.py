"""Providers report that a team's destination was removed or restored; what pages show of it."""

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
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.inbox import chat_membership
from hub.messaging.track import timeline
from hub.messaging.track.statuses import Origin
from hub.models import (
    Connection,
    Contact,
    PausedDestination,
    Suppression,
)
from hub.signing import erasure
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import count, deliver, message, status
from tests.messaging.send.destination_steps import GONE, ConnectTeam, paused, post, refuse
from tests.team_connections import connect_team as connect_team

ERRORS = [
    DestinationUnavailable(GONE, "removed"),
    RecipientRefused(GONE, "kicked"),
    DestinationUnavailable(GONE, "new", sure=False),
]


# ── Statuses that the provider reports ────────────────────────────────────────────────────────────
def told(
    one: Connection, wanted: bool, address: str = "T1", ago: float = 0, team: bool = True
) -> None:
    came = ChatPermission(
        allowed=wanted, address=address, reason="The bot was removed from the chat.", team=team
    )
    chat_membership.apply_membership(
        came, Origin("callback", [one.id]), now() - timedelta(seconds=ago)
    )


@pytest.mark.parametrize("team", [True, False])
def test_a_removal_pauses_the_destination_and_an_invitation_reopens_it(
    connect_team: ConnectTeam, fake_provider: FakeProvider, team: bool
) -> None:
    one = connect_team("T1")
    told(one, wanted=False, ago=20, team=team)
    assert "removed from the chat" in paused(one)
    assert "Add the app there again" in paused(one)
    first = post()
    deliver()
    assert (status(first), count(Suppression)) == ("queued", 0)
    told(one, wanted=True, ago=10, team=team)
    deliver()
    assert status(first) == "accepted"
    told(one, wanted=False, ago=15, team=team)
    assert paused(one) == "", "an older word came late"


def test_a_late_removal_pauses_nothing(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    one = connect_team("T1")
    told(one, wanted=True, ago=10)
    told(one, wanted=False, ago=20)
    assert paused(one) == ""


def test_other_groups_are_ignored(connect_team: ConnectTeam, fake_provider: FakeProvider) -> None:
    one = connect_team("T1")
    told(one, wanted=False, address="T9")
    assert (paused(one), count(Suppression)) == ("", 0)


def test_person_who_blocks_is_suppressed_until_they_unblock(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    one = connect_team("T1")
    told(one, wanted=False, address="chat-1", ago=10, team=False)
    assert (
        status(direct.send_message(to="chat-1", text="Hello.", connection_slug=one.slug, test=True))
        == "suppressed"
    )
    told(one, wanted=True, address="chat-1", team=False)
    assert (
        status(direct.send_message(to="chat-1", text="Hello.", connection_slug=one.slug, test=True))
        == "queued"
    )


# ── What people read ──────────────────────────────────────────────────────────────────────────────
def test_the_timeline_says_why_a_post_waits(
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
    one = connect_team("T1")
    fake_provider.on_send = refuse(error, "T1")
    post()
    deliver()
    assert paused(one) == ""


# ── Forgetting ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("reopened", [True, False])
def test_an_old_destination_is_forgotten_with_its_contact(
    connect_team: ConnectTeam, fake_provider: FakeProvider, reopened: bool
) -> None:
    one = connect_team("T1")
    told(one, wanted=False, ago=20)
    if reopened:
        told(one, wanted=True, ago=10)
    assert count(PausedDestination) == 1
    purge.delete_old_rows(now() + timedelta(days=1))
    assert (count(PausedDestination), count(Contact)) == (0, 0)


def test_a_destination_that_is_erased_leaves_no_pause(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    one = connect_team("T1")
    told(one, wanted=False)
    erasure.erase_contact(contact_for("chat", "T1", test=True).id, reason="By letter.")
    assert (count(PausedDestination), paused(one)) == (0, "")
