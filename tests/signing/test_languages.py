"""Posts, chats, replies and pages in the language of their reader."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import select

from hub.accounts import sources
from hub.connections import demo
from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import ChatLinked
from hub.messaging.inbox import opt_out
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message, Source
from hub.shared.sentences import LANGUAGES, sentence
from hub.shared.unsubscribe_links import unsubscribe_token
from hub.signing import button_actions, chat_invitations
from tests.conftest import Browser
from tests.fake_provider import FakeProvider
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import deliver, signer_body, source_id
from tests.hub_fixtures import hub_demo as hub_demo
from tests.messaging.inbox.opt_out_steps import receive_text
from tests.signing.conftest import connect_team as connect_team
from tests.signing.post_steps import (
    ConnectTeam,
    button_token,
    card_facts,
    deliver_posts,
    load_request,
    post_event,
)

TEAM = "E1"
CHAT = "chat-eric"
OTHERS = sorted(set(LANGUAGES.values()) - {"en"})


def choose_language(app: Flask, locale: str) -> None:
    slug = db.session.scalars(select(Source.slug).where(Source.id == source_id())).one()
    sources.set_language(slug, locale)
    app.extensions.pop("hub.cached", None)


# ── Posts to a team ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("locale", OTHERS)
def test_post_and_its_buttons_are_in_the_language_of_the_source(
    connect_team: ConnectTeam, fake_provider: FakeProvider, hub_demo: Flask, locale: str
) -> None:
    connect_team(TEAM)
    choose_language(hub_demo, locale)
    post_event(signers=[signer_body("Eric", locale="en")])
    [post] = deliver_posts(fake_provider, TEAM)
    facts = card_facts(post)
    assert list(facts)[:2] == [sentence("status", locale), sentence("sent_by", locale)]
    assert facts["Eric"] == sentence("signer_pending", locale)
    assert "for signature" not in post.text
    assert [button.text for button in post.buttons] == [
        sentence("open_in_signpost", locale),
        sentence("remind", locale, name="Eric"),
        sentence("snooze", locale),
    ]
    token = button_token(post, sentence("remind", locale, name="Eric"))
    button_actions.perform_action(token, "Dana")
    edit = deliver_posts(fake_provider, TEAM)[-1]
    assert edit.card is not None
    expected = sentence("remind_done", locale, who="Dana", names="Eric")
    assert edit.card.notes[0].startswith(f"{expected} · ")
    assert not re.search("reminded|Not signed", f"{edit.card}")


def test_post_without_a_language_of_the_source_is_in_the_default_language(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team(TEAM)
    post_event(signers=[signer_body("Eric", locale="de")])
    [post] = deliver_posts(fake_provider, TEAM)
    assert card_facts(post)["Status"] == "0 of 1 signed"


def test_only_languages_with_sentences_can_be_chosen(hub_demo: Flask) -> None:
    with pytest.raises(Refused) as refusal:
        choose_language(hub_demo, "it")
    assert refusal.value.field == "locale"


# ── Chats ─────────────────────────────────────────────────────────────────────────────────────────
def open_link(connection: Connection, token: str, chat: str = CHAT) -> None:
    opened = ChatLinked(token=token, address=chat, name="Eric")
    chat_invitations.link_chat(opened, Origin("callback", [connection.id]), now())


@pytest.mark.parametrize("locale", OTHERS)
def test_welcome_in_a_chat_is_in_the_language_of_the_signer(
    connect_team: ConnectTeam, fake_provider: FakeProvider, locale: str
) -> None:
    team_chat = connect_team("")
    post_event(signers=[signer_body("Eric", locale=locale)])
    link = chat_invitations.invite(load_request().id, "eric").url
    open_link(team_chat, link.rpartition("/")[2])
    deliver()
    text = next(message.text for message in fake_provider.sent if message.to == CHAT)
    title = "Employment Agreement"
    url = "https://sign.example/r/eric"
    assert text.split("\n\n") == [
        sentence("welcome", locale, sender="Acme HR"),
        sentence("waiting", locale, title=title, link=url),
    ]
    open_link(team_chat, link.rpartition("/")[2], "666")
    deliver()
    assert fake_provider.sent[-1].text == sentence("link_void", locale)


# ── Replies to keywords ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("locale", OTHERS)
def test_replies_to_keywords_are_in_the_language_of_the_last_text(
    hub_demo: Flask, locale: str
) -> None:
    post_event(signers=[signer_body("Eric", locale=locale)])
    message = db.session.scalars(select(Message).order_by(Message.id)).first()
    assert message is not None
    language = opt_out._language_of(message.contact.recipient)
    assert sentence("opted_out", language) == sentence("opted_out", locale)
    shown = opt_out.help_text(message.connection_id, language)
    assert shown == sentence("help_text", locale, connection=message.connection.title)


def test_reply_to_a_stranger_is_in_the_default_language(hub_demo: Flask) -> None:
    demo.connect_chats_and_mail()
    receive_text(hub_demo, "STOP", "whatsapp:")
    message = db.session.scalars(select(Message)).first()
    if message is not None:
        assert opt_out._language_of(message.contact.recipient) == "en"


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────
def email_to(locale: str) -> str:
    """Send a request by email, and return the ID of the message."""
    demo.connect_chats_and_mail()
    post_event(signers=[signer_body("Eric", None, email="eric@example.com", locale=locale)])
    query = select(Message).where(Message.channel == "email")
    return db.session.scalars(query).one().id


@pytest.mark.parametrize("locale", OTHERS)
def test_unsubscribe_page_is_in_the_language_of_the_message(hub_demo: Flask, locale: str) -> None:
    path = f"/u/{unsubscribe_token(email_to(locale))}"
    client = hub_demo.test_client()
    page = client.get(path, headers={"Accept-Language": "en"}).text
    assert f'<html lang="{locale}">' in page
    assert sentence("unsubscribe_button", locale) in page
    done = client.post(path, data={"List-Unsubscribe": "One-Click"}).text
    assert "eric@example.com" in done
    assert not re.search("Signpost<|receives no more|Unsubscribe\\b", done)


def test_page_of_an_invalid_link_is_in_the_language_of_the_browser(hub_demo: Flask) -> None:
    client = hub_demo.test_client()
    for language, locale in (("fr-CA,en;q=0.5", "fr"), ("sv", "en"), ("pt", "pt-BR")):
        page = client.get("/u/nothing", headers={"Accept-Language": language})
        assert page.status_code == 404
        assert f'<html lang="{locale}">' in page.text


@pytest.mark.parametrize("locale", OTHERS)
def test_action_page_is_in_the_language_of_the_source(
    connect_team: ConnectTeam, fake_provider: FakeProvider, hub_demo: Flask, locale: str
) -> None:
    connect_team(TEAM)
    choose_language(hub_demo, locale)
    post_event(signers=[signer_body("Eric")])
    [post] = deliver_posts(fake_provider, TEAM)
    token = button_token(post, sentence("remind", locale, name="Eric"))
    nobody = Browser(hub_demo)
    page = nobody.get(f"/a/{token}").text
    for key in ("effect_remind", "your_name", "your_name_help"):
        assert sentence(key, locale).replace("'", "&#39;") in page
    assert sentence("action_remind", locale, names="Eric") in page
    too_long = nobody.post(f"/a/{token}", {"who": "x" * 61})
    assert sentence("name_too_long", locale, count=60).replace("'", "&#39;") in too_long.text
    done = nobody.post(f"/a/{token}", {"who": "Dana"}).text
    assert sentence("done_title", locale).replace("'", "&#39;") in done
    assert sentence("through_the_link", locale, name="Dana") in done
    assert not re.search("Done<|Optional|tried|Signpost sends", done)


def test_admin_chooses_the_language_of_a_source(admin: Browser) -> None:
    fields = {"name": "Acme", "locale": "fr"}
    assert admin.post("/settings/sources/default", fields).status_code == 303
    page = admin.get("/settings/sources/default").text
    assert '<option selected value="fr">French</option>' in page
    assert admin.post("/settings/sources/default", fields | {"locale": "it"}).status_code == 422
    assert admin.post("/settings/sources/default", {"name": "Acme"}).status_code == 303
    assert '<option selected value="fr">' in admin.get("/settings/sources/default").text
