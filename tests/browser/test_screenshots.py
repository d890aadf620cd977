"""The pictures of the documentation, which `make screenshots` takes of a hub with sample data."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import NARROW, WIDE, Tabs, become_first_admin
from tests.browser.handler_code import write_handlers
from tests.live_hub import Hub, live_hub

KEPT = os.environ.get("HUB_SCREENSHOTS", "")
LARGEST = 250_000  # bytes
SIZES = {"1440": WIDE, "390": NARROW}
# each picture, and its widths
PICTURES = {
    **dict.fromkeys(
        [
            "overview",
            "message",
            "connection",
            "messages",
            "phone",
            "inbox",
            "conversation",
            "templates",
            "opt-outs",
            "rules",
            "routing",
        ],
        ("1440", "390"),
    ),
    **dict.fromkeys(
        ["request", "people", "text", "evidence", "handlers", "brokers", "calls"], ("1440",)
    ),
    "short-link": ("390",),
}
OUT_OF_REACH = "+15005550011"
TOO_BUSY = "+15005550012"
REPLIED_STOP = "+15005550004"

ERIC = {"id": "eric", "name": "Eric Smith", "mobile_number": "+13175551234"}
ANNA = {"id": "anna", "name": "Anna Berg", "mobile_number": "+4915155501234"}
TOM = {"id": "tom", "name": "Tom Reyes", "mobile_number": OUT_OF_REACH}
LENA = {"id": "lena", "name": "Lena Fischer", "mobile_number": TOO_BUSY}
MIA = {"id": "mia", "name": "Mia Lang", "mobile_number": "+4915155507777"}
PAUL = {**MIA, "id": "paul", "name": "Paul Lang"}
OMAR = {"id": "omar", "name": "Omar Haddad", "mobile_number": REPLIED_STOP}


@pytest.fixture(scope="module")
def screenshot_hub(
    request: pytest.FixtureRequest, chromium_path: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hub]:
    """Run a hub with only the data of the pictures; use any hub when the pictures are not saved."""
    if not KEPT:
        yield request.getfixturevalue("hub")
        return
    folder = tmp_path_factory.mktemp("pictures")
    with live_hub(folder, handlers=write_handlers(folder)) as started:
        yield started


@pytest.fixture(scope="module")
def addresses(screenshot_hub: Hub) -> dict[str, str]:
    """Send signing requests through the API and return the address of each picture."""
    hub = screenshot_hub
    event = send_requests(hub)
    message = hub.call("GET", f"/messages/{event['messages'][0]['id']}")
    return {
        "overview": "/",
        "messages": "/messages",
        "message": (
            f"/messages/{event['messages'][1]['id']}"
        ),  # to Lena: the provider was busy at first
        "connection": "/connections/demo-sms",
        "inbox": "/inbox",
        "conversation": "/inbox",
        "templates": "/templates",
        "opt-outs": "/opt-outs",
        "rules": "/connections/demo-sms/rules",
        "routing": "/routing/sent/signer",
        "phone": hub.phone_url(str(ERIC["mobile_number"])),
        "request": f"/requests/{message['request']}",
        "people": "/people",
        "text": "/templates",
        "evidence": f"/requests/{message['request']}/evidence",
        "handlers": "/handlers",
        "brokers": "/webhook-endpoints/new?kind=kafka",
        "calls": f"{hub.simulator_url}/calls",
        "short-link": f"{hub.phone_url(str(LENA['mobile_number']))}&channel=sms",
    }


def send_requests(hub: Hub) -> Any:
    """Send requests, receive replies, and return the answer about the Non-Disclosure Agreement."""
    lease, event = hub.request(
        ANNA, ERIC, title="Lease, 12 Harbour Street", sender="Nordhaus Lettings"
    )
    wait_for_final_status(hub, event)
    wait_for_final_status(hub, hub.event("request.signed", {"id": lease}, signer="anna"))
    minutes, event = hub.request(ERIC, ANNA, title="Board Resolution", sender="Acme HR")
    wait_for_final_status(hub, event)
    wait_for_final_status(hub, hub.event("request.signed", {"id": minutes}, signer="eric"))
    # the notices of the last signature wait, and the completion replaces them
    hub.event("request.signed", {"id": minutes}, signer="anna")
    wait_for_final_status(
        hub,
        hub.event(
            "request.completed",
            {"id": minutes},
            download_url="https://sign.example/d/board-resolution",
        ),
    )
    _, event = hub.request(OMAR, title="Invoice Approval 4471", sender="Acme Finance")
    wait_for_final_status(hub, event)
    _, event = hub.request(ANNA, OMAR, title="Supplier Contract", sender="Acme Legal")
    wait_for_final_status(hub, event)
    _, event = hub.request(TOM, LENA, title="Non-Disclosure Agreement", sender="Acme Legal")
    wait_for_final_status(hub, event)
    hub.receive_text(str(ERIC["mobile_number"]), "Is this the final version of the lease?")
    hub.receive_text(str(ANNA["mobile_number"]), "Thank you, signed. Can you send me a copy?")
    hub.receive_text("+33612345678", "STOP")
    hub.receive_text(
        str(TOM["mobile_number"]), "My phone was off, please try again.", channel="sms"
    )
    _, last = hub.request(ERIC, title="Offer Letter", sender="Acme HR")
    wait_for_final_status(hub, last)
    _, shared = hub.request(MIA, PAUL, title="Deed of Partition")
    wait_for_final_status(hub, shared)
    return event


def wait_for_final_status(hub: Hub, messages: dict[str, list[dict[str, str]]]) -> None:
    for message in messages["messages"]:
        hub.wait_for_status(message["id"], "delivered", "undelivered", "failed", "suppressed")


@pytest.fixture(scope="module")
def screenshot_page(
    request: pytest.FixtureRequest, browser: Browser, screenshot_hub: Hub
) -> Iterator[Page]:
    tabs = Tabs(browser, screenshot_hub)
    yield tabs(
        become_first_admin(browser, screenshot_hub) if KEPT else request.getfixturevalue("admin")
    )
    tabs.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the pictures: HUB_SCREENSHOTS, or a temporary folder."""
    path = Path(KEPT or tmp_path_factory.mktemp("screenshots"))
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.parametrize("name", PICTURES)
def test_page_is_captured(
    screenshot_hub: Hub,
    screenshot_page: Page,
    addresses: dict[str, str],
    folder: Path,
    name: str,
) -> None:
    if name == "calls":
        screenshot_hub.message(
            number_in_daytime(),
            "Acme HR has sent you the document Offer Letter. Please read your messages.",
            channel="voice",
        )
    for width in PICTURES[name]:
        screenshot_page.set_viewport_size(SIZES[width])  # type: ignore[arg-type]
        screenshot_page.goto(addresses[name])
        prepare(screenshot_page, name)
        path = folder / f"{name}-{width}.png"
        screenshot_page.screenshot(path=path, animations="disabled", caret="hide")
        assert 5_000 < path.stat().st_size < LARGEST


