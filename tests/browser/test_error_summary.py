"""The error summary takes the focus, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import State, Tabs
from tests.browser.test_connecting import NEW, fill_in, press
from tests.live_hub import Hub


def enter_invalid_settings(page: Page, hub: Hub) -> None:
    page.goto(NEW)
    fill_in(page, hub, "Mistyped summary")
    page.get_by_label("Account SID").fill("AC123")


def test_refused_save_focuses_the_error_summary(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub, javascript: bool
) -> None:
    page = open_page(sign_in_user(), javascript=javascript)
    enter_invalid_settings(page, hub)
    press(page, "Save connection")
    summary = page.locator(".sp-error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_be_in_viewport()
    expect(summary.get_by_role("heading")).to_have_text("There is a problem")
    assert page.title().startswith("Error: ")
    summary.get_by_role("link").first.click()
    expect(page.get_by_label("Account SID")).to_be_focused()


def test_refused_inline_test_focuses_the_error_summary(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    page = open_page(sign_in_user())
    enter_invalid_settings(page, hub)
    press(page, "Test connection")
    expect(page.locator(".sp-error-summary")).to_be_focused()
    assert page.title().startswith("Error: ")
    page.get_by_label("Account SID").fill(hub.credentials.account_sid)
    press(page, "Test connection")
    expect(page.locator("#test-result")).to_contain_text("Twilio is ready.")
    expect(page.locator(".sp-error-summary")).to_have_count(0)
    assert not page.title().startswith("Error: ")
