"""Forms of connections, used without script."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.script_free import Bare, form
from tests.browser.test_connecting import fill_in, press, until_shown


@form("admin.add_connection")
def _(bare: Bare) -> None:
    bare.page.goto("/integrations/twilio_sms/new")
    fill_in(bare.page, bare.hub, "Added bare")
    bare.page.get_by_label("Account SID").fill("AC123")
    press(bare.page, "Save connection")
    bare.says("34 characters in total")
    fill_in(bare.page, bare.hub, "Added bare")
    press(bare.page, "Test connection")
    bare.says("Twilio is ready.")
    press(bare.page, "Save connection")
    bare.says("Saved. Enable the connection to start sending")


@form("admin.change_connection")
def _(bare: Bare) -> None:
    bare.connection("Changed bare")
    press(bare.page, "Test connection")
    bare.says("Twilio is ready.")
    bare.page.get_by_label("From number or Messaging Service").fill(
        bare.hub.credentials.messaging_service_sid
    )
    press(bare.page, "Save changes")
    bare.says("Saved. Test the connection, then enable it.")
    expect(bare.page.get_by_label("From number or Messaging Service")).to_have_value(
        bare.hub.credentials.messaging_service_sid
    )


@form("admin.retest_connection")
def _(bare: Bare) -> None:
    bare.connection("Retested bare", enabled=True)
    bare.page.get_by_label("Auth Token", exact=True).fill("f" * 32)
    press(bare.page, "Save changes")
    bare.says("Twilio rejected the Auth Token.")
    press(bare.page, "Test again")
    bare.says("Twilio rejected the Auth Token.")


@form("admin.enable_connection")
def _(bare: Bare) -> None:
    bare.connection("Enabled bare")
    press(bare.page, "Enable connection")
    bare.says("Enabled. Messages are sent over this connection from now on.")


@form("admin.disable_connection")
def _(bare: Bare) -> None:
    bare.connection("Disabled bare", enabled=True)
    bare.page.get_by_role("link", name="Disable connection").click()
    bare.says("Messages that are queued for it wait until you enable it again.")
    press(bare.page, "Disable connection")
    bare.says("Disabled. Waiting messages are kept until you enable it again.")


@form("admin.send_one")
def _(bare: Bare) -> None:
    bare.page.goto("/connections/demo-sms")
    bare.page.get_by_label("Your mobile number").fill("317 555 0100")
    press(bare.page, "Send test message")
    expect(bare.page.locator("#to-error")).to_contain_text("+")
    bare.page.get_by_label("Your mobile number").fill(bare.hub.number())
    press(bare.page, "Send test message")
    until_shown(bare.page, bare.page.locator("#send-result").get_by_text("Delivered", exact=True))


@form("admin.rename_connection")
def _(bare: Bare) -> None:
    bare.page.goto(bare.connection("Named bare") + "/rename")
    bare.page.get_by_label("Name in the API").fill("Not a slug")
    press(bare.page, "Rename connection")
    bare.says("Use lowercase letters, digits and single dashes")
    bare.page.get_by_label("Name in the API").fill("renamed-bare")
    press(bare.page, "Rename connection")
    bare.says("Renamed.")


@form("admin.archive_connection")
def _(bare: Bare) -> None:
    bare.page.goto(bare.connection("Archived bare") + "/archive")
    press(bare.page, "Archive Archived bare")
    bare.says("Archived bare is archived.")
