"""Text from outside cannot change the text around it or the request to a provider."""

from __future__ import annotations

import json
import unicodedata
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.db.engine import db
from hub.db.types import new_id
from hub.integrations.base import Button, Card, FilledTemplate, Integration, Outbound
from hub.lib import text
from hub.messaging.compose import media
from hub.models import MessageBody
from tests.effort import examples
from tests.hub_fixtures import OPT_OUT_LINE, SigningApp, event_body, signer_body
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
from tests.integrations.instances import instance, senders, valid_address
from tests.short_link_steps import with_targets

OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
BREAKS = "\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029"
NASTY = OVERRIDES + BREAKS + "\0\x07\x1b\x7f\x9b\ufffe\ud83d\udc00\t\u200e\u200f\u061c\u200d\u0301"
anything = st.text(st.one_of(st.characters(), st.sampled_from(NASTY + "aא5 .")), max_size=60)
quick = settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def unsafe_characters(text: str) -> set[str]:
    """Return the characters that affect surrounding text, except paired isolates."""
    depth = 0
    unsafe = set()
    for char in text:
        if char == "\u2068":
            depth += 1
        elif char == "\u2069":
            depth -= 1
        elif char in OVERRIDES or (
            unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\t"
        ):
            unsafe.add(char)
        if depth < 0 or (char == "\n" and depth):
            unsafe.add("unpaired")
    return unsafe | ({"unpaired"} if depth else set())


def texts_in(payload: Any) -> list[str]:
    if isinstance(payload, dict):
        return [string for value in payload.values() for string in texts_in(value)]
    if isinstance(payload, list | tuple):
        return [string for value in payload for string in texts_in(value)]
    if isinstance(payload, str) and payload.startswith('{"'):
        with suppress(ValueError):  # variables of a template
            return texts_in(json.loads(payload))
    return [payload] if isinstance(payload, str) else []


# ── Texts and values ──────────────────────────────────────────────────────────────────────────────
@settings(max_examples=examples(400), deadline=None)
@given(anything)
def test_readable_text_is_safe_and_stable(given_text: str) -> None:
    readable = text.readable(given_text)
    assert not unsafe_characters(readable)
    assert text.readable(readable) == readable
    readable.encode()


@settings(max_examples=examples(400), deadline=None)
@given(anything)
def test_value_is_one_line_without_direction_controls(value: str) -> None:
    line = text.clean_line(value)
    assert not unsafe_characters(line)
    assert not set(line) & set(OVERRIDES + BREAKS + "\t")
    assert len(line.splitlines()) <= 1
    assert text.clean_line(line) == line


@settings(max_examples=examples(300), deadline=None)
@given(anything)
def test_isolated_value_has_its_own_direction(value: str) -> None:
    isolated = text.isolate(text.clean_line(value))
    assert not unsafe_characters(isolated)
    turned = any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in isolated)
    assert isolated.startswith("\u2068") == turned


@pytest.mark.parametrize(
    "name",
    [
        "Zoë Müller",
        "דנה לוי",
        "محمد علي",
        "می‌خواهم",
        "👩‍👩‍👧‍👦 Smith",
        "अनुष्का",
        "李小龙",
        "Ann‏ (דנה)",
    ],
)
def test_genuine_names_are_unchanged(name: str) -> None:
    assert text.clean_line(name) == name
    assert text.readable(name) == name


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("Lease\r\nPage 2", "Lease Page 2"),
        ("a\n\n\nb", "a b"),
        ("a\u2028b\u2029c\x85d\ve\ff", "a b c d e f"),
        ("\0NDA\0", "NDA"),
        ("contract \u202efdp.exe", "contract fdp.exe"),
        ("\u2066x\u2069", "x"),
        ("Deed\u200f", "Deed"),
        ("\u202e\n", ""),
        ("\ud83d\ude00", "😀"),
    ],
)
def test_control_characters_are_removed_and_line_breaks_become_spaces(
    value: str, line: str
) -> None:
    assert text.clean_line(value) == line


