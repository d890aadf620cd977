"""Connecting a provider in a browser: entering, testing, saving, enabling, sending and
archiving.
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from hub.core.vocabulary import Role
from tests.browser.conftest import State, Tabs
from tests.conftest import wait_until
from tests.live_hub import Hub

NEW = "/integrations/twilio_sms/new"


def fill_in(page: Page, hub: Hub, title: str, *, token: str = "") -> None:
    """Enter the simulator's account in the form of a new connection."""
    credentials = hub.credentials
    simulator = page.get_by_role("link", name="Use the simulator")
    if simulator.count():
        simulator.click()
    page.get_by_label("Name", exact=True).fill(title)
    page.get_by_label("Account SID").fill(credentials.account_sid)
    page.get_by_label("Auth Token", exact=True).fill(token or credentials.auth_token)
    page.get_by_label("From number or Messaging Service").fill(credentials.phone_number)


def connect(page: Page, hub: Hub, title: str) -> str:
    """Add a connection that is not enabled and return its address."""
    page.goto(NEW)
    fill_in(page, hub, title)
    press(page, "Save connection")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    return page.url


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def reload_until_visible(page: Page, element: Locator) -> None:
    """Reload the page until an element is visible, as a user without JavaScript does."""
    wait_until(lambda: element.is_visible() or (page.reload() is None))


def result_panel(page: Page) -> Locator:
    return page.locator("#test-result")


def test_admin_connects_twilio_and_a_text_is_delivered(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub, javascript: bool
) -> None:
    page = open_page(sign_in_user(), javascript=javascript)
    to = hub.number()
    page.goto("/integrations")
    page.get_by_role("link", name="Add another Twilio SMS").click()
    fill_in(page, hub, f"Acme {to}")
    press(page, "Test connection")
    expect(result_panel(page)).to_contain_text("Twilio is ready.")
    expect(result_panel(page)).to_contain_text("These settings are not saved yet.")
    expect(page).to_have_url(f"{hub.url}{NEW}?simulator=1")
    expect(page.get_by_label("Name", exact=True)).to_have_value(f"Acme {to}")
    expect(page.get_by_label("Account SID")).to_have_value(hub.credentials.account_sid)

    press(page, "Save connection")
    expect(page.get_by_text("Saved. Enable the connection to start sending")).to_be_visible()
    expect(page.locator("#setup-steps")).to_contain_text("Test, done")
    press(page, "Enable connection")
    expect(
        page.get_by_text("Enabled. Messages are sent over this connection from now on.")
    ).to_be_visible()
    expect(page.locator("#connection-state")).to_have_text("Enabled")

    page.get_by_label("Your mobile number").fill(to)
    press(page, "Send test message")
    delivered = page.locator("#send-result").get_by_text("Delivered", exact=True)
    if not javascript:
        reload_until_visible(page, delivered)
    expect(delivered).to_be_visible()
    page.get_by_role("link", name="View message").click()
    expect(page.get_by_text("Delivered in")).to_be_visible()

    page.goto(hub.phone_url(to))
    expect(page.locator("#phone")).to_contain_text(
        f"Test message from Signpost, sent over Acme {to}."
    )


