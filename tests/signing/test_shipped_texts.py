"""The texts that Signpost installs: complete in each language, kept where an admin edited them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub import integrations
from hub.core.vocabulary import Audience, Channel, EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.lib import text, text_grammar
from hub.messaging.compose import render, text_values
from hub.models import Template, TemplateVersion
from hub.models.template import JINJA, SIGNPOST
from hub.signing import shipped_texts
from hub.signing.shipped_texts import KEPT_NOTE, LANGUAGES, SHIPPED_NOTE, ShippedText

TEXTS = list(shipped_texts.read_shipped_texts())
VALUES: dict[str, Any] = {
    "title": "Employment Agreement",
    "sender": "Acme",
    "signer": "Eric Smith",
    "name": "Anna Kowalska",
    "link": "https://sign.example/s/eric",
    "download_link": "https://sign.example/d/1",
    "remaining": 2,
    "expiry_date": "2026-12-15",
    "names": ["Anna Kowalska", "Eric Smith"],
    "people": 2,
}


def test_every_text_exists_in_every_language() -> None:
    by_locale = {
        locale: {(item.name, item.channel) for item in TEXTS if item.locale == locale}
        for locale in LANGUAGES
    }
    assert all(found == by_locale["en"] for found in by_locale.values())
    names = {item.name for item in TEXTS}
    assert names == {*shipped_texts.FOR_PEOPLE} | {f"team_{t.replace('.', '_')}" for t in EventType}


@pytest.mark.parametrize("locale", LANGUAGES)
def test_text_uses_only_values_of_its_event_and_the_forms_of_its_language(locale: str) -> None:
    for item in (item for item in TEXTS if item.locale == locale):
        available = {
            value.key for value in text_values.available_values(item.event_type, item.audience)
        }
        for source in (item.subject, item.text):
            parsed = text_grammar.parse(source)
            text_grammar.check_forms(parsed, locale)
            assert {text_values.key_of(name) for name in parsed.names} <= available, item


def fill(item: ShippedText, values: dict[str, Any]) -> str:
    complete = text_values.add_stand_ins(values, item.locale)
    parsed = text_grammar.parse(item.text)
    shown = text_values.localize(parsed.names, complete, item.locale)
    return text_grammar.fill(parsed, shown, item.locale)


BLANK: tuple[Any, ...] = ("", None, "  ", "\u200b", "\x00\n")
# half a text: brackets, spaces that meet, punctuation after a space or twice, nothing in quotes
HALF = re.compile(
    r"None|[(\[]{2}|[)\]]{2}|[ \xa0\u202f]{2}|\s[.,;]|\.\.|,[,.]|:[.,]|:\s*$|\(\s*\)"
    r"|\"\s*\"|«\s*»|„\s*[“”]|“\s*”|\s$|^[\s.,:;]"
)


def subsets_of_missing(item: ShippedText) -> Iterator[dict[str, Any]]:
    """Yield values of a text, with every set of its values missing in turn."""
    parsed = [text_grammar.parse(source) for source in (item.subject, item.text)]
    keys = sorted({text_values.key_of(name) for part in parsed for name in part.names})
    for count, missing in enumerate(product([False, True], repeat=len(keys))):
        blank = BLANK[count % len(BLANK)]
        values = {**VALUES, "remaining": count % 7, "people": 1 + count % 3}
        for key, is_missing in zip(keys, missing, strict=True):
            if is_missing:
                values[key] = [] if key == "names" and blank else blank
        yield values


@pytest.mark.parametrize("locale", LANGUAGES)
def test_text_with_any_values_missing_is_whole_or_not_sent(locale: str) -> None:
    sent = 0
    for item in (item for item in TEXTS if item.locale == locale):
        version = render.TemplateText("", item.subject, item.text, SIGNPOST, locale)
        for values in subsets_of_missing(item):
            complete = text_values.add_stand_ins(values, locale)
            try:
                shown = render.fill_version(version, complete, locale, isolated=True)
            except render.IncompleteText:
                continue
            sent += 1
            for whole in filter(None, (shown.subject, shown.text)):
                assert not HALF.search(whole), (item.name, item.channel, whole)
                assert not whole[0].islower(), (item.name, item.channel, whole)
    assert sent > 150


@pytest.mark.parametrize("locale", LANGUAGES)
def test_message_to_a_person_never_lacks_a_value_that_apps_may_leave_out(locale: str) -> None:
    always = {"remaining": 2, "names": ["Eric Smith"], "people": 1}
    for item in (item for item in TEXTS if item.locale == locale):
        assert fill(item, dict.fromkeys(VALUES, "") | always)


unquoted = st.text(st.characters(exclude_characters='"«»„“”'), max_size=8)


@given(
    st.sampled_from(TEXTS),
    st.fixed_dictionaries(dict.fromkeys(("title", "sender", "name"), unquoted)),
)
def test_value_of_any_characters_leaves_no_empty_quotes(
    item: ShippedText, values: dict[str, str]
) -> None:
    shown = fill(item, VALUES | values)
    assert not re.search(r"\"\s*\"|«\s*»|„\s*[“”]|“\s*”", shown), shown


@pytest.mark.parametrize("locale", LANGUAGES)
def test_text_contains_its_link(locale: str) -> None:
    for item in (item for item in TEXTS if item.locale == locale):
        if item.channel == Channel.VOICE:
            continue
        if (
            item.event_type in (EventType.SENT, EventType.REMINDER)
            and item.audience == Audience.SIGNER
        ):
            assert VALUES["link"] in fill(item, VALUES)
        if item.event_type == EventType.COMPLETED and item.audience != Audience.TEAM:
            assert VALUES["download_link"] in fill(item, VALUES)


def test_call_says_neither_a_link_nor_the_title() -> None:
    spoken = [item for item in TEXTS if item.channel == Channel.VOICE]
    assert len(spoken) == len(shipped_texts.FOR_PEOPLE) * len(LANGUAGES)
    for item in spoken:
        shown = fill(item, VALUES)
        assert "http" not in shown
        assert VALUES["title"] not in shown


@pytest.mark.parametrize("locale", LANGUAGES)
def test_asking_to_sign_costs_one_segment_with_common_values(locale: str) -> None:
    for item in TEXTS:
        if (
            item.locale == locale
            and item.channel == Channel.SMS
            and item.event_type
            in (
                EventType.SENT,
                EventType.REMINDER,
            )
        ):
            assert text.segments(fill(item, VALUES)) == 1, fill(item, VALUES)


def test_english_texts_are_those_of_the_specification() -> None:
    expected = {
        "request_sent": (
            'You\'ve been sent "Employment Agreement" by Acme. Please review & sign:'
            " https://sign.example/s/eric"
        ),
        "request_signed_others": (
            'Anna Kowalska has signed "Employment Agreement". 2 more signatures are needed to'
            " complete the document."
        ),
        "request_signed_actor": 'Your signature on "Employment Agreement" has been recorded.',
        "request_completed": (
            '"Employment Agreement" has been accepted by all parties. Download your document'
            " here: https://sign.example/d/1"
        ),
        "request_reminder": (
            'Reminder: "Employment Agreement" is waiting for your signature:'
            " https://sign.example/s/eric"
        ),
    }
    english = {
        item.name: fill(item, VALUES)
        for item in TEXTS
        if item.locale == "en" and item.channel == Channel.SMS
    }
    assert {name: english[name] for name in expected} == expected


# ── Rendering ─────────────────────────────────────────────────────────────────────────────────────
def rendered(template: str, locale: str, channel: str = "sms", /, **changes: Any) -> str:
    return render.render(template, channel, locale, VALUES | changes).text


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("pl", "Brakuje jeszcze 2 podpisów"),
        ("pl-PL", "Brakuje jeszcze 2 podpisów"),
        ("pt-BR", "Faltam 2 assinaturas"),
        ("pt-PT", "Faltam 2 assinaturas"),
        ("fr-CA", "Il manque encore 2 signatures"),
        ("sv", "2 more signatures are needed"),
    ],
)
def test_reader_gets_the_nearest_language(hub_demo: Flask, locale: str, words: str) -> None:
    assert words in rendered("request_signed_others", locale)


@pytest.mark.parametrize(
    ("locale", "day"),
    [
        ("en", "December 15, 2026"),
        ("en-GB", "15 December 2026"),
        ("de", "15. Dezember 2026"),
        ("pl", "15 grudnia 2026"),
        ("pt-BR", "15 de dezembro de 2026"),
        ("sv", "December 15, 2026"),
    ],
)
def test_date_is_in_the_language_of_the_text(hub_demo: Flask, locale: str, day: str) -> None:
    assert day in rendered("request_reminder", locale, "email")


def test_missing_names_have_stand_ins_in_the_language_of_the_text(hub_demo: Flask) -> None:
    shown = rendered("request_signed_sender", "de", title="", name="")
    assert shown.startswith('Jemand hat "Dokument ohne Titel" unterschrieben.')


def test_list_of_names_is_in_the_language_of_the_text(hub_demo: Flask) -> None:
    people = ["Ann", "Bob", "Cem", "Dana", "Eve"]
    assert "Ann, Bob und 3 weitere Personen" in rendered(
        "team_request_sent", "de", "chat", names=people
    )
    assert "Ann, Bob and 3 others" in rendered("team_request_sent", "en", "chat", names=people)


def test_right_to_left_value_is_isolated(hub_demo: Flask) -> None:
    cls = integrations.get("whatsapp")
    shown = render.render_within(
        cls, 1000, "request_signed_actor", "whatsapp", "en", VALUES | {"title": "עברית"}
    )
    assert f"{text.FIRST_STRONG}עברית{text.POP}" in shown.text


def test_text_with_a_missing_value_is_not_sent(hub_demo: Flask) -> None:
    publish("request_sent", "Sign here: ((link))")
    hub_demo.extensions.pop("hub.cached", None)
    with pytest.raises(render.IncompleteText) as refusal:
        rendered("request_sent", "en", link="")
    assert refusal.value.code == "text_incomplete"


# ── Upgrades ──────────────────────────────────────────────────────────────────────────────────────
@transaction
def publish(name: str, source: str, channel: str = "sms", **columns: Any) -> None:
    """Add a version to an English text, as an admin would, or as 0.2.0 stored it."""
    template = db.session.scalars(
        select(Template).where(
            Template.name == name, Template.channel == channel, Template.locale == "en"
        )
    ).one()
    number = max(version.number for version in versions_of(template)) + 1
    db.session.add(TemplateVersion(template_id=template.id, number=number, text=source, **columns))


def versions_of(template: Template) -> list[TemplateVersion]:
    query = select(TemplateVersion).where(TemplateVersion.template_id == template.id)
    return list(db.session.scalars(query.order_by(TemplateVersion.number)))


def newest(name: str, channel: str = "sms") -> TemplateVersion:
    template = db.session.scalars(
        select(Template).where(
            Template.name == name, Template.channel == channel, Template.locale == "en"
        )
    ).one()
    return versions_of(template)[-1]


OLD = 'Your signature on "{{ title }}" has been recorded.'


def test_unedited_text_of_0_2_0_gets_the_new_grammar(hub_demo: Flask) -> None:
    publish("request_signed_actor", OLD, syntax=JINJA)
    shipped_texts.install_texts()
    version = newest("request_signed_actor")
    assert version.text == 'Your signature on "((title))" has been recorded.'
    assert version.note == SHIPPED_NOTE


def test_edited_text_of_0_2_0_is_kept_and_sent(hub_demo: Flask) -> None:
    publish("request_signed_actor", "Thanks{% if signer %}, {{ signer }}{% endif %}!", syntax=JINJA)
    shipped_texts.install_texts()
    hub_demo.extensions.pop("hub.cached", None)
    assert newest("request_signed_actor").syntax == JINJA
    assert rendered("request_signed_actor", "en") == "Thanks, Eric Smith!"
    assert rendered("request_signed_actor", "en", signer="") == "Thanks!"


def test_jinja_that_is_not_safe_is_replaced(hub_demo: Flask) -> None:
    publish("request_signed_actor", "{{ title * 1000000000 }}", syntax=JINJA)
    shipped_texts.install_texts()
    version = newest("request_signed_actor")
    assert version.note == KEPT_NOTE
    assert version.text == 'Your signature on "((title))" has been recorded.'


def test_edited_text_survives_a_new_release_and_an_older_shipped_text_does_not(
    hub_demo: Flask,
) -> None:
    publish("request_signed_actor", "Thank you.", note="Shorter")
    publish("request_sent", "An older wording", shipped=True)
    shipped_texts.install_texts()
    assert newest("request_signed_actor").text == "Thank you."
    assert newest("request_sent").text.startswith("You've been sent")


def test_installing_again_changes_nothing(hub_demo: Flask) -> None:
    before = db.session.scalars(select(TemplateVersion.id)).all()
    shipped_texts.install_texts()
    db.session.rollback()
    assert db.session.scalars(select(TemplateVersion.id)).all() == before
