"""The pages that export texts, and import them after a preview."""

from __future__ import annotations

import html
import io
import random
import re
import zipfile
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from hub.core.vocabulary import Role
from tests.admin.texts.text_pages import find_text, post_text, published
from tests.conftest import Browser
from tests.signing.test_text_files import po

SENT = "request_sent/sms/text"


def upload(
    browser: Browser, content: bytes | str, name: str = "pl.po", **fields: str
) -> TestResponse:
    data = content.encode() if isinstance(content, str) else content
    posted = {"save_as": "drafts", **fields, "file": (io.BytesIO(data), name)}
    return browser.post("/templates/files", posted, content_type="multipart/form-data")


def confirm(browser: Browser, shown: TestResponse, **changed: str) -> TestResponse:
    names = ("save_as", "name", "content", "fingerprint")
    fields = {
        name: html.unescape(found[1])
        for name in names
        if (found := re.search(rf'name="{name}" value="([^"]*)"', shown.text))
    }
    assert set(fields) == set(names)
    return browser.post("/templates/files/import", fields | changed)


def test_exported_file_is_previewed_without_changes(admin: Browser) -> None:
    exported = admin.get("/templates/files/export?language=pl")
    assert exported.headers["Content-Disposition"] == "attachment; filename=pl.po"
    shown = upload(admin, exported.data)
    assert (shown.status_code, "No text changes" in shown.text) == (200, True)
    everything = admin.get("/templates/files/export")
    with zipfile.ZipFile(io.BytesIO(everything.data)) as archive:
        names = archive.namelist()
    assert names == ["en.po", "de.po", "es.po", "fr.po", "pl.po", "pt-BR.po"]
    assert "No text changes" in upload(admin, everything.data, "texts.zip").text


def test_preview_stores_nothing_and_is_saved_when_confirmed(admin: Browser) -> None:
    shown = upload(admin, po("pl", (SENT, "Podpisz <b>((title))</b>")))
    assert "Preview: 1 text changes" in shown.text
    assert "Document sent" in shown.text
    assert "<ins>Podpisz</ins>" in shown.text
    assert "&lt;" in shown.text
    assert "this text does not" in shown.text  # a warning
    text_id = find_text(admin, "request_sent", locale="pl")
    assert "This is a draft" not in admin.get(f"/templates/texts/{text_id}").text
    answer = confirm(admin, shown)
    assert answer.status_code == 303
    assert "1 draft saved." in admin.get("/templates").text
    page = admin.get(f"/templates/texts/{text_id}").text
    assert "This is a draft" in page
    assert "Dana Whitfield" in page
    assert "Imported texts from pl.po" in admin.get("/activity").text


def test_texts_are_published_if_that_was_chosen(admin: Browser) -> None:
    shown = upload(admin, po("pl", (SENT, "Podpisz ((title))")), save_as="publish")
    assert "Publish texts" in shown.text
    confirm(admin, shown)
    version = published(admin, find_text(admin, "request_sent", locale="pl"))
    assert (version.text, version.author_id) == ("Podpisz ((title))", admin.user_id)


def test_errors_are_listed_with_their_lines(admin: Browser) -> None:
    content = po("pl", (SENT, "((titel))"), ("request_canceled/sms/text", "((title))"))
    page = html.unescape(upload(admin, content).text)
    assert "1 error in the file" in page
    assert "Line 6" in page
    assert "((titel)) is not a value. Did you mean ((title))?" in page
    assert "Preview: 1 text changes" in page


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\xff\xfe", b"", b"=1+1", b"\x00" * 500])
def test_unreadable_file_is_refused_at_its_field(admin: Browser, content: bytes) -> None:
    answer = upload(admin, content)
    assert answer.status_code == 422
    assert 'id="file-error"' in answer.text


def test_file_is_required(admin: Browser) -> None:
    answer = admin.post("/templates/files", {"save_as": "drafts"})
    assert (answer.status_code, "Choose a file." in answer.text) == (422, True)


def test_import_after_another_change_shows_the_preview_again(admin: Browser) -> None:
    shown = upload(admin, po("pl", (SENT, "Podpisz ((title))")))
    text_id = find_text(admin, "request_sent", locale="pl")
    post_text(admin, text_id, "Inny ((title))", do="draft")
    answer = confirm(admin, shown)
    assert answer.status_code == 409
    assert "Some texts changed after the preview. Nothing was imported." in answer.text
    assert "The draft of Dana Whitfield is replaced." in answer.text
    assert confirm(admin, answer).status_code == 303


@pytest.mark.parametrize("content", ["", "nonsense", "AAAA", "////"])
def test_changed_file_of_a_preview_is_refused(admin: Browser, content: str) -> None:
    shown = upload(admin, po("pl", (SENT, "Podpisz ((title))")))
    assert confirm(admin, shown, content=content).status_code == 422


def test_large_file_is_refused_or_carried(admin: Browser) -> None:
    generator = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    content = po(
        "pl", *((f"x{n}/sms/text", "".join(generator.choices(letters, k=9000))) for n in range(50))
    )
    answer = upload(admin, content)
    assert (answer.status_code, "The file is too large." in answer.text) == (422, True)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_only_admins_import_and_export(browser_for: Callable[..., Browser], role: Role) -> None:
    browser = browser_for(role)
    assert "/templates/files" not in browser.get("/templates").text
    for path in (
        "/templates/files",
        "/templates/files/export",
        "/templates/files/export?language=pl",
    ):
        assert browser.get(path).status_code == 403
    assert upload(browser, po("pl", (SENT, "A"))).status_code == 403
    assert browser.post("/templates/files/import", {}).status_code == 403


@pytest.mark.parametrize("language", ["../x", "p", "x" * 40, "de;"])
def test_wrong_language_is_not_found(admin: Browser, language: str) -> None:
    assert (
        admin.get("/templates/files/export", query_string={"language": language}).status_code == 404
    )
