"""Forms of oneself and of the settings, used without script."""

from __future__ import annotations

from playwright.sync_api import expect

from hub.core.vocabulary import Role
from tests.browser.script_free import Bare, form, newest_talk
from tests.browser.test_connecting import press
from tests.browser.test_entrance import sign_in
from tests.conftest import PASSWORD


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
    page.locator("#time_zone").select_option("Europe/Berlin")
    press(page, "Save changes")
    expect(page.get_by_text("Changes saved.")).to_be_visible()
    expect(page.locator("#time_zone")).to_have_value("Europe/Berlin")


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
