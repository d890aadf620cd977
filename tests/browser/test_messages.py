"""Messages and requests in a browser: delivery, failures with their reasons, and remedies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from hub.core.vocabulary import Role
from tests.browser.conftest import State, Tabs
from tests.browser.test_connecting import connect, press
from tests.live_hub import Hub
from tests.short_link_steps import follow


@pytest.fixture
def set_faults(hub: Hub) -> Iterator[Callable[..., None]]:
    """Return a function that makes the provider fail or delay calls until the test ends."""
    yield hub.set_faults
    hub.set_faults(refuse=0, latency_ms=0)


def test_open_page_shows_the_delivery_of_its_message(
    admin_page: Page, hub: Hub, set_faults: Callable[..., None]
) -> None:
    to = hub.number()
    set_faults(latency_ms=1500)
    request_id, answer = hub.request(
        {"id": "anna", "name": "Anna Berg", "mobile_number": to}, title="Lease, 12 Harbour Street"
    )
    admin_page.goto(f"/messages/{answer['messages'][0]['id']}")
    expect(admin_page.get_by_role("heading", level=1)).to_have_text("Message to Anna Berg")
    expect(admin_page.get_by_role("heading", name="Delivered in")).to_have_count(0)
    expect(admin_page.get_by_role("heading", name="Delivered in")).to_be_visible()
    story = admin_page.locator(".sp-timeline").get_by_role("heading").all_text_contents()
    assert story[0].startswith("Created"), story
    assert story[-1] == "Delivered", story
    expect(
        admin_page.get_by_text(
            'You\'ve been sent "Lease, 12 Harbour Street" by Acme HR. Please review & sign:'
        )
    ).to_be_visible()
    admin_page.get_by_text("Provider callbacks").click()
    expect(admin_page.get_by_text("MessageStatus=delivered")).to_be_visible()

    admin_page.goto(hub.phone_url(to))
    link = admin_page.locator("#phone").get_by_role("link").last
    expect(link).to_have_attribute("href", re.compile(r"/l/[0-9A-Za-z]{11}$"))
    assert follow(str(link.get_attribute("href"))) == f"https://sign.example/r/{request_id}/anna"


def test_list_shows_a_new_message_without_a_reload(admin_page: Page, hub: Hub) -> None:
    admin_page.clock.install()
    admin_page.goto("/messages")
    to = hub.number()
    hub.wait_for_status(hub.message(to, "Your documents are ready."))
    admin_page.clock.fast_forward(6_000)
    expect(admin_page.get_by_role("row").filter(has_text=to[-4:])).to_contain_text("Delivered")


def test_failed_message_is_explained_and_resent(
    open_page: Tabs, admin: State, hub: Hub, javascript: bool
) -> None:
    message_id = hub.message("+15005550011", f"Are you there? {javascript}")
    hub.wait_for_status(message_id, "undelivered")
    page = open_page(admin, javascript=javascript)
    page.goto("/messages?show=lost")
    page.get_by_role("row").filter(has_text=f"Are you there? {javascript}").get_by_role(
        "link"
    ).click()
    expect(page.get_by_role("heading", name="Undelivered.")).to_be_visible()
    explanation = page.get_by_role("region", name="Why it was not delivered")
    expect(explanation).to_contain_text("30003")
    expect(explanation).to_contain_text("How to fix it:")
    expect(
        explanation.get_by_role("link", name="Twilio documentation for 30003")
    ).to_have_attribute("href", "https://www.twilio.com/docs/api/errors/30003")

    press(page, "Resend message")
    expect(page.locator(".sp-leg")).to_have_count(2)
    page.goto(f"/messages/{message_id}")
    expect(page.get_by_text("It was already sent again")).to_be_visible()
    expect(page.get_by_role("button", name="Resend message")).to_have_count(0)


def test_waiting_message_shows_why_and_can_be_canceled(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub, set_faults: Callable[..., None]
) -> None:
    page = open_page(sign_in_user())
    slug = connect(page, hub, "Busy").rpartition("/")[2]
    press(page, "Enable connection")
    expect(page.locator("#connection-state")).to_have_text("Enabled")
    set_faults(refuse=10_000)
    message_id = hub.message(hub.number(), "Never mind", connection=slug)
    page.goto(f"/messages/{message_id}")
    expect(page.get_by_role("heading", name="Next attempt at")).to_be_visible()

    page.goto(f"/connections/{slug}")
    page.get_by_role("link", name="Disable connection").click()
    press(page, "Disable connection")
    expect(page.locator("#connection-state")).to_have_text("Disabled")
    page.goto(f"/messages/{message_id}")
    expect(page.get_by_role("heading", name="Waiting for the connection Busy.")).to_be_visible()
    expect(page.get_by_role("link", name="View connection")).to_have_attribute(
        "href", f"/connections/{slug}"
    )

    press(page, "Cancel message")
    expect(page.get_by_role("heading", name="Message canceled. It was not sent.")).to_be_visible()
    expect(page.get_by_role("heading", name="Canceled.", exact=True)).to_be_visible()


def search(page: Page, text: str) -> None:
    page.get_by_role("main").get_by_role("searchbox").fill(text)
    press(page, "Search")
    expect(page).to_have_url(re.compile(re.escape(urlencode({"q": text}))))


def test_message_is_found_by_number_provider_id_request_and_status(
    admin_page: Page, hub: Hub
) -> None:
    to = hub.number()
    other_number = hub.number()
    request_id, answer = hub.request({"id": "tom", "name": f"Tom {to[-4:]}", "mobile_number": to})
    message = hub.wait_for_status(answer["messages"][0]["id"])
    hub.wait_for_status(hub.message(other_number))
    admin_page.goto("/messages")
    row = (
        admin_page.get_by_role("row").filter(has_text=f"Tom {to[-4:]}").filter(has_text="Demo SMS")
    )
    other_rows = admin_page.get_by_role("row").filter(has_text=other_number[-4:])
    written = f"{to[:2]} {to[2:5]}-{to[5:8]}-{to[8:]}"  # as a person would copy it from a letter
    for search_text in (to, written, message["provider_id"], request_id, message["id"]):
        search(admin_page, search_text)
        expect(row).to_have_count(1)
        expect(other_rows).to_have_count(0)
        expect(admin_page.get_by_role("main").get_by_role("searchbox")).to_have_value(search_text)
    search(admin_page, "delivered")
    expect(row).to_have_count(1)
    expect(other_rows).to_have_count(1)
    search(admin_page, "+13170000000")
    expect(admin_page.get_by_role("heading", name="No messages found")).to_be_visible()


def test_reminder_reaches_the_phone_of_an_unsigned_signer(admin_page: Page, hub: Hub) -> None:
    signed = hub.number()
    owing = hub.number()
    people = [
        {"id": "eric", "name": "Eric Smith", "mobile_number": signed},
        {"id": "anna", "name": "Anna Berg", "mobile_number": owing},
    ]
    request_id, answer = hub.request(*people, title="Board Resolution")
    for message in answer["messages"]:
        hub.wait_for_status(message["id"])
    hub.event("request.signed", {"id": request_id}, signer="eric")
    admin_page.goto("/requests")
    search(admin_page, request_id)
    expect(admin_page.get_by_role("cell", name="1 of 2")).to_be_visible()
    admin_page.get_by_role("link", name="Board Resolution").click()
    expect(admin_page.get_by_role("heading", name="Waiting for 1 signature.")).to_be_visible()
    expect(admin_page.get_by_text("Signs first ·")).to_have_count(0)  # both sign at once
    press(admin_page, "Remind everyone who has not signed")
    expect(admin_page.get_by_text("1 reminder queued.")).to_be_visible()
    person = admin_page.get_by_role("region", name="Anna Berg")
    reminder = person.get_by_role("listitem").filter(has_text="Reminder:")
    expect(reminder).to_contain_text("SMS delivered")

    admin_page.goto(hub.phone_url(owing))
    expect(admin_page.locator("#phone")).to_contain_text(
        'Reminder: "Board Resolution" is waiting for your signature:'
    )
    admin_page.goto(hub.phone_url(signed))
    expect(admin_page.locator("#phone")).to_contain_text(
        'Your signature on "Board Resolution" has been recorded.'
    )
    expect(admin_page.locator("#phone")).not_to_contain_text("Reminder")


def test_person_who_replied_stop_receives_nothing_until_allowed_again(
    admin_page: Page, hub: Hub
) -> None:
    first = hub.message("+15005550004", "First")
    # suppressed if another test on this hub has sent to the number
    hub.wait_for_status(first, "failed", "suppressed")
    second = hub.message("+15005550004", "Second")
    assert hub.wait_for_status(second, "suppressed")["status"] == "suppressed"
    admin_page.goto(f"/messages/{second}")
    expect(
        admin_page.get_by_role("heading", name="Not sent. The recipient opted out.")
    ).to_be_visible()
    admin_page.get_by_role("link", name="Remove opt-out…").click()
    press(admin_page, "Remove opt-outs")
    expect(admin_page.get_by_text("Opt-out removed.")).to_be_visible()
    expect(admin_page.get_by_role("link", name="Remove opt-out…")).to_have_count(0)


# ── Who may do what, and who did ──────────────────────────────────────────────────────────────────
def test_viewer_reads_everything_and_sees_no_buttons(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    _, answer = hub.request({"id": "eric", "name": "Eric Smith", "mobile_number": "+15005550011"})
    message_id = answer["messages"][0]["id"]
    message = hub.wait_for_status(message_id, "undelivered")
    page = open_page(sign_in_user(Role.VIEWER))
    for path in (
        f"/messages/{message_id}",
        f"/requests/{message['request']}",
        "/connections/demo-sms",
        "/integrations",
        "/settings/users",
        "/settings/api-keys",
    ):
        answered = page.goto(path)
        assert answered
        assert answered.ok, path
        buttons = page.locator(
            "main button[type=submit], main form[method=post] button"
        ).all_text_contents()
        assert buttons == [], path
        expect(page.get_by_role("link", name="Add another")).to_have_count(0)
    refused = page.goto("/connections/demo-sms/rename")
    assert refused
    assert refused.status == 403
    expect(page.get_by_text("How to fix it:")).to_be_visible()


def test_operator_resends_and_reminds_but_cannot_change_connections(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    _, answer = hub.request({"id": "eric", "name": "Eric Smith", "mobile_number": "+15005550011"})
    message = hub.wait_for_status(answer["messages"][0]["id"], "undelivered")
    page = open_page(sign_in_user(Role.OPERATOR))
    page.goto(f"/messages/{message['id']}")
    expect(page.get_by_role("button", name="Resend message")).to_be_visible()
    page.goto(f"/requests/{message['request']}")
    expect(page.get_by_role("button", name="Remind everyone who has not signed")).to_be_visible()
    page.goto("/connections/demo-sms")
    expect(page.get_by_role("button", name="Send test message")).to_be_visible()
    expect(page.get_by_label("Account SID")).to_be_disabled()
    expect(page.get_by_role("button", name="Save changes")).to_have_count(0)


def test_activity_names_the_user_of_each_change(
    open_page: Tabs, sign_in_user: Callable[..., State], hub: Hub
) -> None:
    page = open_page(sign_in_user(Role.ADMIN, "Ines Duarte"))
    connect(page, hub, "Traced")
    press(page, "Enable connection")
    expect(page.locator("#connection-state")).to_have_text("Enabled")
    page.goto("/activity?q=Ines Duarte")
    rows = page.get_by_role("row").filter(has_text="Ines Duarte")
    expect(rows.filter(has_text="Added the connection Traced")).to_be_visible()
    expect(rows.filter(has_text="Enabled the connection Traced")).to_be_visible()
    assert hub.credentials.auth_token not in page.content()