def test_wrong_token_is_explained_and_input_is_preserved(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub, javascript: bool
) -> None:
    page = open_page(sign_in_user(), javascript=javascript)
    page.goto(NEW)
    fill_in(page, hub, "Mistyped", token="f" * 32)
    page.get_by_label("From number or Messaging Service").fill("+15005550099")
    press(page, "Test connection")
    expect(result_panel(page)).to_contain_text("Twilio rejected the Auth Token.")
    expect(result_panel(page)).to_contain_text("20003")
    expect(result_panel(page)).to_contain_text("Your changes are still here.")
    expect(page.get_by_label("Auth Token", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Mistyped")
    expect(page.get_by_label("Account SID")).to_have_value(hub.credentials.account_sid)
    expect(page.get_by_label("From number or Messaging Service")).to_have_value("+15005550099")
    expect(page.locator("#settings")).to_contain_text(
        "The credentials of the simulator are filled in."
    )

    page.get_by_label("Auth Token", exact=True).fill(hub.credentials.auth_token)
    press(page, "Test connection")
    expect(result_panel(page)).to_contain_text(
        "+15005550099 is not a number of this Twilio account."
    )
    page.get_by_label("From number or Messaging Service").fill(hub.credentials.phone_number)
    # without script the token was not echoed, and yet is not asked for again
    press(page, "Test connection")
    expect(result_panel(page)).to_contain_text("Twilio is ready.")


def test_stored_secret_is_never_shown_and_survives_a_blank_field(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    page = open_page(sign_in_user())
    connect(page, hub, "Kept secret")
    assert hub.credentials.auth_token not in page.content()
    expect(page.get_by_label("Auth Token", exact=True)).to_have_value("")
    expect(page.get_by_label("Auth Token", exact=True)).to_have_attribute(
        "placeholder", "Stored. Leave empty to keep it"
    )
    press(page, "Test connection")
    expect(result_panel(page)).to_contain_text("Twilio is ready.")
    expect(page.locator("#setup-steps")).to_contain_text("Test, done")

    page.get_by_label("Account SID").fill("AC" + "0" * 32)
    press(page, "Save changes")
    expect(page.locator("#auth_token-error")).to_contain_text("Auth Token")
    expect(page.get_by_label("Account SID")).to_have_value("AC" + "0" * 32)


def test_invalid_field_shows_its_error(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    page = open_page(sign_in_user())
    page.goto(NEW)
    fill_in(page, hub, "Mistyped")
    page.get_by_label("Account SID").fill("AC123")
    page.get_by_label("From number or Messaging Service").fill("317 555 0123")
    press(page, "Save connection")
    expect(page.locator("#account_sid-error")).to_contain_text("34 characters in total")
    expect(page.locator("#sender-error")).to_contain_text(
        "Enter + and the country code, followed by digits only"
    )
    expect(page.get_by_label("From number or Messaging Service")).to_have_value("317 555 0123")


def test_sixth_test_in_a_minute_is_refused_and_input_is_preserved(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub, javascript: bool
) -> None:
    page = open_page(sign_in_user(), javascript=javascript)
    page.goto(NEW)
    fill_in(page, hub, "Tried often")
    for _ in range(5):
        with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            press(page, "Test connection")
        assert answered.value.status == 200
        expect(page.get_by_role("button", name="Test connection")).to_be_enabled()
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        press(page, "Test connection")
    assert answered.value.status == 429
    assert 0 < int(answered.value.headers["retry-after"]) <= 60
    expect(result_panel(page)).to_contain_text(
        "You have tested the connection 5 times in a minute. Wait "
    )
    expect(page.get_by_label("Name", exact=True)).to_have_value("Tried often")
    expect(page.get_by_label("Account SID")).to_have_value(hub.credentials.account_sid)


def test_eleventh_save_in_a_minute_is_refused_and_input_is_preserved(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    page = open_page(sign_in_user(), javascript=False)
    connect(page, hub, "Saved often")
    for _ in range(9):
        press(page, "Save changes")
        expect(page.get_by_text("No changes to save.")).to_be_visible()
    page.get_by_label("From number or Messaging Service").fill("+15005550011")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        press(page, "Save changes")
    assert answered.value.status == 429
    expect(result_panel(page)).to_contain_text(
        "You have saved the connection 10 times in a minute. Wait "
    )
    expect(page.get_by_label("From number or Messaging Service")).to_have_value("+15005550011")


def test_sixth_test_message_in_a_minute_is_refused(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    page = open_page(sign_in_user(Role.OPERATOR))
    page.goto("/connections/demo-sms")
    page.get_by_label("Your mobile number").fill(hub.number())
    for status in (303, 303, 303, 303, 303, 429):
        with page.expect_response(lambda answer: answer.url.endswith("/send")) as answered:
            press(page, "Send test message")
        assert answered.value.status == status
        expect(page.locator("#send-one:not([aria-busy])")).to_be_visible()
    expect(page.locator("#send-result")).to_contain_text(
        "You have sent 5 test messages in a minute. Wait "
    )


def test_connection_is_renamed_disabled_and_archived(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    page = open_page(sign_in_user())
    connect(page, hub, "Acme old")
    press(page, "Enable connection")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Rename").click()
    page.get_by_label("Name", exact=True).fill("Acme new")
    page.get_by_label("Slug").fill("acme-new")
    press(page, "Rename connection")
    expect(page.get_by_role("heading", level=1)).to_have_text("Acme new")
    expect(page).to_have_url(f"{hub.url}/connections/acme-new")

    page.get_by_role("link", name="Disable connection").click()
    press(page, "Disable connection")
    expect(page.locator("#connection-state")).to_have_text("Disabled")
    expect(page.get_by_role("button", name="Send test message")).to_be_disabled()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("link", name="Archive…").click()
    press(page, "Archive Acme new")
    expect(page).to_have_url(f"{hub.url}/integrations")
    expect(page.get_by_text("Acme new is archived.")).to_be_visible()
    expect(page.get_by_role("link", name="Acme new")).to_have_count(0)


def test_webhook_address_can_be_copied(admin_page: Page, hub: Hub) -> None:
    admin_page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    admin_page.goto("/connections/demo-sms")
    admin_page.get_by_role("button", name="Copy").nth(1).click()  # after that for incoming messages
    expect(admin_page.get_by_text("Copied")).to_be_visible()
    assert (
        admin_page.evaluate("navigator.clipboard.readText()")
        == f"{hub.url}/api/rpc/webhooks/twilio/sms"
    )


def test_simulator_credentials_are_filled_in(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub, javascript: bool
) -> None:
    page = open_page(sign_in_user(), javascript=javascript)
    page.goto(NEW)
    page.get_by_role("link", name="Use the simulator").click()
    expect(page.get_by_label("Account SID")).to_have_value(hub.credentials.account_sid)
    assert hub.credentials.auth_token not in page.content()
    page.get_by_label("Name", exact=True).fill(f"Filled in {javascript}")
    press(page, "Save connection")
    expect(page.locator("#connection-state").locator("xpath=..")).to_contain_text("Simulator")
    press(page, "Enable connection")
    expect(page.locator("#connection-state")).to_have_text("Enabled")
    steps = page.locator("#setup-steps li").all_inner_texts()
    assert [step.partition(",")[0].strip() for step in steps] == [
        "1. Settings",
        "2. Test",
        "3. Enabled",
        "4. Test message",
    ]


def test_broken_connection_is_retested_and_enabled_from_its_banner(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub, javascript: bool
) -> None:
    page = open_page(sign_in_user(), javascript=javascript)
    connect(page, hub, f"Breaks {javascript}")
    press(page, "Enable connection")
    page.get_by_label("Auth Token", exact=True).fill("f" * 32)
    press(page, "Save changes")
    expect(page.locator("#connection-state")).to_have_text("Broken")
    press(page, "Test again")
    expect(page.locator("#connection-state")).to_have_text("Broken")
    page.get_by_label("Auth Token", exact=True).fill(hub.credentials.auth_token)
    press(page, "Save changes")
    expect(page.locator("#connection-state")).to_have_text("Enabled")
