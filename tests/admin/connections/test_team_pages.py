"""Pages of team posts: chosen at the connection, listed with the request, with action links."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from hub.connections import demo
from hub.core.errors import DestinationUnavailable
from hub.core.vocabulary import Role, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import ChatPermission
from hub.messaging.compose import direct
from hub.messaging.contacts import chats
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.inbox import chat_membership
from hub.messaging.track.statuses import Origin
from hub.models import Action, Connection, Message, Signer, SigningRequest
from hub.signing import accept, chat_invitations, team_subscriptions
from hub.signing.events import EventIn
from tests.conftest import Browser
from tests.fake_provider import Loft
from tests.fake_provider import loft as loft
from tests.hub_fixtures import a_signer, an_event, deliver, source_id
from tests.team_connections import connect, fly

T = TypeVar("T")
Look = Callable[[Callable[[], T]], T]


def words(page: TestResponse) -> str:
    """Return what a page says, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


@dataclass
class Place:
    """A connection, as far as these tests need it."""

    id: str
    slug: str


Roof = Callable[[str], Place]


@pytest.fixture
def look(app: Flask) -> Look[Any]:
    """Give a function that asks the hub something apart from every request."""

    def ask(question: Callable[[], T]) -> T:
        with app.app_context():
            return question()

    return ask


@pytest.fixture
def roof(app: Flask, loft: Loft, look: Look[Any]) -> Roof:
    """Connect a place where a team looks, beside the demo's phones."""
    loft.fly = fly
    look(demo.prepare)

    def made(place: str) -> Place:
        one = db.session.get_one(Connection, connect(place))
        return Place(one.id, one.slug)

    return lambda place: look(lambda: made(place))


@pytest.fixture
def request_id(roof: Roof, look: Look[Any], monkeypatch: pytest.MonkeyPatch) -> str:
    """Send a document to Eric, and let the team read it."""
    roof("W1")

    def send() -> str:
        accept.accept_event(
            EventIn.model_validate(an_event(signers=[a_signer("Eric")])), source_id(), test=True
        )
        deliver()
        return db.session.scalars(select(SigningRequest.id)).one()

    return str(look(send))


@pytest.fixture
def signer(request_id: str, look: Look[Any]) -> Callable[[], Signer]:
    """Give a function that reads the one signer."""
    return lambda: look(lambda: db.session.scalars(select(Signer)).one())


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
    look(transaction(lambda: setattr(db.session.get_one(Connection, one.id), "place", "W2")))
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


# ── With the request ──────────────────────────────────────────────────────────────────────────────
def test_the_request_shows_what_was_posted(
    request_id: str, loft: Loft, person: Callable[..., Browser]
) -> None:
    page = words(person(Role.VIEWER).get(f"/requests/{request_id}"))
    assert "Posted to the team" in page
    assert 'Acme HR sent "Employment Agreement" to Eric for signature.' in page


def test_a_signer_is_reminded_snoozed_and_woken(
    request_id: str, signer: Callable[[], Signer], person: Callable[..., Browser]
) -> None:
    operator = person(Role.OPERATOR)
    here = f"/requests/{request_id}/signers/{signer().id}"
    operator.post(f"{here}/remind")
    assert signer().reminders == 1
    operator.post(f"{here}/snooze")
    assert signer().snoozed_until is not None
    page = words(operator.get(f"/requests/{request_id}"))
    assert "Reminders snoozed until" in page
    assert "Reminders snoozed until" in page
    operator.post(f"{here}/remind")
    assert "snoozed until" in words(operator.get(f"/requests/{request_id}"))
    assert signer().reminders == 1
    operator.post(f"{here}/unsnooze")
    assert signer().snoozed_until is None
    assert operator.post(f"{here}/explode").status_code == 404


