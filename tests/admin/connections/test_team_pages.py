"""Pages of team posts: settings of the connection, posts of a request, action links."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from hub.connections import demo
from hub.core.errors import DestinationUnavailable
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import ChatPermission
from hub.messaging.compose import direct
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.inbox import chat_membership
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message
from hub.signing import accept, team_subscriptions
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import ConnectTeam, RunInApp, text_of
from tests.admin.connections.team_pages import connect_team as connect_team
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.conftest import Browser
from tests.fake_provider import FakeProvider
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import deliver, event_body, signer_body, source_id
from tests.team_connections import accept_post


# ── At the connection ─────────────────────────────────────────────────────────────────────────────
def test_admin_chooses_the_events_that_are_posted(
    connect_team: ConnectTeam, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    connection = connect_team("W1")
    slug = connection.slug
    connection_id = connection.id
    boss = browser_for(Role.ADMIN)
    page = boss.get(f"/connections/{slug}")
    checked = re.findall(r'value="(request\.\w+)"[^>]*checked', page.text)
    assert checked == [event.value for event in team_subscriptions.DEFAULT_EVENTS]
    assert "Posts to W1." in text_of(page)
    boss.post(f"/connections/{slug}/posts", {"events": ["request.viewed", "made.up"]})
    assert [
        event.value for event in run_in_app(lambda: team_subscriptions.posted_events(connection_id))
    ] == ["request.viewed"]
    assert "Changed the events that the connection Team W1 posts" in text_of(boss.get("/activity"))
    assert "Document opened by a signer" in text_of(
        browser_for(Role.VIEWER).get(f"/connections/{slug}")
    )


def test_changed_destination_is_shown_beside_the_one_in_settings(
    connect_team: ConnectTeam, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    connection = connect_team("W1")
    boss = browser_for(Role.ADMIN)
    assert "The destination changed" not in text_of(boss.get(f"/connections/{connection.slug}"))
    run_in_app(
        transaction(
            lambda: setattr(db.session.get_one(Connection, connection.id), "destination", "W2")
        )
    )
    page = text_of(boss.get(f"/connections/{connection.slug}"))
    assert "to W2" in page
    assert "The destination changed after the settings were saved" in page


def test_group_link_is_created_and_shown_once(
    connect_team: ConnectTeam, fake_provider: FakeProvider, browser_for: Callable[..., Browser]
) -> None:
    slug = connect_team("").slug
    boss = browser_for(Role.ADMIN)
    assert "No group is connected yet" in text_of(boss.get(f"/connections/{slug}"))
    response = boss.post(f"/connections/{slug}/invite")
    assert response.status_code == 200
    assert "https://team-chat.example/group/" in response.text
    assert "https://team-chat.example/group/" not in boss.get(f"/connections/{slug}").text


def test_message_without_a_recipient_is_posted_to_the_team(
    connect_team: ConnectTeam,
    fake_provider: FakeProvider,
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
) -> None:
    connection = connect_team("W1")
    assert (
        browser_for(Role.OPERATOR)
        .post(f"/connections/{connection.slug}/send", {"to": ""})
        .status_code
        == 303
    )
    run_in_app(deliver)
    assert [post.to for post in fake_provider.sent] == ["W1"]


def test_message_without_a_destination_requires_a_recipient(
    connect_team: ConnectTeam, fake_provider: FakeProvider, browser_for: Callable[..., Browser]
) -> None:
    page = browser_for(Role.OPERATOR).post(f"/connections/{connect_team('').slug}/send", {"to": ""})
    assert page.status_code == 422
    assert "Enter a recipient." in text_of(page)


# ── Behind the link ───────────────────────────────────────────────────────────────────────────────
def test_renamed_connection_asks_to_set_the_webhook_again(
    run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    run_in_app(demo.connect_chats_and_mail)
    boss = browser_for(Role.ADMIN)
    page = boss.post(
        "/connections/demo-telegram/rename",
        {"title": "Our bot", "slug": "our-bot"},
        follow_redirects=True,
    )
    assert "Telegram still sends its webhooks to the old URL. Choose Set webhook below." in text_of(
        page
    )
    response = boss.post(
        "/connections/our-bot/rename",
        {"title": "The bot", "slug": "our-bot"},
        follow_redirects=True,
    )
    assert "old address" not in text_of(response)


def test_chat_that_starts_with_a_permission_has_no_opt_out(
    run_in_app: RunInApp[Any], connect_team: ConnectTeam, browser_for: Callable[..., Browser]
) -> None:
    team_chat = connect_team("")

    def apply_permission() -> str:
        permission = ChatPermission(
            allowed=True, address="778899", reason="The person started the bot."
        )
        chat_membership.apply_membership(permission, Origin("callback", [team_chat.id]), now())
        return get_or_create_contact("chat", "778899", test=True).id

    boss = browser_for(Role.ADMIN)
    assert "Opted out" not in text_of(boss.get(f"/contacts/{run_in_app(apply_permission)}"))
    assert "778899" not in text_of(boss.get("/opt-outs?show=lifted"))


def test_demo_connects_chats_and_posts_the_default_events(run_in_app: RunInApp[Any]) -> None:
    run_in_app(demo.connect_chats_and_mail)
    run_in_app(demo.connect_chats_and_mail)

    def chats() -> dict[str, tuple[str, list[str]]]:
        connections = db.session.scalars(select(Connection).where(Connection.channel == "chat"))
        return {
            connection.slug: (
                connection.destination,
                list(team_subscriptions.posted_events(connection.id)),
            )
            for connection in connections
        }

    assert sorted(run_in_app(chats)) == ["demo-microsoft-teams", "demo-slack", "demo-telegram"]
    assert all(
        destination and event_names == list(team_subscriptions.DEFAULT_EVENTS)
        for destination, event_names in run_in_app(chats).values()
    )


def test_chat_message_uses_the_first_connection_that_reaches_the_recipient(
    run_in_app: RunInApp[Any],
) -> None:
    run_in_app(demo.connect_chats_and_mail)

    def connection_slug_for(to: str) -> str:
        message_id = direct.send_message(
            to=to, text="Your contract is ready.", channel="chat", test=True
        )
        return db.session.get_one(Message, message_id).connection.slug

    assert run_in_app(lambda: connection_slug_for("eric@acme.example")) == "demo-slack"
    assert run_in_app(lambda: connection_slug_for("778899")) == "demo-telegram"


# ── A destination that takes no posts ─────────────────────────────────────────────────────────────
def test_every_page_shows_a_paused_destination_and_a_working_remedy(
    connect_team: ConnectTeam,
    admin: Browser,
    fake_provider: FakeProvider,
    run_in_app: RunInApp[Any],
) -> None:
    destination = connect_team("T1")

    @transaction
    def clear_settings() -> None:  # what its form, which asks for nothing, would store
        db.session.get_one(Connection, destination.id).settings = {}

    run_in_app(clear_settings)
    reason = "The app was removed from the channel. Add it again in the channel’s settings."

    def refuse(outbound: Any) -> Any:
        raise DestinationUnavailable(reason, "removed")

    fake_provider.on_send = refuse

    def post() -> str:
        accept.accept_event(
            EventIn.model_validate(
                event_body("request.declined", signer=signer_body("Eric", None))
            ),
            source_id(),
            test=True,
        )
        deliver()
        return db.session.scalars(select(Message.id).where(Message.thread != "")).one()

    message_id = run_in_app(post)
    pages = ("/", f"/connections/{destination.slug}", f"/messages/{message_id}")
    for path in pages:
        page = text_of(admin.get(path))
        assert reason in page, path
        assert "Test connection" in page, path
        assert "T1 are paused" in page, path
    assert "1 post is waiting" in text_of(admin.get("/"))
    assert "Posts paused" in text_of(admin.get(f"/connections/{destination.slug}"))
    fake_provider.on_send = accept_post
    assert admin.post(f"/connections/{destination.slug}", {"do": "test"}).status_code == 200
    run_in_app(deliver)
    for path in pages:
        assert "are paused" not in text_of(admin.get(path)), path
    assert run_in_app(lambda: db.session.get_one(Message, message_id).status) == "accepted"
