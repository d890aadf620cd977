"""The text editor: drafts, published versions, errors at their fields, and two admins."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.vocabulary import Role
from hub.messaging.compose.text_checks import find_note_errors
from tests.admin.texts.text_pages import find_text, post_text, published, sent_text
from tests.conftest import Browser

SIGNED = "request_signed_others"


def test_every_text_is_listed_by_event_and_language(admin: Browser) -> None:
    page = admin.get("/templates").text
    for words in ("Document sent", "To the other signers", "Post to a team", "pt-BR", "Email"):
        assert words in page
    assert f"/templates/texts/{find_text(admin, SIGNED, locale='pl')}" in page


def test_published_text_is_sent_and_keeps_its_author_and_reason(admin: Browser) -> None:
    text_id = find_text(admin, "request_signed_actor")
    answer = post_text(admin, text_id, 'Thank you for signing "((title))".', note="Friendlier")
    assert answer.status_code == 303
    version = published(admin, text_id)
    assert (version.number, version.note, version.author_id) == (2, "Friendlier", admin.user_id)
    sent = sent_text(admin, "request_signed_actor", "en", title="NDA")
    assert sent == 'Thank you for signing "NDA".'
    page = admin.get(f"/templates/texts/{text_id}").text
    assert "Dana Whitfield" in page
    assert "Friendlier" in page
    assert "edited" in admin.get("/templates").text
    assert "the text request_signed_actor (sms, en)" in admin.get("/activity").text


def test_draft_is_not_sent_until_it_is_published(admin: Browser) -> None:
    text_id = find_text(admin, "request_signed_actor")
    post_text(admin, text_id, "A draft", do="draft")
    assert published(admin, text_id).number == 1
    page = admin.get(f"/templates/texts/{text_id}").text
    assert "This is a draft" in page
    assert "A draft</textarea>" in page
    post_text(admin, text_id, "A better draft")
    assert published(admin, text_id).text == "A better draft"
    assert "This is a draft" not in admin.get(f"/templates/texts/{text_id}").text


def test_deleted_draft_shows_the_published_text(admin: Browser) -> None:
    text_id = find_text(admin, "request_signed_actor")
    post_text(admin, text_id, "A draft", do="draft")
    post_text(admin, text_id, "", do="discard")
    assert "Your signature on" in admin.get(f"/templates/texts/{text_id}").text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("((titel)) is signed", "Character 1: ((titel)) is not a value. Did you mean ((title))?"),
        ("A\nB ((zzz))", "Line 2, character 3: ((zzz)) is not a value. Use one of"),
        ("Get it: ((download link))", "This event has no ((download link))"),
        ("((name", "Write “))” after its name"),
        ("((missing: one))", "((missing)): This number has 1 form, but the language needs 2"),
        ("((title: a | b))", "((title)) is not a number"),
        ("  ", "Enter the text of the message."),
        ("\u202eevil", "invisible control characters"),
    ],
)
def test_text_with_an_error_is_refused_at_its_field(admin: Browser, text: str, words: str) -> None:
    text_id = find_text(admin, SIGNED)
    for action in ("publish", "draft"):
        answer = post_text(admin, text_id, text, do=action)
        page = html.unescape(answer.text)
        assert answer.status_code == 422
        assert words in page
        assert 'aria-invalid="true"' in page
    assert published(admin, text_id).number == 1


def test_email_needs_a_subject_on_one_line(admin: Browser) -> None:
    text_id = find_text(admin, "request_sent", "email")
    assert "Enter the subject" in post_text(admin, text_id, "((title))", subject="").text
    answer = post_text(admin, text_id, "((title))", subject="((nobody)) wrote")
    assert "((nobody)) is not a value" in html.unescape(answer.text)
    assert post_text(admin, text_id, "((title))", subject="About ((title))").status_code == 303
    assert published(admin, text_id).subject == "About ((title))"


@pytest.mark.parametrize("do", ["publish", "draft"])
def test_second_save_after_a_conflict_replaces_the_text(admin: Browser, do: str) -> None:
    text_id = find_text(admin, "request_signed_actor")
    post_text(admin, text_id, "First")
    fields = {"revision": "1", "text": "Second", "do": do, "note": "Mine"}
    answer = admin.post(f"/templates/texts/{text_id}", fields)
    assert answer.status_code == 409
    revision = re.search(r'name="revision" type="hidden" value="(\d+)"', answer.text)
    assert revision is not None
    assert 'value="Mine"' in answer.text
    answer = admin.post(f"/templates/texts/{text_id}", fields | {"revision": revision[1]})
    assert answer.status_code == 303
    assert "Second</textarea>" in admin.get(f"/templates/texts/{text_id}").text


@given(st.sampled_from("\u202e\u2066\x00\x07\x1b\x85"))
def test_reason_with_control_characters_is_an_error(character: str) -> None:
    assert [error.field for error in find_note_errors(f"Shor{character}ter")] == ["note"]


@pytest.mark.parametrize("field", ["text", "note", "subject"])
@pytest.mark.parametrize("character", ["\u202e", "\x00"])
def test_control_characters_are_an_error_of_their_field(
    admin: Browser, field: str, character: str
) -> None:
    text_id = find_text(admin, "request_sent", "email")
    fields = {"text": "((link))", "subject": "Sign", "note": "Why"}
    fields[field] += f"{character}x"
    answer = post_text(admin, text_id, fields.pop("text"), **fields)
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert "invisible control characters" in answer.text


@pytest.mark.parametrize("text", ["Please sign ((title)).", "Sign here: {{ link }}"])
def test_text_without_a_link_to_sign_has_a_warning(admin: Browser, text: str) -> None:
    text_id = find_text(admin, "request_sent")
    assert "has no link" not in admin.get(f"/templates/texts/{text_id}").text
    assert post_text(admin, text_id, text).status_code == 303
    assert "This text has no link" in admin.get(f"/templates/texts/{text_id}").text


@pytest.mark.parametrize("written", ["{{ title }}", "{{title}}", "{% if x %}", "${title}"])
def test_other_placeholders_have_a_warning(admin: Browser, written: str) -> None:
    text_id = find_text(admin, "request_sent")
    page = html.unescape(post_text(admin, text_id, f"((link)) {written}", do="preview").text)
    assert f"{written} is sent as you wrote it." in page


@pytest.mark.parametrize("locale", ["xx", "zzz-DE", "qq"])
def test_unknown_language_is_refused(admin: Browser, locale: str) -> None:
    origin = find_text(admin, "request_signed_actor")
    fields = {"channel": "sms", "locale": locale}
    answer = admin.post(f"/templates/texts/{origin}/add", fields)
    assert answer.status_code == 422
    assert "This language is unknown." in answer.text


def test_second_admin_does_not_overwrite_the_first(admin: Browser) -> None:
    text_id = find_text(admin, "request_signed_actor")
    fields = {"revision": "1", "text": "First", "do": "publish"}
    assert admin.post(f"/templates/texts/{text_id}", fields).status_code == 303
    for action in ("publish", "draft", "discard"):
        answer = admin.post(
            f"/templates/texts/{text_id}", fields | {"text": "Second", "do": action}
        )
        assert answer.status_code == 409
        assert "This text was changed after you opened it." in answer.text
        assert "Second</textarea>" in answer.text, "what was typed is kept"
    assert published(admin, text_id).text == "First"


def test_restored_version_is_a_new_version(admin: Browser) -> None:
    text_id = find_text(admin, "request_signed_actor")
    first = published(admin, text_id).text
    post_text(admin, text_id, "Changed ((title))")
    page = admin.get(f"/templates/texts/{text_id}/versions/1").text
    assert "<del>" in page
    assert "<ins>Changed</ins>" in page
    revision = "2"
    answer = admin.post(f"/templates/texts/{text_id}/versions/1", {"revision": revision})
    assert answer.status_code == 303
    version = published(admin, text_id)
    assert (version.number, version.text, version.note) == (3, first, "Restored version 1")
    admin.post(f"/templates/texts/{text_id}/versions/2", {"revision": revision})
    assert published(admin, text_id).number == 3, "the page was out of date"


def test_text_in_a_new_language_is_sent_once_it_is_published(admin: Browser) -> None:
    origin = find_text(admin, "request_signed_actor")
    bad = admin.post(f"/templates/texts/{origin}/add", {"channel": "sms", "locale": "?"})
    assert "Enter a language code" in bad.text
    same = admin.post(f"/templates/texts/{origin}/add", {"channel": "sms", "locale": "pt_br"})
    assert same.status_code == 422 or "already exists" in same.text
    answer = admin.post(f"/templates/texts/{origin}/add", {"channel": "sms", "locale": "it"})
    added = answer.location.rpartition("/")[2]
    assert find_text(admin, "request_signed_actor", locale="it") == added

    def italian() -> str:
        return sent_text(admin, "request_signed_actor", "it", title="NDA")

    assert italian().startswith("Your signature")
    post_text(admin, added, "La firma su ((title)) è registrata.")
    assert italian() == "La firma su NDA è registrata."


def test_only_admins_change_texts(admin: Browser, browser_for: Callable[..., Browser]) -> None:
    text_id = find_text(admin, "request_signed_actor")
    for role in (Role.VIEWER, Role.OPERATOR):
        reader = browser_for(role, name=f"Rita {role.title}")
        page = reader.get(f"/templates/texts/{text_id}").text
        assert "Only admins can change texts." in page
        assert "Publish text" not in page
        fields = {"revision": "1", "text": "x"}
        assert reader.post(f"/templates/texts/{text_id}", fields).status_code == 403
        assert reader.post(f"/templates/texts/{text_id}/versions/1", fields).status_code == 403
    assert published(admin, text_id).number == 1


def test_unknown_texts_and_versions_are_not_found(admin: Browser) -> None:
    text_id = find_text(admin, "request_signed_actor")
    for path in ("tpl_nothing", f"{text_id}/versions/99", "x/add"):
        assert admin.get(f"/templates/texts/{path}").status_code == 404
