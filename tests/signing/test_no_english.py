"""Nothing that a signer reads is in English if the signer's language is another one."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files

import pytest
from flask import Flask
from sqlalchemy import select

from hub.admin.settings.branding import email_preview
from hub.admin.view import error_pages
from hub.connections import demo
from hub.core.vocabulary import Channel, EventType
from hub.db.engine import db
from hub.integrations.base import Outbound
from hub.integrations.branding import Branding
from hub.integrations.click_answers import click_answer
from hub.integrations.slack.integration import Slack
from hub.integrations.telegram.integration import Telegram
from hub.messaging.compose import render, text_values
from hub.models import Message, MessageBody
from hub.shared.sentences import LANGUAGES, sentence
from hub.shared.unsubscribe_links import unsubscribe_token
from hub.signing import cards, shipped_texts
from tests.conftest import Browser
from tests.hub_fixtures import ERIC, signer_body
from tests.hub_fixtures import hub_demo as hub_demo
from tests.integrations.telegram_updates import make_request
from tests.messaging.inbox.opt_out_steps import receive_text
from tests.public_texts import ENGLISH_WORDS, find_english, visible_text
from tests.signing.post_steps import post_event

OTHERS = sorted(set(LANGUAGES.values()) - {"en"})
VALUES = {
    "title": "Vertrag",
    "sender": "Acme",
    "signer": "Eric",
    "name": "Anna",
    "link": "https://a.example/1",
    "download_link": "https://a.example/2",
    "remaining": 2,
    "expiry_date": "2026-12-15",
    "names": ["Anna", "Eric", "Jan", "Ewa", "Ola"],
    "people": 5,
}


def toml_of(package: str, path: str) -> dict[str, object]:
    return tomllib.loads(files(package).joinpath(path).read_text("utf-8"))


def texts_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)
    else:
        yield str(value)


def test_english_words_are_found_in_every_english_sentence_of_a_file() -> None:
    """The test's own word list recognizes nearly all long sentences in English."""
    sentences = texts_in(toml_of("hub.shared", "sentence_files/en.toml"))
    long = [text for text in sentences if len(text.split()) > 4]
    assert sum(bool(ENGLISH_WORDS.search(text)) for text in long) > 0.9 * len(long)


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("locale", OTHERS)
def test_files_have_no_english_sentence(locale: str) -> None:
    language = locale.partition("-")[0]
    found = [
        toml_of("hub.shared", f"sentence_files/{locale}.toml"),
        toml_of("hub.signing", f"texts/{locale}.toml"),
        toml_of("hub.messaging.compose", "words.toml")[language],
        toml_of("hub.integrations", "click_answers.toml")[language],
        toml_of("hub.integrations.emails", "labels.toml")[language],
    ]
    for text in texts_in(dict(enumerate(found))):
        assert not find_english(text, locale), text


@pytest.mark.parametrize("locale", OTHERS)
def test_sentences_of_five_words_differ_from_the_english_ones(locale: str) -> None:
    english = toml_of("hub.shared", "sentence_files/en.toml")
    other = toml_of("hub.shared", f"sentence_files/{locale}.toml")
    equal = {key for key in english if english[key] == other[key]}
    assert not {key for key in equal if len(str(english[key]).split()) > 3}
    assert list(other) == list(english)


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("locale", OTHERS)
def test_filled_texts_and_emails_are_not_in_english(hub_demo: Flask, locale: str) -> None:
    show = email_preview()
    assert show is not None
    complete = text_values.add_stand_ins(VALUES, locale)
    unknown = text_values.add_stand_ins(
        {**VALUES, **dict.fromkeys(("title", "sender", "name"))}, locale
    )
    for shipped in shipped_texts.read_shipped_texts():
        if shipped.locale != locale:
            continue
        for values in (complete, unknown):
            version = render.find_version(shipped.name, shipped.channel, locale)
            filled = render.fill_version(version, values, locale)
            assert not find_english(f"{filled.subject}\n{filled.text}", locale)
            if shipped.channel == Channel.EMAIL:
                page = show(make_email(shipped.event_type, filled, locale))
                assert not find_english(visible_text(page), locale)


def make_email(event: EventType, filled: render.Rendered, locale: str) -> Outbound:
    return Outbound(
        id="msg_1",
        attempt=1,
        to="eric@example.com",
        subject=filled.subject,
        text=filled.text,
        buttons=cards.signer_buttons(event, VALUES),
        locale=locale,
        sender_name="Acme",
        branding=Branding("Acme", "#123456", "Acme GmbH", "support@acme.example"),
        reminds=event == EventType.REMINDER,
        unsubscribe_url="https://a.example/u/1",
    )


@pytest.mark.parametrize("locale", OTHERS)
def test_first_sms_and_replies_to_keywords_are_not_in_english(hub_demo: Flask, locale: str) -> None:
    post_event(signers=[signer_body("Eric", ERIC, locale=locale)])
    receive_text(hub_demo, "HELP", channel="")
    receive_text(hub_demo, "STOP", channel="")
    bodies = [body.content["text"] for body in db.session.scalars(select(MessageBody))]
    first = next(text for text in bodies if "STOP" in text and "\n" in text)
    assert first.endswith("\n" + sentence("opt_out_line", locale))
    assert len(bodies) == 3
    for text in bodies:
        shown = re.sub(r"“[^”]*”|\"[^\"]*\"|Twilio\S*|Demo[^:]*", " ", text)
        assert not find_english(shown, locale), text


