"""Forms of the account and settings pages, submitted without JavaScript."""

from __future__ import annotations

from playwright.sync_api import expect

from hub.core.vocabulary import Role
from tests.browser.no_script_browser import NoScriptBrowser, form, open_newest_conversation
from tests.browser.test_connecting import press
from tests.browser.test_sign_in_page import sign_in
from tests.conftest import PASSWORD


# ── Oneself ───────────────────────────────────────────────────────────────────────────────────────
@form("admin.sign_in")
def submit_sign_in(no_script: NoScriptBrowser) -> None:
    page = no_script.tabs(javascript=False)
    page.goto("/")
    sign_in(page, "dana@acme.example", "a wrong one")
    expect(page.get_by_role("alert")).to_contain_text(
        "The email address and password do not match."
    )
    sign_in(page, "dana@acme.example")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()


@form("admin.sign_out")
def submit_sign_out(no_script: NoScriptBrowser) -> None:
    page = no_script.tabs(no_script.somebody(), javascript=False)
    page.goto("/")
    press(page, "Sign out")
    expect(page.get_by_text("You are signed out.")).to_be_visible()


@form("admin.account")
def submit_account(no_script: NoScriptBrowser) -> None:
    page = no_script.tabs(no_script.somebody(Role.VIEWER), javascript=False)
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
def submit_set_time_zone(no_script: NoScriptBrowser) -> None:
    page = no_script.tabs(no_script.somebody(), javascript=False)
    page.goto("/account")
    page.locator("#time_zone").select_option("Europe/Berlin")
    press(page, "Save changes")
    expect(page.get_by_text("Changes saved.")).to_be_visible()
    expect(page.locator("#time_zone")).to_have_value("Europe/Berlin")


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
@form("admin.change_branding")
def submit_change_branding(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/sources/default/branding")
    no_script.page.get_by_label("Button color").fill("teal")
    press(no_script.page, "Save changes")
    expect(no_script.page.locator("#color-error")).not_to_be_empty()
    no_script.page.get_by_label("Button color").fill("#0f766e")
    press(no_script.page, "Save changes")
    no_script.says("Changes saved.")
    expect(no_script.page.get_by_label("Button color")).to_have_value("#0f766e")


@form("admin.add_api_key")
def submit_add_api_key(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/api-keys")
    no_script.page.get_by_label("Name", exact=True).fill("Contracts, bare")
    press(no_script.page, "Create API key")
    no_script.says("API key for Contracts, bare created.")
    no_script.says("sp_test_")


@form("admin.edit_api_key")
def submit_edit_api_key(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/api-keys")
    no_script.page.get_by_label("Name", exact=True).fill("Narrow, bare")
    press(no_script.page, "Create API key")
    no_script.row("Narrow, bare").get_by_role("link", name="Edit").click()
    no_script.page.get_by_label("messages:write").uncheck()
    press(no_script.page, "Save changes")
    no_script.says("Changes saved.")
    expect(no_script.row("Narrow, bare")).to_contain_text("messages:read")
    expect(no_script.row("Narrow, bare")).not_to_contain_text("messages:write")


@form("admin.add_source")
def submit_add_source(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/sources")
    no_script.page.get_by_label("Name", exact=True).fill("Leases, bare")
    press(no_script.page, "Add source")
    no_script.says("Source added.")


@form("admin.change_source")
def submit_change_source(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/sources")
    no_script.page.get_by_label("Name", exact=True).fill("Rents, bare")
    press(no_script.page, "Add source")
    no_script.page.get_by_label("Name", exact=True).fill("Rents and more")
    no_script.page.get_by_label("apply to every source").check()
    press(no_script.page, "Save changes")
    no_script.says("Changes saved.")
    no_script.page.goto("/settings/sources")
    expect(no_script.row("Rents and more")).to_contain_text("Every source")


@form("admin.revoke_api_key")
def submit_revoke_api_key(no_script: NoScriptBrowser) -> None:
    no_script.page.goto("/settings/api-keys")
    no_script.page.get_by_label("Name", exact=True).fill("Leaked, bare")
    press(no_script.page, "Create API key")
    no_script.row("Leaked, bare").get_by_role("link", name="Revoke").click()
    no_script.says("You cannot undo this.")
    press(no_script.page, "Revoke API key")
    no_script.says("Key revoked.")
    expect(no_script.row("Leaked, bare")).to_contain_text("Revoked")


@form("admin.add_user")
def submit_add_user(no_script: NoScriptBrowser) -> None:
    no_script.new_user("Ada Bare")
    no_script.says("Password link created for Ada Bare.")
    no_script.says("/password/")


@form("admin.change_role")
def submit_change_role(no_script: NoScriptBrowser) -> None:
    no_script.new_user("Bo Bare")
    no_script.change("Bo Bare", "Change role to operator")
    no_script.says("Bo Bare is now an operator.")


@form("admin.deactivate_user")
def submit_deactivate_user(no_script: NoScriptBrowser) -> None:
    no_script.new_user("Cy Bare")
    no_script.deactivate("Cy Bare")
    no_script.says("Cy Bare is signed out and can no longer sign in.")


@form("admin.reactivate_user")
def submit_reactivate_user(no_script: NoScriptBrowser) -> None:
    no_script.new_user("Di Bare")
    no_script.deactivate("Di Bare")
    no_script.change("Di Bare", "Reactivate")
    no_script.says("Di Bare can sign in again.")


@form("admin.new_password_link")
def submit_new_password_link(no_script: NoScriptBrowser) -> None:
    no_script.new_user("Ed Bare")
    no_script.change("Ed Bare", "Create password link")
    no_script.says("Password link created for Ed Bare.")


@form("admin.set_password")
def submit_set_password(no_script: NoScriptBrowser) -> None:
    no_script.new_user("Flo Bare")
    page = no_script.tabs(javascript=False)
    page.goto(no_script.page.locator(".sp-copyline code").inner_text())
    page.get_by_label("Password").fill("short")
    press(page, "Set password and sign in")
    expect(page.locator("#password-error, :invalid").first).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Set password and sign in")
    expect(page.locator(".sp-who")).to_contain_text("Flo Bare")


@form("admin.change_connection_rules")
def submit_change_connection_rules(no_script: NoScriptBrowser) -> None:
    no_script.page.goto(no_script.connection("Ruled bare") + "/rules")
    no_script.page.get_by_label("Allowed countries").fill("US, UK")
    press(no_script.page, "Save changes")
    expect(no_script.page.locator("#countries-error")).to_contain_text("“UK” is not a country")
    expect(no_script.page.get_by_label("Allowed countries")).to_have_value("US, UK")
    no_script.page.get_by_label("Allowed countries").fill("us, gb")
    no_script.page.get_by_label("Messages per hour").fill("5")
    press(no_script.page, "Save changes")
    no_script.says("Changes saved.")
    expect(no_script.page.get_by_label("Allowed countries")).to_have_value("GB, US")


@form("admin.erase_contact")
def submit_erase_contact(no_script: NoScriptBrowser) -> None:
    open_newest_conversation(no_script, "Forget me, bare.")
    no_script.page.get_by_role("link", name="View contact").click()
    no_script.page.goto(no_script.page.url + "/erase")
    press(no_script.page, "Erase permanently")
    expect(no_script.page.locator("#why-error, :invalid").first).to_be_visible()
    no_script.page.get_by_label("Request for erasure").fill("The person, on the phone.")
    press(no_script.page, "Erase permanently")
    no_script.says("Erased")
    no_script.says("The remaining records identify no one.")
