"""The text editor with JavaScript: it is walked as an admin does, and previews follow the text."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import State, Tabs
from tests.browser.test_connecting import connect, press
from tests.live_hub import Hub

DARK = "rgb(15, 24, 26)"  # the background of emails in dark colors


def open_text(page: Page, label: str) -> Locator:
    """Open the first text of this name, and return its field."""
    page.goto("/templates")
    page.get_by_role("link", name=label, exact=True).first.click()
    return page.get_by_role("textbox", name="Text", exact=True)


def test_preview_follows_the_text_without_a_button(open_page: Tabs, admin: State) -> None:
    page = open_page(admin)
    text = open_text(page, "To the signer, SMS, en")
    text.fill("Typed: ((title)) “now”")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Typed: Employment Agreement “now”")
    expect(preview).to_contain_text("UCS-2")
    text.fill("Typed: ((titel))")
    expect(page.locator("#text-error")).to_contain_text("Did you mean ((title))?")
    expect(text).to_have_value("Typed: ((titel))")


def test_email_follows_the_text_and_keeps_the_colors(open_page: Tabs, admin: State) -> None:
    page = open_page(admin)
    text = open_text(page, "To observers, Email, en")
    address = page.url
    length = page.evaluate("history.length")
    email = page.frame_locator("iframe[name=email]")
    for words in ("Typed once about ((title))", "Typed twice about ((title))"):
        text.fill(words)
        shown = words.replace("((title))", "Employment Agreement")
        expect(email.get_by_text(shown).last).to_be_visible()
    press(page, "Show in dark colors")
    expect(email.locator(".page").first).to_have_css("background-color", DARK)
    text.fill("Typed in the dark about ((title))")
    expect(email.get_by_text("Typed in the dark about Employment Agreement").last).to_be_visible()
    expect(email.locator(".page").first).to_have_css("background-color", DARK)
    text.fill("((title")
    expect(email.get_by_text("Correct the text to see its preview.")).to_be_visible()
    expect(page.locator("iframe")).to_have_count(1)
    expect(text).to_have_value("((title")
    assert page.url == address
    # one entry for the button that was pressed, and none for what was typed
    assert page.evaluate("history.length") <= length + 1


def test_version_is_compared_and_restored(open_page: Tabs, admin: State) -> None:
    page = open_page(admin)
    text = open_text(page, "To the sender, SMS, fr")
    first = text.input_value()
    text.fill("((name)) a tout signé.")
    page.get_by_label("Reason for the change").fill("Shorter")
    press(page, "Publish text")
    expect(page.locator("#main")).to_contain_text("Version 2 published. New messages use it.")
    versions = page.get_by_role("table", name="Versions")
    expect(versions).to_contain_text("Shorter")
    expect(versions).to_contain_text("Dana Whitfield")
    page.get_by_role("link", name="Compare version 1").click()
    changes = page.get_by_role("region", name="Changes to the published version 2")
    expect(changes.locator("ins").first).to_be_visible()
    expect(changes.locator("del").first).to_be_visible()
    press(page, "Publish this version again")
    expect(page.locator("#main")).to_contain_text("Version 1 published again, as version 3.")
    expect(page.get_by_role("textbox", name="Text", exact=True)).to_have_value(first)
    expect(page.get_by_role("table", name="Versions")).to_contain_text("Restored version 1")


def test_preview_shows_the_longest_values(open_page: Tabs, hub: Hub, admin: State) -> None:
    title = "Master Services Agreement of All Parties with Every Schedule and Annex " * 3
    hub.request(
        {"id": "eric", "name": "Eric Smith", "email": "eric@a.example"}, title=title.strip()
    )
    page = open_page(admin)
    open_text(page, "To the signer, SMS, en").fill("Sign ((title)) now")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("Sign Employment Agreement now")
    page.get_by_label("Preview with").select_option("longest")
    expect(preview).to_contain_text(f"Sign {title.strip()} now")
    expect(preview).to_contain_text(re.compile(r"[2-9] segments"))


def test_test_message_is_sent_to_oneself(open_page: Tabs, hub: Hub, admin: State) -> None:
    page = open_page(admin)
    connect(page, hub, "Twilio SMS for tests of texts")
    press(page, "Enable connection")
    text = open_text(page, "To the signer, SMS, en")
    text.fill("A test about ((title))")
    page.get_by_label("Send a test over").select_option(label="Twilio SMS for tests of texts")
    page.get_by_label("Your address").fill("nonsense")
    press(page, "Send test message")
    expect(page.locator("#test_to-error")).to_be_visible()
    page.wait_for_timeout(1500)  # longer than the preview takes that follows what was typed
    expect(page.locator("#test_to-error")).to_be_visible()
    page.get_by_label("Your address").fill("+13175550142")
    press(page, "Send test message")
    page.get_by_role("link", name="Test message queued").click()
    expect(page.locator("#main")).to_contain_text("A test about Employment Agreement")
