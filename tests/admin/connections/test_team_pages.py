"""Pages of team posts: chosen at the connection, listed with the request, with action links."""

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
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.inbox import chat_membership
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message
from hub.signing import accept, team_subscriptions
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import Look, Roof, words
from tests.admin.connections.team_pages import look as look
from tests.admin.connections.team_pages import roof as roof
from tests.conftest import Browser
from tests.fake_provider import Loft
from tests.fake_provider import loft as loft
from tests.hub_fixtures import a_signer, an_event, deliver, source_id
from tests.team_connections import fly


# ── At the connection ─────────────────────────────────────────────────────────────────────────────
def test_the_page_lists_what_is_posted_and_an_admin_changes_it(
    roof: Roof, look: Look[Any], person: Callable[..., Browser]
) -> None:
    one = roof("W1")
    slug = one.slug
    connection_id = one.id
    boss = person(Role.ADMIN)
    page = boss.get(f"/connections/{slug}")
    checked = re.findall(r'value="(request\.\w+)"[^>]*checked', page.text)
    assert checked == [event.value for event in team_subscriptions.USUAL]
    assert "Posts to W1." in words(page)
    boss.post(f"/connections/{slug}/posts", {"events": ["request.viewed", "made.up"]})
    assert [
        event.value for event in look(lambda: team_subscriptions.posted_events(connection_id))
    ] == ["request.viewed"]
    assert "Changed the events that the connection Roof W1 posts" in words(boss.get("/activity"))
    assert "Document opened by a signer" in words(person(Role.VIEWER).get(f"/connections/{slug}"))


def test_a_place_that_was_moved_is_told_apart_from_what_the_settings_name(
    roof: Roof, look: Look[Any], person: Callable[..., Browser]
) -> None:
    one = roof("W1")
    boss = person(Role.ADMIN)
    assert "The destination changed" not in words(boss.get(f"/connections/{one.slug}"))
    look(transaction(lambda: setattr(db.session.get_one(Connection, one.id), "destination", "W2")))
    page = words(boss.get(f"/connections/{one.slug}"))
    assert "to W2" in page
    assert "The destination changed after the settings were saved" in page


def test_a_link_into_a_group_is_made_and_shown_once(
    roof: Roof, loft: Loft, person: Callable[..., Browser]
) -> None:
    slug = roof("").slug
    boss = person(Role.ADMIN)
    assert "No group is connected yet" in words(boss.get(f"/connections/{slug}"))
    made = boss.post(f"/connections/{slug}/invite")
    assert made.status_code == 200
    assert "https://flock.example/roof/" in made.text
    assert "https://flock.example/roof/" not in boss.get(f"/connections/{slug}").text


def test_one_is_sent_to_the_team_when_no_recipient_is_given(
    roof: Roof, loft: Loft, look: Look[Any], person: Callable[..., Browser]
) -> None:
    one = roof("W1")
    assert (
        person(Role.OPERATOR).post(f"/connections/{one.slug}/send", {"to": ""}).status_code == 303
    )
    look(deliver)
    assert [post.to for post in loft.flown] == ["W1"]


def test_without_a_place_a_recipient_is_asked_for(
    roof: Roof, loft: Loft, person: Callable[..., Browser]
) -> None:
    page = person(Role.OPERATOR).post(f"/connections/{roof('').slug}/send", {"to": ""})
    assert page.status_code == 422
    assert "Enter a recipient." in words(page)


# ── Behind the link ───────────────────────────────────────────────────────────────────────────────
def test_a_connection_that_is_called_otherwise_is_told_to_set_its_webhook_again(
    look: Look[Any], person: Callable[..., Browser]
) -> None:
    look(demo.connect_chats)
    boss = person(Role.ADMIN)
    page = boss.post(
        "/connections/demo-telegram/rename",
        {"title": "Our bot", "slug": "our-bot"},
        follow_redirects=True,
    )
    assert (
        "Telegram still sends its webhooks to the old address. Choose Set webhook below."
        in words(page)
    )
    again = boss.post(
        "/connections/our-bot/rename",
        {"title": "The bot", "slug": "our-bot"},
        follow_redirects=True,
    )
    assert "old address" not in words(again)


def test_a_chat_that_let_us_in_was_never_closed(
    look: Look[Any], roof: Roof, person: Callable[..., Browser]
) -> None:
    flock = roof("")

    def let_in() -> str:
        came = ChatPermission(wanted=True, address="778899", why="The person started the bot.")
        chat_membership.apply_membership(came, Origin("callback", [flock.id]), now())
        return contact_for("chat", "778899", test=True).id

    boss = person(Role.ADMIN)
    assert "Opted out" not in words(boss.get(f"/contacts/{look(let_in)}"))
    assert "778899" not in words(boss.get("/opt-outs?show=lifted"))


def test_the_demo_connects_chats_and_posts_what_is_usual(look: Look[Any]) -> None:
    look(demo.connect_chats)
    look(demo.connect_chats)

    def chats() -> dict[str, tuple[str, list[str]]]:
        found = db.session.scalars(select(Connection).where(Connection.channel == "chat"))
        return {
            one.slug: (one.destination, list(team_subscriptions.posted_events(one.id)))
            for one in found
        }

    assert sorted(look(chats)) == ["demo-microsoft-teams", "demo-slack", "demo-telegram"]
    assert all(
        place and told == list(team_subscriptions.USUAL) for place, told in look(chats).values()
    )


def test_a_channel_is_carried_by_the_first_that_reaches_whom_it_is_for(look: Look[Any]) -> None:
    look(demo.connect_chats)

    def carrier(to: str) -> str:
        message_id = direct.send_message(
            to=to, text="Your contract is ready.", channel="chat", test=True
        )
        return db.session.get_one(Message, message_id).connection.slug

    assert look(lambda: carrier("eric@acme.example")) == "demo-slack"
    assert look(lambda: carrier("778899")) == "demo-telegram"


# ── A destination that takes no posts ─────────────────────────────────────────────────────────────
def test_every_page_says_that_a_destination_is_paused_and_the_remedy_it_shows_works(
    roof: Roof, admin: Browser, loft: Loft, look: Look[Any]
) -> None:
    place = roof("T1")

    @transaction
    def fill_in() -> None:  # what its form, which asks for nothing, would store
        db.session.get_one(Connection, place.id).settings = {}

    look(fill_in)
    why = "The app was removed from the channel. Add it again in the channel’s settings."

    def refuse(outbound: Any) -> Any:
        raise DestinationUnavailable(why, "removed")

    loft.fly = refuse

    def post() -> str:
        accept.accept_event(
            EventIn.model_validate(an_event(signers=[a_signer("Eric", None)])),
            source_id(),
            test=True,
        )
        deliver()
        return db.session.scalars(select(Message.id).where(Message.thread != "")).one()

    message_id = look(post)
    pages = ("/", f"/connections/{place.slug}", f"/messages/{message_id}")
    for path in pages:
        page = words(admin.get(path))
        assert why in page, path
        assert "Test connection" in page, path
        assert "T1 are paused" in page, path
    assert "1 post is waiting" in words(admin.get("/"))
    assert "Posts paused" in words(admin.get(f"/connections/{place.slug}"))
    loft.fly = fly
    assert admin.post(f"/connections/{place.slug}", {"do": "test"}).status_code == 200
    look(deliver)
    for path in pages:
        assert "are paused" not in words(admin.get(path)), path
    assert look(lambda: db.session.get_one(Message, message_id).status) == "accepted"
