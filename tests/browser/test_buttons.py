"""Buttons of team posts, pressed in the simulator: reminders, snoozes and links."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import State, Tabs
from tests.live_hub import Hub, wait_until


def send_document(hub: Hub, title: str) -> tuple[str, str]:
    """Send a document to a signer; return the signer's number and the request's external ID."""
    number = hub.number()
    request_id, answer = hub.request(
        {"id": "eric", "name": "Eric Smith", "mobile_number": number}, title=title
    )
    for message in answer["messages"] + answer["posts"]:
        hub.wait_for_status(message["id"], "delivered", "sent")
    return number, request_id


def expect_reminder(page: Page, hub: Hub, number: str, title: str) -> None:
    """Check that the phone shows the reminder."""
    wait_until(lambda: "Reminder" in page.request.get(hub.phone_url(number)).text(), 10)
    page.goto(hub.phone_url(number))
    expect(page.get_by_text(f'Reminder: "{title}" is waiting for your signature')).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_slack_button_reminds_and_the_post_names_the_user(
    open_page: Tabs, hub: Hub, javascript: bool
) -> None:
    title = f"Slack Lease {javascript}"
    number, _ = send_document(hub, title)
    page = open_page(javascript=javascript)
    page.goto(f"{hub.simulator_url}/simulator/slack")
    post = page.locator("article, li, .sp-post").filter(has_text=title).first
    post.get_by_role("button", name="Remind Eric Smith").click()
    expect_reminder(page, hub, number, title)

    def has_reminder() -> bool:  # a page without JavaScript does not refresh itself
        page.goto(f"{hub.simulator_url}/simulator/slack")
        return "reminded Eric Smith" in post.inner_text()

    wait_until(has_reminder, 10)
    expect(post.get_by_role("button", name="Remind Eric Smith")).to_have_count(0)
    expect(post.get_by_role("button", name="Snooze for a day")).to_have_count(1)


def test_telegram_button_snoozes_reminders(open_page: Tabs, admin: State, hub: Hub) -> None:
    _, request_id = send_document(hub, "Telegram Lease")
    page = open_page(admin)
    page.goto(f"{hub.simulator_url}/simulator/telegram")
    page.get_by_role("button", name="Snooze for a day").last.click()
    page.goto(f"{hub.simulator_url}/simulator/telegram")
    expect(
        page.get_by_text(re.compile("snoozed reminders for one day: Eric Smith"))
    ).to_be_visible()
    request = hub.call("GET", f"/requests/{request_id}")
    assert request["signers"][0]["snoozed_until"]


def test_link_in_teams_asks_before_sending_a_reminder(open_page: Tabs, hub: Hub) -> None:
    number, request_id = send_document(hub, "Teams Lease")
    page = open_page()
    page.goto(f"{hub.simulator_url}/simulator/teams")
    card = page.locator("article, li, .sp-post").filter(has_text="Teams Lease").last
    link = card.get_by_role("link", name="Remind Eric Smith").get_attribute("href")
    assert link is not None
    page.goto(link)
    expect(page.get_by_role("heading", name="Remind Eric Smith?")).to_be_visible()
    assert hub.call("GET", f"/requests/{request_id}")["signers"][0]["reminded_at"] is None, (
        "to look at it does nothing"
    )
    page.get_by_label("Your name").fill("Dana Whitfield")
    page.get_by_role("button", name="Remind Eric Smith").click()
    expect(
        page.get_by_text("Dana Whitfield (through the link) reminded Eric Smith")
    ).to_be_visible()
    expect_reminder(page, hub, number, "Teams Lease")
    page.goto(link)
    expect(page.get_by_role("heading", name="Already done")).to_be_visible()


def test_signer_links_telegram_and_is_notified_there(
    open_page: Tabs, admin: State, hub: Hub
) -> None:
    number, request_id = send_document(hub, "Linked Lease")
    link = hub.call("POST", f"/requests/{request_id}/invite", {"signer": "eric"})["url"]
    page = open_page()
    page.goto(link)
    page.get_by_role("button", name="Start").first.click()
    expect(
        page.get_by_text("You are connected. Acme HR will send you messages here.")
    ).to_be_visible()
    signer = {
        "id": "eric",
        "name": "Eric Smith",
        "mobile_number": number,
        "preference": ["telegram", "sms"],
    }
    _, answer = hub.request(signer, title="Second Lease")
    [message] = answer["messages"]
    assert hub.wait_for_status(message["id"])["connection"] == "demo-telegram"
    page.reload()
    expect(page.get_by_text("Second Lease")).to_be_visible()
