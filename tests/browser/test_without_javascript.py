"""Every form there is, in a browser that runs no script: it posts, and its page says what came of
it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import pytest
from flask import Flask
from playwright.sync_api import Browser, Locator, Page, expect

from hub.core.vocabulary import Role
from tests.browser.conftest import State, Tabs
from tests.browser.test_connecting import connect, fill_in, press, until_shown
from tests.browser.test_entrance import sign_in
from tests.conftest import PASSWORD
from tests.live_hub import Hub

# the first admin's form is used without script by the fixture that everybody here begins with; no
# integration offers an action yet; the last three are plain forms that need damage or two
# identities, which the tests of their pages make
ELSEWHERE = {
    "admin.first_admin",
    "admin.connection_action",
    "admin.confirm_clock",
    "admin.retry_row",
    "admin.undo_link",
}


@dataclass
class Bare:
    """An admin's browser without script, and what else a form may need."""

    page: Page
    hub: Hub
    tabs: Tabs
    somebody: Callable[..., State]

    def says(self, text: str) -> None:
        expect(self.page.locator("#main")).to_contain_text(text)

    def connection(self, title: str, *, enabled: bool = False) -> str:
        address = connect(self.page, self.hub, title)
        if enabled:
            press(self.page, "Enable connection")
        return address

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    def new_user(self, name: str) -> None:
        self.page.goto("/settings/users")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Email").fill(f"{name.replace(' ', '.').lower()}@acme.example")
        press(self.page, "Add user")

    def change(self, name: str, what: str) -> None:
        self.page.goto("/settings/users")
        self.row(name).get_by_text("Change", exact=True).click()
        self.row(name).get_by_role("button", name=what).click()

    def deactivate(self, name: str) -> None:
        self.page.goto("/settings/users")
        self.row(name).get_by_text("Change", exact=True).click()
        self.row(name).get_by_role("link", name="Deactivate").click()
        press(self.page, "Deactivate user")


FORMS: dict[str, Callable[[Bare], None]] = {}


def form(view: str) -> Callable[[Callable[[Bare], None]], Callable[[Bare], None]]:
    """Say which view a function posts to."""

    def declare(use: Callable[[Bare], None]) -> Callable[[Bare], None]:
        FORMS[view] = use
        return use

    return declare


@pytest.fixture(scope="module")
def windows(browser: Browser, hub: Hub, admin: State) -> Iterator[Tabs]:
    tabs = Tabs(browser, hub)
    yield tabs
    tabs.close()


@pytest.fixture(scope="module")
def admins_windows(windows: Tabs, somebody: Callable[..., State]) -> Iterator[Page]:
    """Take turns between two admins: one alone would save too often in a minute."""
    return cycle([windows(somebody(), javascript=False), windows(somebody(), javascript=False)])


@pytest.fixture
def bare(
    admins_windows: Iterator[Page], windows: Tabs, hub: Hub, somebody: Callable[..., State]
) -> Bare:
    return Bare(next(admins_windows), hub, windows, somebody)


# ── Oneself ───────────────────────────────────────────────────────────────────────────────────────
@form("admin.sign_in")
def _(bare: Bare) -> None:
    page = bare.tabs(javascript=False)
    page.goto("/")
    sign_in(page, "dana@acme.example", "a wrong one")
    expect(page.get_by_role("alert")).to_contain_text(
        "The email address and password do not match."
    )
    sign_in(page, "dana@acme.example")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


@form("admin.sign_out")
def _(bare: Bare) -> None:
    page = bare.tabs(bare.somebody(), javascript=False)
    page.goto("/")
    press(page, "Sign out")
    expect(page.get_by_text("You are signed out.")).to_be_visible()


@form("admin.account")
def _(bare: Bare) -> None:
    page = bare.tabs(bare.somebody(Role.VIEWER), javascript=False)
    page.goto("/account")
    page.get_by_label("Current password").fill("a wrong one")
    page.get_by_label("New password").fill("four other words entirely")
    press(page, "Change password")
    expect(page.locator("#current-error")).not_to_be_empty()
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("four other words entirely")
    press(page, "Change password")
    expect(page.get_by_text("Password changed")).to_be_visible()


@form("admin.set_time_zone")
def _(bare: Bare) -> None:
    page = bare.tabs(bare.somebody(), javascript=False)
    page.goto("/account")
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    press(page, "Save changes")
    expect(page.get_by_text("Changes saved.")).to_be_visible()
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")


# ── Connections ───────────────────────────────────────────────────────────────────────────────────
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


# ── Messages and requests ─────────────────────────────────────────────────────────────────────────
@form("admin.resend_message")
def _(bare: Bare) -> None:
    message_id = bare.hub.message("+15005550011", "Once more, bare")
    bare.hub.settled(message_id, "undelivered")
    bare.page.goto(f"/messages/{message_id}")
    press(bare.page, "Resend message")
    expect(bare.page.locator(".sp-leg")).to_have_count(2)


