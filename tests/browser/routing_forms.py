"""Forms of the search, routes, reminders and scheduled events, submitted without JavaScript."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.browser.no_script_browser import NoScriptBrowser, form
from tests.browser.test_connecting import press


@form("admin.start_search")
def submit_search(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/")
    box = no_script.page.locator("header").get_by_role("searchbox")
    box.fill("Nobody of this name")
    box.press("Enter")
    expect(no_script.page.get_by_role("heading", name="Search", exact=True)).to_be_visible()
    expect(no_script.page.locator("#main").get_by_role("searchbox")).to_have_value(
        "Nobody of this name"
    )


@form("admin.change_route")
def submit_route(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/routing/viewed/sender")
    press(page, "Add step")
    page.get_by_label("Channel of step 1").select_option("email")
    press(page, "Add “otherwise”")
    page.get_by_label("Goal of step 1").select_option("sent")
    page.get_by_label("Time before step 2", exact=True).fill("soon")
    page.locator(".sp-form-foot").get_by_role("button", name="Save changes").click()
    expect(page.locator("#error-summary")).to_contain_text("Enter a whole number.")
    page.get_by_label("Time before step 2", exact=True).fill("45")
    page.locator(".sp-form-foot").get_by_role("button", name="Save changes").click()
    no_script.says("Changes saved. They apply to events from now on.")
    press(page, "Remove step 2")
    press(page, "Remove step 1")
    page.locator(".sp-form-foot").get_by_role("button", name="Save changes").click()
    no_script.says("Nobody is notified.")


@form("admin.follow_general_route")
def submit_follow_general_route(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/routing/canceled/signer?source=default")
    page.locator(".sp-form-foot").get_by_role("button", name="Save changes").click()
    no_script.says("Changes saved.")
    page.get_by_role("link", name="Use the general route…").click()
    press(page, "Use the general route")
    no_script.says("The general route applies again.")


@form("admin.stop_fallbacks")
def submit_stop_fallbacks(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/routing/sent/signer")
    page.get_by_text("Versions", exact=True).click()
    page.get_by_role("link", name="Stop fallbacks…").first.click()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_text("Versions", exact=True).click()
    page.get_by_role("link", name="Stop fallbacks…").first.click()
    press(page, "Stop fallbacks")
    no_script.says("are stopped.")


@form("admin.change_reminders")
def submit_reminders(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/settings/sources/default")
    page.get_by_label("Days after the invitation").fill("4, soon")
    press(page, "Save reminders")
    expect(page.locator("#error-summary")).to_contain_text("Enter whole numbers")
    page.get_by_label("Days after the invitation").fill("3, 7, 14")
    press(page, "Save reminders")
    no_script.says("Changes saved. They apply to open requests, too.")


@form("admin.cancel_scheduled")
def submit_cancel_scheduled(no_script: NoScriptBrowser) -> None:
    request_id, _ = no_script.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": no_script.hub.number()}
    )
    send_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    no_script.hub.event("request.completed", {"id": request_id}, send_at=send_at)
    page = no_script.page
    page.goto(f"/requests?q={request_id}")
    page.locator("a[href^='/requests/req_']").first.click()
    page.get_by_role("button", name=re.compile("^Cancel ")).click()
    no_script.says("Canceled. The scheduled messages are not sent.")
