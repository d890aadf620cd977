"""A click anywhere in a row opens its main link."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import State, Tabs
from tests.live_hub import Hub


def test_click_on_a_row_opens_its_link(
    open_page: Tabs, admin: State, hub: Hub, javascript: bool
) -> None:
    to = hub.number()
    message_id = hub.message(to, "Row to click")
    hub.wait_for_status(message_id)
    page = open_page(admin, javascript=javascript)
    page.goto("/messages")
    row = page.get_by_role("row").filter(has=page.locator(f'a[href$="{message_id}"]'))
    row.locator("td").nth(2).click(position={"x": 5, "y": 5}, force=True)  # the link covers it
    expect(page).to_have_url(f"{hub.url}/messages/{message_id}")


def test_button_in_a_row_keeps_its_own_action(open_page: Tabs, admin: State, hub: Hub) -> None:
    page = open_page(admin)
    page.goto("/settings/api-keys")
    page.get_by_role("row").filter(has_text="Demo").get_by_role("link", name="Revoke").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoke Demo")


def test_click_on_a_time_opens_the_row(open_page: Tabs, admin: State, hub: Hub) -> None:
    message_id = hub.message(hub.number(), "Time to click")
    hub.wait_for_status(message_id)
    page = open_page(admin)
    page.goto("/messages")
    row = page.get_by_role("row").filter(has=page.locator(f'a[href$="{message_id}"]'))
    row.locator("time").click()
    expect(page).to_have_url(f"{hub.url}/messages/{message_id}")