@form("admin.cancel_message")
def _(bare: Bare) -> None:
    slug = bare.connection("Canceled bare", enabled=True).rpartition("/")[2]
    bare.hub.make_trouble(refuse=10_000)
    try:
        message_id = bare.hub.message(bare.hub.number(), connection=slug)
        bare.page.goto(f"/messages/{message_id}")
        until_shown(bare.page, bare.page.get_by_role("heading", name="Next attempt at"))
        press(bare.page, "Cancel message")
        bare.says("Message canceled. It was not sent.")
    finally:
        bare.hub.make_trouble(refuse=0)


@form("admin.lift_suppression")
def _(bare: Bare) -> None:
    message_id = bare.hub.message("+15005550004", "Stopped, bare")
    if bare.hub.settled(message_id, "failed", "suppressed")["status"] == "failed":
        message_id = bare.hub.message("+15005550004", "Stopped again, bare")
    bare.page.goto(f"/messages/{message_id}")
    bare.page.get_by_role("link", name="Allow messages to this recipient again").click()
    press(bare.page, "Allow messages to this recipient again")
    bare.says("Opt-out removed.")


@form("admin.remind")
def _(bare: Bare) -> None:
    _, answer = bare.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": bare.hub.number()}
    )
    bare.page.goto(f"/requests/{bare.hub.settled(answer['messages'][0]['id'])['request']}")
    press(bare.page, "Remind everyone who has not signed")
    bare.says("1 reminder queued.")


@form("admin.signer_action")
def _(bare: Bare) -> None:
    _, answer = bare.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": bare.hub.number()}
    )
    bare.page.goto(f"/requests/{bare.hub.settled(answer['messages'][0]['id'])['request']}")
    press(bare.page, "Snooze for a day")
    bare.says("Reminders snoozed until")
    press(bare.page, "Resume reminders")
    bare.says("Snooze ended. Reminders can be sent again.")
    press(bare.page, "Invite to a chat")
    expect(bare.page.get_by_text("It works once and expires")).to_be_visible()


@form("admin.confirm_action")
def _(bare: Bare) -> None:
    bare.hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": bare.hub.number()},
        title="Pressed bare",
    )
    page = bare.tabs(javascript=False)
    page.goto(f"{bare.hub.simulator_url}/simulator/teams")
    card = page.locator("article, li, .sp-post").filter(has_text="Pressed bare").last
    until_shown(page, card)
    page.goto(card.get_by_role("link", name="Snooze a day").get_attribute("href") or "")
    press(page, "Snooze reminders to Anna Berg for a day")
    expect(page.get_by_role("heading", name="Done.")).to_be_visible()


@form("admin.change_posts")
def _(bare: Bare) -> None:
    bare.page.goto("/connections/demo-telegram")
    bare.page.get_by_label("Reminder sent to signers").check()
    press(bare.page, "Save events")
    bare.says("Changes saved. They apply from the next event on.")
    expect(bare.page.get_by_label("Reminder sent to signers")).to_be_checked()


@form("admin.invite_team")
def _(bare: Bare) -> None:
    bare.page.goto("/connections/demo-telegram")
    press(bare.page, "Create link for another group")
    expect(bare.page.get_by_text("?startgroup=")).to_be_visible()


@form("admin.replay_message")
def _(bare: Bare) -> None:
    message_id = bare.hub.message(bare.hub.number(), "Told again, bare")
    bare.hub.settled(message_id)
    bare.page.goto(f"/messages/{message_id}")
    bare.page.locator("#raw summary").click()
    press(bare.page, "Replay callbacks")
    bare.says("Nothing was missed.")


@form("admin.replay_receipt")
def _(bare: Bare) -> None:
    sid = f"SM{secrets.token_hex(16)}"
    bare.hub.call_back(sid, "delivered")
    bare.page.goto("/receipts")
    until_shown(bare.page, bare.row(sid))
    bare.row(sid).get_by_role("button", name="Replay").click()
    bare.says("1 callback could not be processed.")


# ── Inbox and templates ───────────────────────────────────────────────────────────────────────────
def newest_talk(bare: Bare, text: str) -> None:
    """Let somebody write, and open the conversation."""
    bare.hub.hear(bare.hub.number(), text)
    bare.page.goto("/inbox")
    bare.row(text).get_by_role("link").first.click()


@form("admin.answer")
def _(bare: Bare) -> None:
    newest_talk(bare, "Is this final, bare?")
    bare.page.get_by_label("Your reply").fill("  ")
    press(bare.page, "Send reply")
    expect(bare.page.locator("#text-error")).to_contain_text("Enter the text of the reply.")
    bare.page.get_by_label("Your reply").fill("Yes, it is, bare.")
    press(bare.page, "Send reply")
    expect(bare.page.locator(".sp-talk li").last).to_contain_text("Yes, it is, bare.")


