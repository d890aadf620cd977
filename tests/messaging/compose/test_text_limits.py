"""Texts fit the limits of providers: titles are shortened, links never."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub import integrations
from hub.db.engine import db
from hub.db.types import new_id
from hub.integrations.base import Button, Card, Integration, Outbound
from hub.lib.text import graphemes, is_gsm_text, utf16_length
from hub.messaging.compose import fitting, provider_templates, render
from hub.models import Message, MessageBody, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from hub.signing.reminders import remind
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import OPT_OUT_LINE, SigningApp, event_body, json_of, signer_body, source_id
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
from tests.integrations.instances import instance, senders, valid_address
from tests.short_link_steps import send_long_links

quick = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
letters = st.sampled_from(["a", "é", "€", "שׁ", "👍🏽", "👨‍👩‍👧", "*", "<", "&", " ", "字"])
texts = st.tuples(letters, st.integers(0, 500)).map(lambda pair: (pair[0] * pair[1])[:500])
links = st.integers(0, 1975).map(lambda n: "https://sign.example/" + "x" * n)


@pytest.fixture(autouse=True)
def _long_links(hub_demo: Flask) -> None:
    send_long_links()


def sent_text(message_id: str) -> str:
    """Return the text of a message without an opt-out line."""
    db.session.rollback()
    text = str(db.session.get_one(MessageBody, message_id.partition("_")[2]).content["text"])
    return text.removesuffix(OPT_OUT_LINE)


def make_event(title: str, sender: str, link: str, name: str = "agr-1") -> dict[str, Any]:
    event = event_body(signers=[signer_body("Eric", signing_url=link)])
    event["request"] = {"id": name, "title": title, "sender": {"name": sender}}
    return event


# ── SMS ───────────────────────────────────────────────────────────────────────────────────────────
@quick
@given(texts, texts, links)
def test_sms_contains_its_whole_link_or_is_skipped(
    signing_app: SigningApp, title: str, sender: str, link: str
) -> None:
    answer = json_of(signing_app.post("/events", make_event(title, sender, link, new_id("x"))))
    if answer["messages"]:
        sent = sent_text(answer["messages"][0]["id"])
        assert utf16_length(sent) <= 1600
        assert sent.endswith(link)
        assert answer["skipped"] == []
    else:
        [skipped] = answer["skipped"]
        assert (skipped["signer"], skipped["step"], skipped["reason"]) == (
            "eric",
            "sms",
            "too_long",
        )
        assert skipped["text"].endswith(".")
        assert (
            utf16_length(
                f'You\'ve been sent "" by {sender or "somebody"}. Please review & sign: {link}'
            )
            > 1595 - 40
        )


def test_title_is_cut_between_characters_and_only_as_needed(
    signing_app: SigningApp,
) -> None:
    link = "https://sign.example/" + "x" * 1379
    answer = json_of(signing_app.post("/events", make_event("👨‍👩‍👧" * 100, "Acme", link)))
    sent = sent_text(answer["messages"][0]["id"])
    title = sent.partition('"')[2].partition('"')[0]
    assert title == "👨‍👩‍👧" * (len(title) // 5) + "…"
    assert 1600 - 8 < utf16_length(sent) <= 1600
    assert list(graphemes(title))[:-1] == ["👨‍👩‍👧"] * (len(title) // 5)


def test_shortened_title_keeps_an_sms_in_seven_bits(signing_app: SigningApp) -> None:
    link = "https://sign.example/" + "x" * 1400
    answer = json_of(
        signing_app.post("/events", make_event("Employment agreement " * 20, "Acme", link))
    )
    sent = sent_text(answer["messages"][0]["id"])
    assert is_gsm_text(sent)
    assert '..." by Acme' in sent


def test_text_within_the_limit_is_unchanged(signing_app: SigningApp) -> None:
    title = "T" * 200
    answer = json_of(
        signing_app.post("/events", make_event(title, "Acme", "https://sign.example/1"))
    )
    assert f'"{title}"' in sent_text(answer["messages"][0]["id"])


def test_overlong_reminder_is_reported_and_not_posted_to_the_team(signing_app: SigningApp) -> None:
    link = "https://sign.example/" + "x" * 1979
    first = json_of(signing_app.post("/events", make_event("Title", "Acme", link)))
    assert first["messages"] == []
    answer = remind(db.session.scalars(select(SigningRequest.id)).one())
    assert answer["messages"] == []
    assert {skipped_step["reason"] for skipped_step in answer["skipped"]} == {"too_long"}
    response = json_of(signing_app.post("/events", make_event("Title", "Acme", link)))
    assert response["skipped"][0]["reason"] == "too_long"
    assert db.session.scalars(select(Message)).all() == []


# ── Every integration ─────────────────────────────────────────────────────────────────────────────
def flatten(payload: Any) -> str:
    return html.unescape(json.dumps(payload, ensure_ascii=False)).replace("\u034f", "")


@senders
@quick
@given(title=texts, sender=texts, n=st.integers(0, 1979))
def test_rendered_text_never_cuts_its_link(
    cls: type[Integration], hub_demo: Flask, title: str, sender: str, n: int
) -> None:
    link = "https://sign.example/" + "x" * n
    values = {
        "title": title,
        "sender": sender,
        "link": link,
        "name": "",
        "signer": "",
        "download_link": "",
        "remaining": 1,
    }
    try:
        rendered = render.render_within(
            cls, cls.max_length, "request_sent", cls.channel, "en", values
        )
    except fitting.TooLong:
        assert cls.max_length < 5000
        return
    assert cls.length_of(rendered.text) <= cls.max_length
    payload = instance(cls).render(
        Outbound(id=new_id("msg"), attempt=1, to=valid_address(cls), text=rendered.text)
    )
    is_spoken = cls.channel == "voice"
    assert (link in flatten(payload)) is not is_spoken, "a call reads no link aloud"


@pytest.mark.parametrize(
    "cls",
    [chat for chat in integrations.registry().values() if chat.channel == "chat"],
    ids=lambda case: case.name,
)
@quick
@given(title=texts, name=texts, n=st.integers(0, 1979))
def test_card_never_cuts_the_link_of_its_text(
    cls: type[Integration], hub_demo: Flask, title: str, name: str, n: int
) -> None:
    link = "https://sign.example/" + "x" * n
    size_limit = cls.max_post_length or cls.max_length * 3 // 4
    text = f"“{title}” is complete: {link}"
    if cls.length_of(text) > size_limit:
        return
    card = Card(
        title, tuple((name, "Has not signed, reminded 3 times") for _ in range(8)), (name, title)
    )
    buttons = (
        Button("Open document", link),
        Button("Remind", "https://hub.example/a/" + "t" * 43, "t" * 43),
    )
    payload = instance(cls).render(
        Outbound(
            id=new_id("msg"),
            attempt=1,
            to=valid_address(cls),
            text=text,
            card=card,
            buttons=buttons,
        )
    )
    pieces = [text_piece for text_piece in walk(payload) if "is complete:" in text_piece]
    assert any(link in html.unescape(piece) for piece in pieces)


def walk(payload: Any) -> list[str]:
    if isinstance(payload, dict):
        return [part for value in payload.values() for part in walk(value)]
    if isinstance(payload, list | tuple):
        return [part for value in payload for part in walk(value)]
    return [payload] if isinstance(payload, str) else []


# ── Approved templates ────────────────────────────────────────────────────────────────────────────
@quick
@given(texts, texts, st.integers(0, 1200))
def test_filled_template_is_within_its_limit_or_too_long(title: str, sender: str, n: int) -> None:
    cls = integrations.get("whatsapp")
    link = "https://sign.example/" + "x" * n
    mapped = provider_templates.MappedTemplate(
        "HX1",
        {"1": "title", "2": "sender", "3": "link"},
        'You got "{{1}}" from {{2}}. Sign: {{3}} Thank you.',
    )
    values = {"title": title, "sender": sender, "link": link}
    try:
        filled = fitting.fit_text(
            cls, values, mapped.fill, mapped.render_text, cls.max_template_length
        )
    except fitting.TooLong:
        assert utf16_length(link) + utf16_length(sender) > 900
        return
    assert cls.length_of(mapped.render_text(filled)) <= 1024
    assert filled.variables["3"] == link
    assert filled.variables["1"]


# ── Direct messages ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        ("x" * 1600, True),
        ("x" * 1601, False),
        ("🎉" * 800, True),
        ("🎉" * 801, False),
        ("é" * 1600, True),
    ],
)
def test_direct_message_is_measured_as_the_provider_counts(
    signing_app: SigningApp, text: str, is_accepted: bool
) -> None:
    answer = signing_app.post("/messages", {"to": "+13175551234", "channel": "sms", "text": text})
    if is_accepted:
        assert answer.status_code == 202
    else:
        assert (answer.status_code, answer.json["code"], answer.json["field"]) == (
            422,
            "text_too_long",
            "text",
        )
        assert "at most 1,600" in answer.json["detail"]


def test_page_explains_why_a_signer_was_not_notified(hub_demo: Flask, admin: Browser) -> None:
    event = make_event("Title", "Acme", "https://sign.example/" + "x" * 1979)
    accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    request_id = db.session.scalars(select(SigningRequest.id)).one()
    page = admin.get(f"/requests/{request_id}").text
    assert "longer than the channel allows" in page