# ── Every integration ─────────────────────────────────────────────────────────────────────────────
@senders
@quick
@given(data=st.data())
def test_provider_receives_no_unsafe_characters(
    cls: type[Integration], data: st.DataObject
) -> None:
    def some() -> str:
        return data.draw(anything)

    card = Card(some(), ((some(), some()), (some(), "x")), (some(),))
    buttons = (
        Button(some(), "https://sign.example/1"),
        Button(some(), "https://hub.example/a/t", "t" * 43),
    )
    filled = data.draw(st.sampled_from([None, FilledTemplate("HX1", {"1": some(), "2": some()})]))
    card_or_none = data.draw(st.sampled_from([None, card]))
    message = Outbound(
        id=new_id("msg"),
        attempt=1,
        to=valid_address(cls),
        text=some(),
        subject=some(),
        card=card_or_none,
        buttons=buttons if card_or_none else (),
        template=filled,
    )
    for string in texts_in(instance(cls).render(message)):
        assert not unsafe_characters(string), string
    if filled is not None:
        assert message.template is not None
        assert all("\n" not in value for value in message.template.variables.values())


# ── The API ───────────────────────────────────────────────────────────────────────────────────────
def sent_text(message_id: str) -> str:
    """Return the text of a message without an opt-out line, with the targets of short links."""
    db.session.rollback()
    sent = str(db.session.get_one(MessageBody, message_id.partition("_")[2]).content["text"])
    return with_targets(sent.removesuffix(OPT_OUT_LINE))


@pytest.mark.parametrize("bad", list(OVERRIDES))
def test_title_or_name_cannot_reverse_the_link(signing_app: SigningApp, bad: str) -> None:
    event = event_body(signers=[signer_body("Eric") | {"name": f"{bad}Eric"}])
    event["request"] |= {
        "title": f"{bad}Lease{bad}\r\nevil",
        "sender": {"name": f"Acme\u2029{bad}"},
    }
    answer = signing_app.post("/events", event)
    assert answer.status_code == 202
    assert (
        sent_text(answer.json["messages"][0]["id"])
        == 'You\'ve been sent "Lease evil" by Acme. Please review & sign:'
        " https://sign.example/r/eric"
    )


def test_right_to_left_name_adds_no_character_to_an_sms(
    signing_app: SigningApp, hub_demo: Flask
) -> None:
    event = event_body(signers=[signer_body("Eric")])
    event["request"]["sender"] = {"name": "דנה לוי"}
    sent = sent_text(signing_app.post("/events", event).json["messages"][0]["id"])
    assert "by דנה לוי. Please" in sent
    assert not set(sent) & set(OVERRIDES)


def test_control_characters_of_a_direct_message_are_not_sent(signing_app: SigningApp) -> None:
    answer = signing_app.post(
        "/messages", {"to": "+13175551234", "channel": "sms", "text": "One\x07\r\ntwo \u202ethree"}
    )
    assert sent_text(answer.json["id"]) == "One\ntwo three"


# ── Links ─────────────────────────────────────────────────────────────────────────────────────────
BAD_LINKS = [
    "https://sign.example/a b",
    "https://sign.example/\u202egpj",
    "https://user:word@sign.example/",
    "https://sign.example@evil.example/",
    "https://sign.example\\@evil.example/",
    "ftp://sign.example/",
    "javascript:alert(1)",
    "//sign.example/",
    "https:///x",
    "https:x",
    "https://sign.example/\x00",
    "https://sign.example/\n",
    "https://sign.example/\u00a0x",
    "https://sign.example/\u200b",
    "data:text/html,x",
    " https://sign.example/",
    "https://sign.example/\u2028",
    'https://sign.example/">',
    "https://sign.example:0/",
    "https://[::1/",
    "",
]
GOOD_LINKS = [
    "https://sign.example/r/1?a=b&c=%20d#e",
    "http://127.0.0.1:8000/x",
    "HTTPS://sign.example",
    "https://münchen.example/ä",
    "https://sign.example/@me",
    "https://sign.example/?m=a@b.example",
    "https://[2001:db8::1]:8443/x",
    "https://sign.example/a[]=1",
]


