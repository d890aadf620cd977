"""Separate texts for WhatsApp and chats, and the texts that replace missing ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import SimpleNamespace

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from hub.messaging.compose import render
from hub.signing import shipped_texts
from tests.admin.texts.text_pages import find_text, post_text, published
from tests.conftest import Browser

SENT = "request_sent"
ACTOR = "request_signed_actor"
VALUES = {"title": "NDA", "sender": "Acme", "link": "https://sign.example/1", "signer": "Eric"}


def sent(browser: Browser, channel: str, locale: str = "en", name: str = ACTOR) -> str:
    with browser.app.app_context():
        browser.app.extensions.pop("hub.cached", None)
        return render.render(name, channel, locale, VALUES).text


def add_text(browser: Browser, channel: str, locale: str = "en", name: str = ACTOR) -> str:
    """Add a text as a copy of the English SMS text; return its ID."""
    origin = find_text(browser, name)
    fields = {"channel": channel, "locale": locale}
    answer = browser.post(f"/templates/texts/{origin}/add", fields)
    assert answer.status_code == 303, answer.text
    return str(answer.location).rpartition("/")[2]


@pytest.mark.parametrize("channel", ["whatsapp", "chat"])
def test_own_text_is_sent_in_its_language_and_the_sms_text_in_others(
    admin: Browser, channel: str
) -> None:
    own = add_text(admin, channel, "de")
    assert sent(admin, channel, "de") == sent(admin, "sms", "de"), "a draft is not sent"
    post_text(admin, own, "Danke! „((title))“ wurde unterschrieben.")
    for locale in ("de", "de-AT"):
        assert sent(admin, channel, locale) == "Danke! „NDA“ wurde unterschrieben."
    for locale in ("en", "fr", "pl-PL", "pt-PT", "sv"):
        assert sent(admin, channel, locale) == sent(admin, "sms", locale)
    assert "Danke" not in sent(admin, "sms", "de") + sent(admin, "email", "de")


def test_page_shows_which_text_stands_in_for_which(admin: Browser) -> None:
    origin = find_text(admin, ACTOR)
    page = admin.get(f"/templates/texts/{origin}").text
    assert "Also used for WhatsApp and chats" in page
    assert page.count("Uses the SMS text") == 2
    own = add_text(admin, "whatsapp")
    page = admin.get(f"/templates/texts/{own}").text
    assert "Recipients get the SMS text in English instead." in page
    post_text(admin, own, "Thank you for signing ((title)).")
    page = admin.get(f"/templates/texts/{own}").text
    assert "Other languages use the SMS text" in page
    assert "instead" not in page
    assert "Also used for chats" in admin.get(f"/templates/texts/{origin}").text
    german = find_text(admin, ACTOR, locale="de")
    assert "Also used for WhatsApp and chats" in admin.get(f"/templates/texts/{german}").text
    assert "Also used for chats" in admin.get("/templates").text


def test_link_fills_the_form_for_a_missing_text(admin: Browser) -> None:
    origin = find_text(admin, ACTOR, locale="pt-BR")
    page = admin.get(f"/templates/texts/{origin}").text
    assert f"/templates/texts/{origin}/add?channel=whatsapp&amp;locale=pt-BR" in page
    form = admin.get(f"/templates/texts/{origin}/add?channel=whatsapp&locale=pt-BR").text
    assert 'value="pt-BR"' in form
    assert '<option selected value="whatsapp">' in form


def test_text_of_its_own_has_the_preview_and_checks_of_the_others(admin: Browser) -> None:
    own = add_text(admin, "chat", name=SENT)
    page = admin.get(f"/templates/texts/{own}").text
    assert "Document sent" in page
    assert "Team post" not in page
    answer = post_text(admin, own, "Sign here: ((lnk))")
    assert answer.status_code == 422
    answer = post_text(admin, own, "Bitte: ((link))", do="preview")
    assert "Bitte: https://sign.example" in answer.text
    post_text(admin, own, "Sign here: ((link))")
    assert sent(admin, "chat", name=SENT) == "Sign here: https://sign.example/1"
    with admin.app.app_context():
        admin.app.extensions.pop("hub.cached", None)
        with pytest.raises(render.IncompleteText):
            render.render(SENT, "chat", "en", VALUES | {"link": ""})


def test_text_that_is_no_longer_used_can_be_published_again(admin: Browser) -> None:
    own = add_text(admin, "whatsapp")
    post_text(admin, own, "Thank you, ((recipient)).")
    assert sent(admin, "whatsapp") == "Thank you, Eric."
    assert post_text(admin, own, "", do="withdraw").status_code == 303
    assert sent(admin, "whatsapp") == sent(admin, "sms")
    page = admin.get(f"/templates/texts/{own}").text
    assert "This text is not sent." in page
    assert "Stop using this text" not in page
    assert "topped using the text" in admin.get("/activity").text
    assert post_text(admin, own, "Thanks, ((recipient)).").status_code == 303
    assert sent(admin, "whatsapp") == "Thanks, Eric."
    assert published(admin, own).number == 2


def test_draft_that_was_never_published_can_be_deleted(admin: Browser) -> None:
    own = add_text(admin, "whatsapp")
    assert post_text(admin, own, "", do="withdraw").status_code == 303
    assert admin.get(f"/templates/texts/{own}").status_code == 404
    assert add_text(admin, "whatsapp") != own


@pytest.mark.parametrize(("channel", "locale"), [("sms", "en"), ("email", "de")])
def test_text_of_signpost_cannot_be_removed(admin: Browser, channel: str, locale: str) -> None:
    text_id = find_text(admin, ACTOR, channel, locale)
    assert "Stop using" not in admin.get(f"/templates/texts/{text_id}").text
    assert post_text(admin, text_id, "", do="withdraw").status_code == 409
    assert sent(admin, channel, locale)


def test_file_may_have_texts_for_each_channel() -> None:
    source = """
