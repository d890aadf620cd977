"""The HTML of an email text in the editor: a frame without scripts and remote content."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from hub.accounts import sources
from hub.core.vocabulary import Role
from hub.integrations.branding import Branding
from hub.shared import branding
from hub.shared.sentences import LANGUAGES
from tests.admin.texts.text_pages import find_text
from tests.conftest import Browser

SENT = "request_sent"


def brand(browser: Browser) -> None:
    with browser.app.app_context():
        source = sources.list_sources()[0]
        stored = Branding("Acme Leases", "#123456", "Acme Ltd, London", "help@acme.example")
        branding.save_branding(source, stored, logo=None)


def test_page_has_a_sandboxed_frame_for_emails_only(admin: Browser) -> None:
    email = find_text(admin, SENT, "email")
    page = admin.get(f"/templates/texts/{email}")
    assert f'sandbox title="Email of this text" src="/templates/texts/{email}/email' in page.text
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    sms = find_text(admin, SENT)
    assert "<iframe" not in admin.get(f"/templates/texts/{sms}").text
    assert admin.get(f"/templates/texts/{sms}/email").status_code == 404


@pytest.mark.parametrize("locale", LANGUAGES.values())
def test_frame_shows_the_email_with_its_branding_and_loads_nothing(
    admin: Browser, locale: str
) -> None:
    brand(admin)
    for name in (SENT, "request_reminder", "request_completed"):
        text_id = find_text(admin, name, "email", locale)
        frame = admin.get(f"/templates/texts/{text_id}/email")
        assert "Acme Leases" in frame.text
        assert "Acme Ltd, London" in frame.text
        assert "Employment Agreement" in frame.text
        policy = frame.headers["Content-Security-Policy"]
        assert policy.startswith("sandbox; default-src 'none'")
        assert not re.search(r"<(script|link|img|iframe)\b|url\(", frame.text)


def test_colors_do_not_depend_on_the_browser(admin: Browser) -> None:
    text_id = find_text(admin, SENT, "email")
    fields = {"revision": "1", "subject": "Hi", "text": "((title))"}
    pages = {
        colors: admin.post(f"/templates/texts/{text_id}/email?colors={colors}", fields).text
        for colors in ("light", "dark")
    }
    assert "prefers-color-scheme" not in pages["light"] + pages["dark"]
    assert "@media not all" in pages["light"]
    assert "@media all" in pages["dark"]


def test_posted_text_is_shown_and_not_stored(admin: Browser) -> None:
    text_id = find_text(admin, SENT, "email")
    fields = {"revision": "1", "subject": "About ((title))", "text": "<b>Hello</b> ((recipient))"}
    frame = admin.post(f"/templates/texts/{text_id}/email", fields).text
    assert "&lt;b&gt;Hello&lt;/b&gt; Eric Smith" in frame
    assert "&lt;b&gt;" not in admin.get(f"/templates/texts/{text_id}/email").text
    problem = admin.post(f"/templates/texts/{text_id}/email", fields | {"text": "((title"})
    assert "Correct the text to see its preview." in problem.text


def test_only_admins_post_texts(admin: Browser, browser_for: Callable[..., Browser]) -> None:
    text_id = find_text(admin, SENT, "email")
    reader = browser_for(Role.VIEWER, name="Rita")
    assert reader.get(f"/templates/texts/{text_id}/email").status_code == 200
    fields = {"revision": "1", "subject": "x", "text": "x"}
    assert reader.post(f"/templates/texts/{text_id}/email", fields).status_code == 403