def number_in_daytime() -> str:
    """Return a phone number where it is between 8 and 20 o'clock, when people are called."""
    hour = datetime.now(UTC).hour
    if 2 <= hour < 8:
        return "+81312345678"  # Japan, 9 hours ahead
    return "+4915155501234" if 8 <= hour < 17 else "+12135550123"  # Los Angeles, 8 behind


def prepare(page: Page, name: str) -> None:
    """Bring a page into the state that its picture shows."""
    if name == "connection":
        page.get_by_role("button", name="Test connection").click()
        expect(page.locator("#test-result")).to_contain_text("Twilio is ready.")
        page.evaluate("scrollTo(0, 0)")
    if name == "conversation":
        page.get_by_role("row").filter(has_text="final version").get_by_role("link").first.click()
        page.evaluate("scrollTo(0, 0)")
    if name == "calls":
        page.get_by_role("button", name="Answer", exact=True).click()
        expect(page.locator(".sp-chat")).to_contain_text("Offer Letter")
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if name == "text":
        page.locator('a[href^="/templates/texts/"]').first.click()
        deed = page.get_by_role("option", name="Deed of Partition").first
        page.get_by_label("Preview with").select_option(deed.get_attribute("value"))
        expect(page.locator("#preview")).to_contain_text("have the same phone number")
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if name == "rules":  # typed and not saved, because other tests send over this connection
        filled = {
            "countries": "US, CA, DE",
            "per_hour": "5",
            "per_day": "20",
            "prices": "US: 0.0083\nDE: 0.1\nother: 0.25",
            "spend_day": "50",
            "spend_month": "900",
            "quiet_from": "21:00",
            "quiet_to": "08:00",
        }
        for field, value in filled.items():
            page.locator(f"[name={field}]").fill(value)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if name == "message":
        expect(page.get_by_role("heading", name="Delivered in")).to_be_visible()
    page.evaluate("document.fonts.ready.then(() => true)")
