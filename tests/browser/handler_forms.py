"""Forms of the pages of handlers, submitted without JavaScript."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.no_script_browser import NoScriptBrowser, form
from tests.browser.sample_handlers import handler_path
from tests.browser.test_connecting import press
from tests.live_hub import wait_until


def open_failing_handler(no_script: NoScriptBrowser) -> Page:
    """Open the page of a handler with an event that it could not process."""
    page = no_script.page
    no_script.hub.message(no_script.hub.number())
    page.goto("/handlers")
    path = handler_path(page.content(), "update_customer_records")

    def has_events() -> bool:
        page.goto(f"{path}?state=pending")
        return page.get_by_role("link", name="Skip all…").count() == 1

    wait_until(has_events)
    return page


def open_event(no_script: NoScriptBrowser) -> Page:
    """Open the page of an event that a handler could not process."""
    page = open_failing_handler(no_script)
    page.locator("a.sp-row-link").first.click()
    wait_until(lambda: page.reload() and "ConnectionError" in page.content())
    return page


@form("admin.retry_handler_event")
def submit_retry_handler_event(no_script: NoScriptBrowser) -> None:
    press(open_event(no_script), "Retry event")
    no_script.says("Event queued to be retried.")


@form("admin.skip_handler_event")
def submit_skip_handler_event(no_script: NoScriptBrowser) -> None:
    press(open_event(no_script), "Skip event")
    no_script.says("Event skipped.")


@form("admin.retry_handler_events")
def submit_retry_handler_events(no_script: NoScriptBrowser) -> None:
    press(open_failing_handler(no_script), "Retry all")
    no_script.says("queued to be retried.")


@form("admin.skip_handler_events")
def submit_skip_handler_events(no_script: NoScriptBrowser) -> None:
    page = open_failing_handler(no_script)
    page.get_by_role("link", name="Skip all…").click()
    press(page, "Skip events")
    no_script.says("skipped.")


@form("admin.disable_handler")
def submit_disable_handler(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/handlers")
    page.goto(handler_path(page.content(), "count_deliveries"))
    page.get_by_role("link", name="Disable handler…").click()
    press(page, "Disable handler")
    no_script.says("This handler is disabled")
    press(page, "Enable handler")


@form("admin.enable_handler")
def submit_enable_handler(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/handlers")
    page.goto(handler_path(page.content(), "count_deliveries"))
    page.get_by_role("link", name="Disable handler…").click()
    press(page, "Disable handler")
    press(page, "Enable handler")
    no_script.says("Handler enabled.")
    expect(page.get_by_role("link", name="Disable handler…")).to_be_visible()