@form("admin.mark_read")
def _(bare: Bare) -> None:
    newest_talk(bare, "Just so that you know, bare.")
    press(bare.page, "Mark as read")
    expect(bare.row("Just so that you know, bare.").locator("strong")).to_have_count(0)


@form("admin.add_suppression")
def _(bare: Bare) -> None:
    bare.page.goto("/opt-outs")
    bare.page.get_by_label("Phone number or email address").fill("317 555 0100")
    press(bare.page, "Add opt-out")
    expect(bare.page.locator("#address-error")).to_contain_text("+")
    bare.page.get_by_label("Phone number or email address").fill("+13175550188")
    press(bare.page, "Add opt-out")
    bare.says("is opted out. It receives no messages")


@form("admin.remove_opt_out")
def _(bare: Bare) -> None:
    bare.page.goto("/opt-outs")
    bare.page.get_by_label("Phone number or email address").fill("+13175550189")
    press(bare.page, "Add opt-out")
    bare.row("+13175550189").get_by_role("link", name="Remove opt-out").click()
    press(bare.page, "Remove opt-out")
    expect(bare.page.locator("#why-error")).to_contain_text("Enter the reason")
    bare.page.get_by_label("Reason").fill("Asked us on the phone.")
    press(bare.page, "Remove opt-out")
    bare.says("This address can receive messages again.")


@form("admin.import_suppressions")
def _(bare: Bare) -> None:
    bare.page.goto("/opt-outs")
    lines = b"address,channel,why\n+13175550190,,Old list\nnonsense,sms,\n"
    bare.page.get_by_label("CSV file").set_input_files(
        {"name": "old.csv", "mimeType": "text/csv", "buffer": lines}
    )
    press(bare.page, "Import file")
    bare.says("1 address was opted out.")
    bare.says("Line 3:")


@form("admin.save_opt_out_rules")
def _(bare: Bare) -> None:
    bare.page.goto("/settings/opt-out-words")
    bare.page.get_by_label("Additional words for STOP").fill("ABMELDEN")
    press(bare.page, "Save changes")
    expect(bare.page.locator("#stop-error")).to_contain_text("de: ABMELDEN")
    bare.page.get_by_label("Additional words for STOP").fill("de: ABMELDEN, STOPP")
    press(bare.page, "Save changes")
    bare.says("Changes saved.")
    expect(bare.page.get_by_label("Additional words for STOP")).to_have_value("de: ABMELDEN, STOPP")


@form("admin.record_consent")
def _(bare: Bare) -> None:
    newest_talk(bare, "You may write to me, bare.")
    bare.page.get_by_role("link", name="View contact").click()
    press(bare.page, "Record consent")
    expect(bare.page.locator("#proof-error, :invalid").first).to_be_visible()
    bare.page.get_by_label("Evidence").fill("Said so on the phone.")
    press(bare.page, "Record consent")
    bare.says("Consent decision recorded")
    expect(bare.row("Recorded manually")).to_contain_text("Consent given")


@form("admin.sync_templates")
def _(bare: Bare) -> None:
    bare.page.goto("/templates")
    press(bare.page, "Refresh templates")
    bare.says("Fetched 9 templates.")


@form("admin.map_template")
def _(bare: Bare) -> None:
    bare.page.goto("/templates")
    bare.row("request_sent_pt_BR").get_by_role("link", name="Map template").click()
    bare.page.get_by_label("{{2}}").select_option("title")
    press(bare.page, "Preview")
    expect(bare.page.locator("#preview")).to_contain_text("Employment Agreement enviou")
    bare.page.get_by_label("{{2}}").select_option("sender")
    bare.page.get_by_label("Language").fill("pt")
    press(bare.page, "Save mapping")
    bare.says("request_sent_pt_BR is now used for")


@form("admin.unmap_template")
def _(bare: Bare) -> None:
    bare.page.goto("/templates")
    bare.row("request_signed_actor_en_US").get_by_role("link", name="Remove mapping").click()
    press(bare.page, "Remove mapping")
    bare.says("Mapping removed. Signpost no longer sends this template outside the 24-hour window.")


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
@form("admin.add_api_key")
def _(bare: Bare) -> None:
    bare.page.goto("/settings/api-keys")
    bare.page.get_by_label("Name", exact=True).fill("Contracts, bare")
    press(bare.page, "Create API key")
    bare.says("API key for Contracts, bare created.")
    bare.says("sp_test_")