def test_a_signers_link_is_shown_to_who_made_it(
    request_id: str, signer: Callable[[], Signer], person: Callable[..., Browser]
) -> None:
    operator = person(Role.OPERATOR)
    made = operator.post(f"/requests/{request_id}/signers/{signer().id}/invite")
    assert re.search(r"https://flock\.example/nest/[A-Za-z0-9_-]{43}", made.text)
    assert "Give this link only to Eric" in words(made)
    assert "Created a link that invites a signer of Employment Agreement to a chat" in words(
        operator.get("/activity")
    )


def test_the_message_shows_its_card_and_what_it_changes(
    request_id: str, look: Look[Any], person: Callable[..., Browser]
) -> None:
    message_id = look(
        lambda: db.session.scalars(select(Message.id).where(Message.thread != "")).one()
    )
    page = words(person(Role.VIEWER).get(f"/messages/{message_id}"))
    assert "Message to the team" in page
    assert "0 of 1 signed" in page
    assert "Buttons: Open in Signpost Remind Eric Snooze a day" in page


def test_what_nobody_reports_on_is_not_on_the_way(
    request_id: str, look: Look[Any], person: Callable[..., Browser]
) -> None:
    post, sms = (
        look(lambda kind=kind: db.session.scalars(select(Message.id).where(kind)).one())
        for kind in (Message.thread != "", Message.thread == "")
    )
    operator = person(Role.OPERATOR)
    listed = operator.get("/messages?show=way").text
    assert (sms in listed, post in listed) == (True, False)
    assert (
        sms in (found := operator.get(f"/messages?show=way&q={request_id}").text),
        post in found,
    ) == (True, False)
    overview = words(operator.get("/"))
    assert "2 1 in progress" in overview
    assert "No delivery reports" in overview
    page = operator.get(f"/messages/{post}")
    assert "This provider does not report delivery." in words(page)
    assert operator.post(f"/messages/{post}/resend").status_code == 303
    assert look(
        lambda: db.session.scalars(select(Message.id).where(Message.after_id == post)).one()
    )


def test_changes_of_a_post_are_told_apart_from_posts(
    roof: Roof, loft: Loft, look: Look[Any], person: Callable[..., Browser]
) -> None:
    roof("T1")
    loft.fly = lambda outbound: replace(fly(outbound), status=Status.DELIVERED)

    def happen(kind: str) -> str:
        signers = [a_signer("Eric"), a_signer("Anna", "+442071234567")]
        more = {"signer": {"id": "eric"}} if kind == "request.signed" else {"signers": signers}
        accept.accept_event(EventIn.model_validate(an_event(kind, **more)), source_id(), test=True)
        deliver()
        while db.session.scalar(
            select(Message.id).where(Message.status == Status.QUEUED, Message.thread != "").limit(1)
        ):
            time.sleep(0.1)  # of one thread they go one at a time, a second apart
            deliver()
        return db.session.scalars(select(SigningRequest.id)).one()

    look(lambda: happen("request.sent"))
    here = f"/requests/{look(lambda: happen('request.signed'))}"
    viewer = person(Role.VIEWER)
    assert words(viewer.get("/messages?channel=chat")).count(" Change ") == 1
    assert "Post updated once, last" in words(viewer.get(here))
    assert "Updates an earlier post" not in viewer.get(here).text


def test_a_signer_whose_chat_is_known_is_shown_so(
    request_id: str, signer: Callable[[], Signer], look: Look[Any], person: Callable[..., Browser]
) -> None:
    operator = person(Role.OPERATOR)
    assert "Invite to a chat" in words(operator.get(f"/requests/{request_id}"))

    def link() -> None:
        one, flock = (
            db.session.scalars(select(Signer)).one(),
            db.session.scalars(select(Connection).where(Connection.place == "W1")).one(),
        )
        chats.link_chat(
            flock.id,
            one.request.source_id,
            chat_invitations._addresses(one),
            contact_for("chat", "778899", test=True).id,
        )

    look(link)
    page = words(operator.get(f"/requests/{request_id}"))
    assert "Roof W1 sends messages to their chat." in page
    assert "Invite to another chat" in page


