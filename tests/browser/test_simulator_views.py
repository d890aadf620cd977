"""The simulated Slack, Telegram and Teams in a browser: layout, accessibility and buttons."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from hub.simulator.mail.server import USERNAME, password_of
from tests.browser.conftest import Tabs
from tests.browser.page_checks import assert_page_is_usable
from tests.live_hub import Hub
from tests.simulator.conftest import Simulator
from tests.simulator.test_mail import connect, letter
from tests.simulator.test_slack_api import section, slack_client
from tests.simulator.test_slack_button_actions import ACTIONS
from tests.simulator.test_teams_workflow import card_message, text_block, workflow_path
from tests.simulator.test_telegram_api import call_ok, inline_keyboard, start_bot, team_chat


@pytest.fixture
def simulator(hub: Hub) -> Simulator:
    """Return the simulator of the running hub."""
    return Simulator(hub.folder / "data", int(hub.simulator_bind.rpartition(":")[2]))


def test_mail_view_is_accessible_and_shows_an_email(
    open_page: Tabs, hub: Hub, simulator: Simulator
) -> None:
    simulator.mail_port = int(hub.simulator_mail_bind.rpartition(":")[2])
    with connect(simulator) as client:
        client.login(USERNAME, password_of(simulator.credentials))
        client.send_message(letter("viewed@example.com", "<p>Hello</p>"))
    [email] = simulator.call("GET", "/simulator/mail.json?to=viewed@example.com").json["emails"]
    page = open_page()
    page.goto(f"{simulator.url}/simulator/mail?email={email['id']}")
    expect(page.frame_locator("iframe").get_by_text("Hello")).to_be_visible()
    expect(page.get_by_role("button", name="Send reply")).to_be_visible()
    with connect(simulator) as client:
        client.login(USERNAME, password_of(simulator.credentials))
        client.send_message(letter("next@example.com", "<p>Hello</p>"))
    expect(page.locator("#list")).to_contain_text("next@example.com")  # without a reload
    assert_page_is_usable(page)


def test_slack_view_is_accessible_and_shows_a_button_action_live(
    open_page: Tabs, simulator: Simulator
) -> None:
    client = slack_client(simulator)
    ada = client.users_lookupByEmail(email="ada.byron@acme.example")["user"]["id"]
    sure = {
        "title": plain_text("Sure?"),
        "text": plain_text("This ends it."),
        "confirm": plain_text("Void it"),
        "deny": plain_text("Keep"),
    }
    void = {
        "type": "button",
        "action_id": "sure",
        "style": "danger",
        "text": plain_text("Void"),
        "confirm": sure,
    }
    posted = client.chat_postMessage(
        channel=ada,
        text="x",
        blocks=[
            {"type": "header", "text": plain_text("NDA waits for Tom")},
            section("*Two* of three <!here>", fields=[plain_text("Sender\nDana")]),
            {"type": "context", "elements": [plain_text("Signpost")]},
            ACTIONS,
            {"type": "actions", "elements": [void]},
        ],
    )
    client.chat_postMessage(channel=ada, text="Priya has signed", thread_ts=posted["ts"])
    page = open_page()
    page.goto(f"{simulator.url}/simulator/slack?channel={posted['channel']}")
    simulator.post_json(
        "/simulator/slack/press", ts=posted["ts"], button="Remind signer", who="Priya Nair"
    )
    expect(page.get_by_text(re.compile("Priya Nair chose Remind signer"))).to_be_visible()
    page.get_by_label("Act as").fill("Tom Okafor")
    page.get_by_role("button", name="Snooze for a day").click()
    expect(page.get_by_text(re.compile("Tom Okafor chose Snooze for a day"))).to_be_visible()
    expect(page.get_by_label("Act as")).to_have_value("Tom Okafor")
    page.locator("#fault-1 summary").click()
    assert_page_is_usable(page, title="Slack · Signpost")


def test_telegram_view_is_accessible_and_a_deep_link_opens_a_chat(
    open_page: Tabs, simulator: Simulator
) -> None:
    simulator.post_json("/simulator/telegram/empty")
    start_bot(simulator, "Tom Okafor")
    call_ok(
        simulator,
        "sendMessage",
        chat_id=team_chat(simulator),
        text="<b>NDA</b> waits",
        parse_mode="HTML",
        reply_markup=inline_keyboard(
            {"text": "Open", "url": "https://sign.example/a"},
            {"text": "Remind", "callback_data": "r:1"},
        ),
    )
    page = open_page(javascript=False)
    page.goto(f"{simulator.url}/SignpostDemoBot?start=abc")
    page.get_by_label("Your name").fill("Ada Byron")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_text("/start abc")).to_be_visible()
    page.get_by_label("Message in this chat").fill("Hello")
    page.get_by_label("Message in this chat").press("Enter")
    expect(page.get_by_text("Hello", exact=True)).to_be_visible()
    page.get_by_role("button", name="/stop").click()
    page.get_by_role("button", name="Block the bot").click()
    expect(page.get_by_role("button", name="Unblock the bot")).to_be_visible()
    page.get_by_role("link", name="Acme signing").click()
    page.get_by_role("button", name="Remind").click()
    expect(page.get_by_text("chose Remind")).to_be_visible()
    for address, title in (
        ("simulator/telegram", "Telegram"),
        ("SignpostDemoBot?startgroup=abc", "Add the bot to a group"),
    ):
        looked_at = open_page()
        looked_at.goto(f"{simulator.url}/{address}")
        assert_page_is_usable(looked_at, title=f"{title} · Signpost")


def test_teams_view_is_accessible(open_page: Tabs, simulator: Simulator) -> None:
    facts = {"type": "FactSet", "facts": [{"title": "Sender", "value": "Dana"}]}
    link = {"type": "Action.OpenUrl", "title": "Open", "url": "https://hub.example/a"}
    colors = [
        text_block(color, color=color) for color in ("Good", "Warning", "Attention", "Accent")
    ]
    simulator.post_json(
        workflow_path(simulator),
        **card_message(
            text_block("NDA", weight="Bolder", size="Large"),
            *colors,
            {"type": "Container", "style": "emphasis", "items": [facts, *colors]},
            actions=[link, {"type": "Action.Submit", "title": "Ack"}],
        ),
    )
    simulator.post_json(workflow_path(simulator), text="bare")
    page = open_page()
    page.goto(f"{simulator.url}/simulator/teams")
    assert_page_is_usable(page, title="Teams · Signpost")


def test_apprise_view_is_accessible(open_page: Tabs, simulator: Simulator) -> None:
    simulator.post_json("/apprise/ntfy.sh/", topic="signing", message="Anna signed. " * 60)
    page = open_page()
    page.goto(f"{simulator.url}/simulator/apprise")
    assert_page_is_usable(page, title="Apprise · Signpost")
    assert page.get_by_text("ntfy.sh").is_visible()


def plain_text(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def test_person_view_is_accessible(open_page: Tabs, simulator: Simulator) -> None:
    start_bot(simulator, "Tom Okafor")
    page = open_page()
    page.goto(f"{simulator.url}/simulator/person")
    assert_page_is_usable(page, title="Person · Signpost")
