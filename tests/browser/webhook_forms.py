"""Forms of the pages of webhook endpoints, submitted without JavaScript."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.no_script_browser import NoScriptBrowser, form
from tests.browser.test_connecting import press


def create_endpoint(no_script: NoScriptBrowser, title: str, receiver: str = "ok") -> None:
    """Create an endpoint whose app is the simulator, and open its page."""
    page = no_script.page
    page.goto("/webhook-endpoints/new")
    page.get_by_label("URL").fill(f"{no_script.hub.simulator_url}/receiver/{receiver}")
    page.get_by_label("Description").fill(title)
    page.get_by_label("Test endpoint").check()
    press(page, "Create endpoint")
    page.get_by_role("link", name="Open endpoint").click()


def send_test_event(no_script: NoScriptBrowser) -> None:
    no_script.page.get_by_label("Event", exact=True).select_option("sms_failed")
    press(no_script.page, "Send test event")


def disable_endpoint(no_script: NoScriptBrowser) -> None:
    no_script.page.get_by_role("link", name="Disable endpoint").click()
    press(no_script.page, "Disable endpoint")


@form("admin.new_webhook_endpoint")
def submit_new_webhook_endpoint(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/webhook-endpoints/new")
    page.get_by_label("URL").fill("http://app.example/hooks")
    press(page, "Create endpoint")
    expect(page.locator("#url-error")).to_contain_text("Use https")
    page.get_by_label("URL").fill(f"{no_script.hub.simulator_url}/receiver/ok")
    page.get_by_label("Description").fill("Contracts, bare")
    press(page, "Create endpoint")
    no_script.says("whsec_")
    page.goto("/webhook-endpoints")
    expect(no_script.row("Contracts, bare")).to_contain_text("No events yet")


@form("admin.edit_webhook_endpoint")
def submit_edit_webhook_endpoint(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "Edited, bare")
    no_script.page.get_by_role("link", name="Edit endpoint").click()
    no_script.page.get_by_label("Events").fill("sms_* opted_out")
    press(no_script.page, "Save changes")
    no_script.says("Changes saved.")
    no_script.says("opted_out sms_*")


@form("admin.test_endpoint_connection")
def submit_test_endpoint_connection(no_script: NoScriptBrowser) -> None:
    page = no_script.page
    page.goto("/webhook-endpoints/new")
    page.get_by_role("link", name="Kafka").click()
    page.get_by_label("Bootstrap servers").fill("kafka.invalid:9093")
    page.get_by_label("Topic").fill("events of today")
    press(page, "Create endpoint")
    expect(page.locator("#topic-error")).to_contain_text("A topic has up to 249")
    page.get_by_label("Topic").fill("signpost-events")
    page.get_by_label("Description").fill("Stream, bare")
    press(page, "Create endpoint")
    press(page, "Test connection")
    no_script.says("Signpost could not connect to the broker.")
    no_script.says("No event was published.")
    press_delete(page)


def press_delete(page: Page) -> None:
    """Delete the endpoint, so that no event is sent to it."""
    page.get_by_role("link", name="Delete…").click()
    press(page, "Delete endpoint")


@form("admin.rotate_webhook_secret")
def submit_rotate_webhook_secret(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "Rotated, bare")
    address = no_script.page.url
    for force in (False, True):
        no_script.page.goto(f"{address}/rotate")
        if force:
            no_script.page.get_by_label("End an earlier rotation now").check()
        press(no_script.page, "Rotate secret")
        no_script.says("whsec_")
    no_script.page.goto(address)
    no_script.says("valid until")


@form("admin.disable_webhook_endpoint")
def submit_disable_webhook_endpoint(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "Paused, bare")
    disable_endpoint(no_script)
    no_script.says("An admin disabled it.")


@form("admin.enable_webhook_endpoint")
def submit_enable_webhook_endpoint(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "Resumed, bare")
    disable_endpoint(no_script)
    press(no_script.page, "Enable endpoint")
    no_script.says("Endpoint enabled.")


@form("admin.delete_webhook_endpoint")
def submit_delete_webhook_endpoint(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "Deleted, bare")
    no_script.page.get_by_role("link", name="Delete").click()
    no_script.says("You cannot undo this.")
    press(no_script.page, "Delete endpoint")
    no_script.says("Endpoint deleted.")
    expect(no_script.row("Deleted, bare")).to_have_count(0)


@form("admin.send_test_event")
def submit_send_test_event(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "Tested, bare")
    send_test_event(no_script)
    no_script.says("Test event queued.")
    expect(no_script.page.locator("h1")).to_contain_text("sms_failed")


@form("admin.resend_webhook")
def submit_resend_webhook(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "Resent, bare")
    send_test_event(no_script)
    press(no_script.page, "Resend")
    no_script.says("Event queued to be sent again.")


@form("admin.resend_webhooks")
def submit_resend_webhooks(no_script: NoScriptBrowser) -> None:
    create_endpoint(no_script, "All resent, bare", "500")
    no_script.page.get_by_label("Since").fill("2026-01-01T00:00")
    press(no_script.page, "Resend events")
    expect(no_script.page.locator("#main")).to_contain_text(re.compile(r"\d events? queued"))
