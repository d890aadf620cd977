"""Team buttons, invitation links and blocked chats are reported to the app of the request."""

from __future__ import annotations

from datetime import timedelta

from hub.db.types import now
from hub.integrations.base import ChatLinked, ChatPermission
from hub.messaging.inbox import chat_membership
from hub.messaging.track.statuses import Origin
from hub.models import Connection
from hub.signing import button_actions, chat_invitations
from tests.endpoints.event_steps import bodies, listen
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import signer_body
from tests.signing.post_steps import (
    ConnectTeam,
    button_token,
    deliver_posts,
    load_request,
    post_event,
)

CHAT = "778899"


def change_membership(connection: Connection, seconds: float, *, allowed: bool) -> None:
    change = ChatPermission(allowed=allowed, address=CHAT, reason="The person blocked the bot.")
    at = now() + timedelta(seconds=seconds)
    chat_membership.apply_membership(change, Origin("callback", [connection.id]), at)


def open_invitation(connection: Connection) -> None:
    url = chat_invitations.invite(load_request().id, "eric").url
    link = ChatLinked(token=url.rpartition("/")[2], address=CHAT, name="Eric in the chat")
    chat_invitations.link_chat(link, Origin("callback", [connection.id]), now())


def test_button_of_a_post_is_reported_once_without_its_user(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    endpoint_id = listen("default", "button_pressed")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    for _ in range(2):
        button_actions.perform_action(button_token(post, "Remind Eric"), "Dana Whitfield")
    button_actions.perform_action(button_token(post, "Snooze Anna"), "Dana Whitfield")
    reminded, snoozed = bodies(endpoint_id)
    names = "button", "result", "signer"
    assert [reminded[name] for name in names] == ["remind", "done", "eric"]
    assert [snoozed[name] for name in names] == ["snooze", "done", "anna"]
    assert reminded["request"] == load_request().id
    assert reminded["request_external_id"] == "agr-1001"
    assert "Dana" not in str(reminded)


def test_opened_invitation_is_an_opt_in(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    endpoint_id = listen("default", "opted_*")
    post_event(signers=[signer_body("Eric")])
    open_invitation(team_chat)
    [body] = bodies(endpoint_id)
    assert (body["type"], body["reason"], body["channel"]) == ("opted_in", "link", "chat")
    assert (body["address"], body["request"]) == (CHAT, load_request().id)


def test_blocked_chat_is_an_opt_out_until_it_is_unblocked(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    post_event(signers=[signer_body("Eric")])
    open_invitation(team_chat)
    endpoint_id = listen("default", "opted_*")
    change_membership(team_chat, 60, allowed=False)
    change_membership(team_chat, 60, allowed=False)
    change_membership(team_chat, 120, allowed=True)
    change_membership(team_chat, 180, allowed=True)
    found = [(body["type"], body["reason"], body["address"]) for body in bodies(endpoint_id)]
    assert found == [("opted_out", "provider", CHAT), ("opted_in", "provider", CHAT)]