[request_sent]
sms = 'SMS ((title))'
whatsapp = 'WhatsApp ((title))'
chat = 'Chat ((title))'
subject = 'Subject ((title))'
email = 'Email ((title))'
"""
    found = {item.channel: item.text for item in shipped_texts.parse_texts(source, "en")}
    assert found == {
        "sms": "SMS ((title))",
        "whatsapp": "WhatsApp ((title))",
        "email": "Email ((title))",
        "chat": "Chat ((title))",
    }


# ── Which text is chosen ──────────────────────────────────────────────────────────────────────────
TAGS = ("en", "en-gb", "de", "de-at", "pt", "pt-br", "pt-pt", "fr")
texts = st.sets(st.sampled_from(TAGS)).map(lambda tags: {tag: tag for tag in tags})


@given(texts, texts, st.sampled_from([*TAGS, "sv", "de-CH", "pt-AO"]))
def test_reader_gets_their_language_before_the_channels_own_text(
    own: Mapping[str, str], sms: Mapping[str, str], locale: str
) -> None:
    own = {tag: f"own:{tag}" for tag in own}
    sms = {tag: f"sms:{tag}" for tag in sms}
    bare = Flask("bare")
    bare.extensions["hub.config"] = SimpleNamespace(locale="en")
    with bare.app_context():
        chosen = render.choose_locale(own, locale, sms)
    languages = [locale.partition("-")[0].lower(), "en"]
    found = [
        [item for item in (*own.values(), *sms.values()) if item[4:].startswith(language)]
        for language in languages
    ]
    best = next((items for items in found if items), [])
    assert (chosen is None) == (not best)
    if chosen is None:
        return
    assert chosen in best
    exact = [f"{kind}:{locale.lower()}" for kind in ("own", "sms")]
    general = [f"{kind}:{languages[0]}" for kind in ("own", "sms")]
    ranked = list(itertools.chain((exact[0], general[0], exact[1], general[1])))
    assert chosen == next((item for item in ranked if item in best), chosen)


def test_other_uses_of_a_text_are_one_sentence(admin: Browser) -> None:
    for locale in ("en", "de", "pt-BR"):
        text_id = find_text(admin, "request_sent", locale=locale)
        page = admin.get(f"/templates/texts/{text_id}").text
        assert page.count("Also used for WhatsApp and chats, and for ") == 1
        assert page.count("Also used for") == 1


def test_segments_are_those_of_the_longest_form(admin: Browser) -> None:
    text_id = find_text(admin, "request_signed_others", locale="pl")
    for form, count in (("w\u00f3" * 20, "1 segment"), ("w\u00f3" * 40, "2 segments")):
        text = f"((missing: a # | b # | {form} #))"
        page = post_text(admin, text_id, text, do="preview").text
        assert f"<b>{count}</b>, UCS-2" in page
        assert "They are in the forms for 0, 5, " in page