@pytest.mark.parametrize("link", BAD_LINKS)
@pytest.mark.parametrize(
    "field", ["request.url", "signers[0].signing_url", "signers[0].download_url", "download_url"]
)
def test_deceptive_link_is_refused_with_its_field(
    signing_app: SigningApp, field: str, link: str
) -> None:
    event = event_body(signers=[signer_body("Eric")])
    holder = {"request": event["request"], "signers[0]": event["signers"][0], "": event}[
        field.rpartition(".")[0]
    ]
    holder[field.rpartition(".")[2]] = link
    answer = signing_app.post("/events", event)
    assert (answer.status_code, answer.json["field"]) == (422, field)


@pytest.mark.parametrize("link", [bad_link for bad_link in BAD_LINKS if bad_link])
def test_file_at_a_deceptive_address_is_refused(signing_app: SigningApp, link: str) -> None:
    answer = signing_app.post(
        "/messages", {"to": "+13175551234", "channel": "sms", "media_url": link}
    )
    assert (answer.status_code, answer.json["field"]) == (422, "media_url")


@pytest.mark.parametrize("link", GOOD_LINKS)
def test_ordinary_link_is_sent_unchanged(signing_app: SigningApp, link: str) -> None:
    answer = signing_app.post(
        "/events", event_body(signers=[signer_body("Eric", signing_url=link)])
    )
    assert sent_text(answer.json["messages"][0]["id"]).endswith(link)


@settings(max_examples=examples(400), deadline=None)
@given(st.text(st.one_of(st.characters(), st.sampled_from(NASTY + "@:/\\?#[]. "))))
def test_accepted_link_is_one_word_without_a_user(path: str) -> None:
    try:
        link = text.validate_url(f"https://sign.example{path}")
    except ValueError:
        return
    assert link.isprintable()
    assert not set(link) & set(' \\<>"')
    assert (
        "@"
        not in link.removeprefix("https://").partition("/")[0].partition("?")[0].partition("#")[0]
    )


# ── Length ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "grapheme",
    ["é", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "각", "ก็", "न्", "🏴\U000e0067\U000e0062\U000e007f", "❤️"],
)
def test_grapheme_is_not_split(grapheme: str) -> None:
    assert (
        list(text.graphemes(f"a{grapheme}{grapheme}b")) == ["a", grapheme, grapheme, "b"]
        or grapheme == "न्"
    )
    assert "".join(text.graphemes(f"a{grapheme}{grapheme}b")) == f"a{grapheme}{grapheme}b"


@settings(max_examples=examples(200), deadline=None)
@given(anything, st.integers(0, 40))
def test_shortened_text_fits_and_is_a_prefix(value: str, limit: int) -> None:
    short = text.shorten(value, lambda candidate: text.utf16_length(candidate) <= limit)
    assert short is not None
    assert text.utf16_length(short) <= limit
    assert short == "" or value.startswith(short.removesuffix("…"))


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "a/..",
        "a\\..",
        "fdp\u202eexe.pdf",
        "a b.pdf",
        "ü?#%2F.pdf",
        "a\r\nb.pdf",
        "x" * 300,
        "",
        "דנה.pdf",
    ],
)
def test_file_link_works_for_any_file_name(hub_demo: Flask, name: str) -> None:
    file = media.store_file(name, "application/pdf", b"%PDF-1.4", source_id=None, test=True)
    assert not unsafe_characters(file.name)
    assert file.name.strip(" .") == file.name != ""
    path = "/api/" + media.file_link(file.id, file.name).partition("/api/")[2]
    lent = hub_demo.test_client().get(path)
    assert (lent.status_code, lent.data) == (200, b"%PDF-1.4")
