"""The text editor with JavaScript: the preview follows what is typed."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import State, Tabs


def test_preview_follows_the_text_without_a_button(open_page: Tabs, admin: State) -> None:
    page = open_page(admin)
    page.goto("/templates")
    page.get_by_role("link", name="To the signer, SMS, en", exact=True).first.click()
    text = page.get_by_role("textbox", name="Text", exact=True)
    text.fill("Typed: ((title)) “now”")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Typed: Employment Agreement “now”")
    expect(preview).to_contain_text("UCS-2")
    text.fill("Typed: ((titel))")
    expect(page.locator("#text-error")).to_contain_text("Did you mean ((title))?")
    expect(text).to_have_value("Typed: ((titel))")