def test_why_a_signer_was_not_reached_stands_with_the_request(
    roof: Roof, look: Look[Any], person: Callable[..., Browser]
) -> None:
    def send() -> str:
        accept.accept_event(
            EventIn.model_validate(an_event(signers=[a_signer("Eric")])), source_id(), test=True
        )
        transaction(
            lambda: db.session.execute(
                update(Message).values(status=Status.UNDELIVERED, code="30005", due_at=None)
            )
        )()
        return db.session.scalars(select(SigningRequest.id)).one()

    page = words(person(Role.VIEWER).get(f"/requests/{look(send)}"))
    assert re.search(r"Undelivered .* \(30005\)", page)


def test_after_the_end_nobody_can_be_reminded_and_the_page_says_why(
    request_id: str, signer: Callable[[], Signer], look: Look[Any], person: Callable[..., Browser]
) -> None:
    end = update(SigningRequest).values(expires_at=now() - timedelta(minutes=1))
    look(transaction(lambda: db.session.execute(end)))
    operator = person(Role.OPERATOR)
    here = f"/requests/{request_id}"
    page = operator.get(here)
    assert "The request has expired. 1 signature is missing. No more reminders are sent." in words(
        page
    )
    assert f"{here}/remind" not in page.text
    assert "/snooze" not in page.text
    assert "Invite to a chat" in words(page), "that asks nobody to sign"
    for path in ("remind", f"signers/{signer().id}/remind", f"signers/{signer().id}/snooze"):
        assert operator.post(f"{here}/{path}").status_code == 303
        assert "The request expired on " in words(operator.get(here))


# ── Behind the link ───────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def link(request_id: str, loft: Loft) -> str:
    """Return the address behind the Remind button."""
    url = next(button.url for button in loft.flown[-1].buttons if button.text == "Remind Eric")
    return "/a/" + url.rpartition("/")[2]


def test_to_look_at_a_link_does_nothing(
    link: str, client: Any, signer: Callable[[], Signer]
) -> None:
    for _ in range(3):
        page = client.get(link)
        assert page.status_code == 200
        assert client.head(link).status_code == 200
    assert "Remind Eric?" in words(page)
    assert (page.headers["X-Robots-Tag"], page.headers["Referrer-Policy"]) == (
        "noindex",
        "same-origin",
    )
    assert signer().reminders == 0


def test_it_acts_when_it_is_asked_to_and_once(
    link: str, app: Flask, signer: Callable[[], Signer]
) -> None:
    nobody = Browser(app)
    done = nobody.post(link, {"who": "  Dana   Whitfield "})
    assert "Dana Whitfield (through the link) reminded Eric" in words(done)
    assert "Done." in words(done)
    assert signer().reminders == 1
    again = nobody.post(link, {"who": "Tom"})
    assert "Already done." in words(again)
    assert "Dana Whitfield (through the link) reminded Eric" in words(again)
    assert signer().reminders == 1


def test_who_is_signed_in_need_not_say_who_they_are(
    link: str, look: Look[Any], person: Callable[..., Browser]
) -> None:
    viewer = person(Role.VIEWER)
    assert "Your name" not in words(viewer.get(link))
    viewer.post(link)
    who = look(
        lambda: db.session.scalars(select(Action.used_by).where(Action.used_at.is_not(None))).one()
    )
    assert who == "Some Viewer"


def test_a_post_without_its_token_is_refused(
    link: str, client: Any, signer: Callable[[], Signer]
) -> None:
    assert client.post(link, data={"who": "x"}).status_code == 400
    assert signer().reminders == 0


def test_an_old_link_says_so(link: str, client: Any) -> None:
    with time_machine.travel(now() + timedelta(days=31)):
        page = client.get(link)
    assert page.status_code == 410
    assert "This link has expired." in words(page)


def test_a_link_that_was_cut_leads_to_nothing(client: Any) -> None:
    for path in ("/a/x", "/a/" + "A" * 43):
        page = client.get(path)
        assert page.status_code == 404
        assert "This link is not valid." in words(page)


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
            one.slug: (one.place, list(team_subscriptions.posted_events(one.id))) for one in found
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