@form("admin.edit_api_key")
def _(bare: Bare) -> None:
    bare.page.goto("/settings/api-keys")
    bare.page.get_by_label("Name", exact=True).fill("Narrow, bare")
    press(bare.page, "Create API key")
    bare.row("Narrow, bare").get_by_role("link", name="Edit").click()
    bare.page.get_by_label("messages:write").uncheck()
    press(bare.page, "Save changes")
    bare.says("Changes saved.")
    expect(bare.row("Narrow, bare")).to_contain_text("messages:read")
    expect(bare.row("Narrow, bare")).not_to_contain_text("messages:write")


@form("admin.add_source")
def _(bare: Bare) -> None:
    bare.page.goto("/settings/sources")
    bare.page.get_by_label("Name", exact=True).fill("Leases, bare")
    press(bare.page, "Add source")
    bare.says("Source added.")


@form("admin.change_source")
def _(bare: Bare) -> None:
    bare.page.goto("/settings/sources")
    bare.page.get_by_label("Name", exact=True).fill("Rents, bare")
    press(bare.page, "Add source")
    bare.page.get_by_label("Name", exact=True).fill("Rents and more")
    bare.page.get_by_label("apply to every source").check()
    press(bare.page, "Save changes")
    bare.says("Changes saved.")
    bare.page.goto("/settings/sources")
    expect(bare.row("Rents and more")).to_contain_text("Every source")


@form("admin.revoke_api_key")
def _(bare: Bare) -> None:
    bare.page.goto("/settings/api-keys")
    bare.page.get_by_label("Name", exact=True).fill("Leaked, bare")
    press(bare.page, "Create API key")
    bare.row("Leaked, bare").get_by_role("link", name="Revoke").click()
    bare.says("You cannot undo this.")
    press(bare.page, "Revoke API key")
    bare.says("Key revoked.")
    expect(bare.row("Leaked, bare")).to_contain_text("Revoked")


@form("admin.add_user")
def _(bare: Bare) -> None:
    bare.new_user("Ada Bare")
    bare.says("Ada Bare can now choose a password.")
    bare.says("/password/")


@form("admin.change_role")
def _(bare: Bare) -> None:
    bare.new_user("Bo Bare")
    bare.change("Bo Bare", "Change role to operator")
    bare.says("Bo Bare is now an operator.")


@form("admin.deactivate_user")
def _(bare: Bare) -> None:
    bare.new_user("Cy Bare")
    bare.deactivate("Cy Bare")
    bare.says("Cy Bare is signed out and can no longer sign in.")


@form("admin.reactivate_user")
def _(bare: Bare) -> None:
    bare.new_user("Di Bare")
    bare.deactivate("Di Bare")
    bare.change("Di Bare", "Reactivate")
    bare.says("Di Bare can sign in again.")


@form("admin.new_password_link")
def _(bare: Bare) -> None:
    bare.new_user("Ed Bare")
    bare.change("Ed Bare", "Create password link")
    bare.says("Ed Bare can now choose a password.")


@form("admin.set_password")
def _(bare: Bare) -> None:
    bare.new_user("Flo Bare")
    page = bare.tabs(javascript=False)
    page.goto(bare.page.locator(".sp-copyline code").inner_text())
    page.get_by_label("Password").fill("short")
    press(page, "Set password and sign in")
    expect(page.locator("#password-error, :invalid").first).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Set password and sign in")
    expect(page.locator(".sp-who")).to_contain_text("Flo Bare")


@pytest.mark.parametrize("view", FORMS)
def test_a_form_works_without_javascript(view: str, bare: Bare) -> None:
    FORMS[view](bare)


def test_every_form_is_tried(app: Flask) -> None:
    views = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {view for view in views if view.startswith("admin.")} == FORMS.keys() | ELSEWHERE


@form("admin.change_connection_rules")
def _(bare: Bare) -> None:
    bare.page.goto(bare.connection("Ruled bare") + "/rules")
    bare.page.get_by_label("Allowed countries").fill("US, UK")
    press(bare.page, "Save changes")
    expect(bare.page.locator("#countries-error")).to_contain_text("'UK' is not a country")
    expect(bare.page.get_by_label("Allowed countries")).to_have_value("US, UK")
    bare.page.get_by_label("Allowed countries").fill("us, gb")
    bare.page.get_by_label("Per hour").fill("5")
    press(bare.page, "Save changes")
    bare.says("Changes saved.")
    expect(bare.page.get_by_label("Allowed countries")).to_have_value("GB, US")


@form("admin.erase_contact")
def _(bare: Bare) -> None:
    newest_talk(bare, "Forget me, bare.")
    bare.page.get_by_role("link", name="View contact").click()
    bare.page.goto(bare.page.url + "/erase")
    press(bare.page, "Erase permanently")
    expect(bare.page.locator("#why-error, :invalid").first).to_be_visible()
    bare.page.get_by_label("Request for erasure").fill("The person, on the phone.")
    press(bare.page, "Erase permanently")
    bare.says("Erased")
    bare.says("The remaining records identify no one.")
