"""Forms of connection pages, submitted without JavaScript."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.no_script_browser import NoScriptBrowser, form
from tests.browser.test_connecting import fill_in, press, reload_until_visible


@form("admin.add_connection")
def submit_add_connection(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/integrations/twilio_sms/new")
    fill_in(no_script.page, no_script.hub, "Added bare")
    no_script.page.get_by_label("Account SID").fill("AC123")
    press(no_script.page, "Save connection")
    no_script.says("34 characters in total")
    fill_in(no_script.page, no_script.hub, "Added bare")
    press(no_script.page, "Test connection")
    no_script.says("Twilio is ready.")
    press(no_script.page, "Save connection")
    no_script.says("Saved. Enable the connection to start sending")


@form("admin.change_connection")
def submit_change_connection(no_script: NoScriptBrowser) -> None:
    no_script.connection("Changed bare")
    press(no_script.page, "Test connection")
    no_script.says("Twilio is ready.")
    no_script.page.get_by_label("From number or Messaging Service").fill(
        no_script.hub.credentials.messaging_service_sid
    )
    press(no_script.page, "Save changes")
    no_script.says("Saved. Test the connection, then enable it.")
    expect(no_script.page.get_by_label("From number or Messaging Service")).to_have_value(
        no_script.hub.credentials.messaging_service_sid
    )


@form("admin.retest_connection")
def submit_retest_connection(no_script: NoScriptBrowser) -> None:
    no_script.connection("Retested bare", enabled=True)
    no_script.page.get_by_label("Auth Token", exact=True).fill("f" * 32)
    press(no_script.page, "Save changes")
    no_script.says("Twilio rejected the Auth Token.")
    press(no_script.page, "Test again")
    no_script.says("Twilio rejected the Auth Token.")


@form("admin.enable_connection")
def submit_enable_connection(no_script: NoScriptBrowser) -> None:
    no_script.connection("Enabled bare")
    press(no_script.page, "Enable connection")
    no_script.says("Enabled. Messages are sent over this connection from now on.")


@form("admin.disable_connection")
def submit_disable_connection(no_script: NoScriptBrowser) -> None:
    no_script.connection("Disabled bare", enabled=True)
    no_script.page.get_by_role("link", name="Disable connection").click()
    no_script.says("Messages that are queued for it wait until you enable it again.")
    press(no_script.page, "Disable connection")
    no_script.says("Disabled. Messages stay queued until you enable the connection again.")


@form("admin.send_test_message")
def submit_send_one(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/connections/demo-sms")
    no_script.page.get_by_label("Your mobile number").fill("317 555 0100")
    press(no_script.page, "Send test message")
    expect(no_script.page.locator("#to-error")).to_contain_text("+")
    no_script.page.get_by_label("Your mobile number").fill(no_script.hub.number())
    press(no_script.page, "Send test message")
    reload_until_visible(
        no_script.page, no_script.page.locator("#send-result").get_by_text("Delivered", exact=True)
    )


@form("admin.rename_connection")
def submit_rename_connection(no_script: NoScriptBrowser) -> None:
    no_script.page.goto(no_script.connection("Named bare") + "/rename")
    no_script.page.get_by_label("Slug").fill("Not a slug")
    press(no_script.page, "Rename connection")
    no_script.says("Use lowercase letters, digits and single dashes")
    no_script.page.get_by_label("Slug").fill("renamed-bare")
    press(no_script.page, "Rename connection")
    no_script.says("Renamed.")


@form("admin.archive_connection")
def submit_archive_connection(no_script: NoScriptBrowser) -> None:
    no_script.page.goto(no_script.connection("Archived bare") + "/archive")
    press(no_script.page, "Archive Archived bare")
    no_script.says("Archived bare is archived.")


@form("admin.change_connection_source")
def submit_change_connection_source(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/integrations/pactsafe/new?simulator=1")
    no_script.page.get_by_label("Name", exact=True).fill("Bare leases")
    press(no_script.page, "Save connection")
    no_script.page.get_by_label("Source", exact=True).select_option("Default")
    press(no_script.page, "Save source")
    no_script.says("Changes saved. They apply to new events.")