# ── Clicks ────────────────────────────────────────────────────────────────────────────────────────
def click(language: str = "", locale: str = "en") -> tuple[str, str]:
    """Return the answers of Telegram's bot to a click of its own button and of a foreign one."""
    person = {"id": 1, "is_bot": False, "first_name": "Eric"}
    if language:
        person["language_code"] = language
    query = {"id": "77", "from": person, "data": "tok"}
    request = make_request({"update_id": 1, "callback_query": query})
    object.__setattr__(request, "locale", locale)
    answers = (Telegram.webhook_response(request, True), Telegram.foreign_click_response(request))
    received, foreign = (str(json.loads(body)["text"]) for _, body in answers)
    return received, foreign


@pytest.mark.parametrize("locale", OTHERS)
def test_answers_to_clicks_are_in_the_language_of_the_person_or_the_hub(locale: str) -> None:
    expected = (click_answer("received", locale), click_answer("foreign", locale))
    assert click(language=locale) == click(locale=locale) == expected
    assert click(language=locale.lower(), locale="en") == expected
    assert click(language="sv", locale=locale) == expected
    assert not find_english(" ".join(expected), locale)


def test_click_of_a_person_whose_language_is_unknown_is_answered_in_english() -> None:
    assert (
        click(language="sv")[1] == "This button does not belong to Signpost. Nothing was changed."
    )
    assert click(language="x" * 5000) == click()


@pytest.mark.parametrize("locale", OTHERS)
def test_slack_answers_a_foreign_click_in_the_language_of_the_hub(locale: str) -> None:
    request = make_request({})
    object.__setattr__(request, "locale", locale)
    answer = json.loads(Slack.foreign_click_response(request)[1])
    assert answer["text"] == click_answer("foreign", locale)


# ── Pages ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("locale", OTHERS)
@pytest.mark.parametrize("path", ["/u/x", "/a/x"])
def test_errors_of_pages_of_links_are_not_in_english(app: Flask, locale: str, path: str) -> None:
    for status in (400, 403, 404, 405, 413, 418, 429, 500, 502, 503):
        for reason in ("", error_pages.STORED_ANYWAY, "Some reason."):
            with app.test_request_context(path, headers={"Accept-Language": locale}):
                response = error_pages.page(
                    status, reason=reason, request_id="abc123", retry_after=7
                )
                page = response.get_data(as_text=True)
            assert response.status_code == status
            assert f'<html lang="{locale}">' in page
            assert not find_english(visible_text(page), locale)


@pytest.mark.parametrize("locale", OTHERS)
def test_errors_over_http_are_not_in_english(hub_demo: Flask, locale: str) -> None:
    client = hub_demo.test_client()
    headers = {"Accept-Language": f"{locale},en;q=0.5"}
    email = email_to(locale)
    limited = [client.get(f"/u/{number:043}", headers=headers) for number in range(21)]
    pages = {
        404: [limited[0], client.get("/a/x", headers=headers), client.get("/x/y", headers=headers)],
        429: [limited[-1]],
        400: [client.post("/a/x", data={}, headers=headers)],
        413: [client.post("/a/x", data={"who": "x" * 300_000}, headers=headers)],
    }
    for status, responses in pages.items():
        for response in responses:
            assert response.status_code == status
            assert f'<html lang="{locale}">' in response.text
            assert not find_english(visible_text(response.text), locale)
    assert email


def email_to(locale: str) -> str:
    """Send a request by email, and return the ID of the message."""
    demo.connect_chats_and_mail()
    post_event(signers=[signer_body("Eric", None, email="eric@example.com", locale=locale)])
    return db.session.scalars(select(Message).where(Message.channel == "email")).one().id


@pytest.mark.parametrize("locale", OTHERS)
def test_unsubscribe_page_is_not_in_english(hub_demo: Flask, locale: str) -> None:
    client = hub_demo.test_client()
    path = f"/u/{unsubscribe_token(email_to(locale))}"
    for page in (
        client.get(path),
        client.post(path, data={}),
        client.post(path, data={"List-Unsubscribe": "One-Click"}),
    ):
        assert not find_english(visible_text(page.text), locale)


def test_signed_in_user_and_english_readers_get_the_usual_error_pages(
    app: Flask, admin: Browser
) -> None:
    german = {"Accept-Language": "de"}
    assert "Go to the overview" in admin.get("/nothing/here", headers=german).text
    english = app.test_client().get("/nothing/here", headers={"Accept-Language": "en"}).text
    assert "Go to the overview" in english
    assert "Seite nicht gefunden" in app.test_client().get("/nothing/here", headers=german).text
    assert "You do not have access" not in app.test_client().get("/sign-in", headers=german).text
