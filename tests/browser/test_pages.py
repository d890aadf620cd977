"""Every page fits a phone and a desktop, in light and dark, and is accessible.

Each page is opened in turn without console errors and with a strict policy. The pages are listed in
`page_paths.py`.
"""

from __future__ import annotations

import html
import re
import urllib.request
from collections.abc import Iterator

import pytest
from flask import Flask
from playwright.sync_api import Browser, Page, Playwright

from hub.core.vocabulary import Role
from tests.browser.conftest import NARROW, WIDE, State, Tabs, token_in
from tests.browser.page_checks import SUFFIX, assert_page_is_usable, layout_of
from tests.browser.page_paths import ADMIN, NO_PAGES, OPEN, PATHS
from tests.browser.sample_addresses import inbox_addresses, search_address, send_unmatched_callback
from tests.browser.sample_handlers import handler_addresses
from tests.browser.webhook_endpoints import add_failing_endpoints, webhook_addresses
from tests.live_hub import Hub, wait_until

WRONG = {
    "/nothing-here": 404,
    "/messages/msg_nothing": 404,
    "/connections/none": 404,
    "/setup/used-up": 404,
    "/password/used-up": 404,
    "/a/nothing": 404,
    "/u/nothing": 404,
}


def test_every_page_is_covered(app: Flask) -> None:
    views = {rule.endpoint for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())}
    assert {view for view in views if not view.startswith(NO_PAGES)} == ADMIN.keys() | OPEN.keys()


@pytest.fixture(scope="module")
def failing_endpoints(hub: Hub) -> dict[str, str]:
    """Create webhook endpoints that fail, before anything else happens."""
    return add_failing_endpoints(hub)


@pytest.fixture(scope="module")
def sample_data(
    failing_endpoints: dict[str, str], hub: Hub, admin: State, playwright: Playwright
) -> dict[str, str]:
    """Create sample data for the pages and return the identifiers of their addresses."""
    _, answer = hub.request(
        *signers(hub),
        title="Master Services Agreement between Acme Holdings International and its subsidiaries",
    )
    delivered, undelivered, _ = (message["id"] for message in answer["messages"])
    hub.wait_for_status(hub.message("+15005550004"), "failed", "suppressed")
    suppressed = hub.wait_for_status(hub.message("+15005550004"), "suppressed")["id"]
    hub.wait_for_status(undelivered, "undelivered")
    stopped_number = hub.number()
    active_number = hub.number()
    hub.receive_text(
        stopped_number,
        "Please call me about page three, before Friday if you can; I shall be travelling after"
        " that.",
    )
    hub.use_phone(stopped_number, "window", hours_ago=30)
    # and the hub knows that it is closed
    hub.wait_for_status(
        hub.message(stopped_number, "We will.", connection="demo-whatsapp"), "undelivered"
    )
    stops = hub.number()
    hub.receive_text(stops, "STOP")
    hub.receive_text(active_number, "Is this the final version?", media=True)
    send_unmatched_callback(hub)
    return {
        "delivered": delivered,
        "undelivered": undelivered,
        "suppressed": suppressed,
        "request": hub.wait_for_status(delivered)["request"],
        "button": action_token(hub),
        **add_user_and_archived_connection(playwright, hub, admin),
        **webhook_addresses(playwright, hub, admin, failing_endpoints),
        **handler_addresses(playwright, hub, admin),
        **inbox_addresses(playwright, hub, admin),
        "find": search_address(playwright, hub, admin),
        "stop_fallbacks": stop_address(playwright, hub, admin),
    }


def stop_address(playwright: Playwright, hub: Hub, admin: State) -> str:
    """Return the path that stops the fallbacks of the installed route."""
    boss = playwright.request.new_context(base_url=hub.url, storage_state=admin)
    [path, *_] = re.findall(r'href="([^"]+/stop\?[^"]+)"', boss.get("/routing/sent/signer").text())
    boss.dispose()
    return html.unescape(path)


def signers(hub: Hub) -> list[dict[str, str]]:
    """Return signers with a number that works, one that fails, and none."""
    names = [
        ("eric", "Eric Smith", hub.number()),
        ("anna", "Anna Berg", "+15005550011"),
        ("tom", "Tomás Aurelio Wyśniewski-Okonkwo", ""),
    ]
    return [
        {
            "id": id,
            "name": name,
            "email": f"{id}@example.com",
            **({"mobile_number": to} if to else {}),
        }
        for id, name, to in names
    ]


def action_token(hub: Hub) -> str:
    """Return the token of the newest action link in a Teams card."""

    def find_token() -> str:
        with urllib.request.urlopen(
            f"{hub.simulator_url}/simulator/teams.json", timeout=10
        ) as answer:
            tokens: list[str] = re.findall(rf"{hub.url}/a/([A-Za-z0-9_-]+)", answer.read().decode())
        return tokens[-1] if tokens else ""

    return str(wait_until(find_token))


def add_user_and_archived_connection(
    playwright: Playwright, hub: Hub, admin: State
) -> dict[str, str]:
    """Add a user with an open password link, and an archived connection."""
    boss = playwright.request.new_context(base_url=hub.url, storage_state=admin)
    token = token_in(boss.get("/settings/users").text())
    form = {
        "csrf_token": token,
        "name": "Priya Raman",
        "email": "priya.raman@acme.example",
        "role": str(Role.VIEWER.value),
    }
    page = boss.post("/settings/users", form=form).text()
    link = re.search(r"/password/([\w-]+)", page)
    credentials = hub.credentials
    settings = {
        "account_sid": credentials.account_sid,
        "auth_token": credentials.auth_token,
        "sender": credentials.phone_number,
    }
    boss.post(
        "/integrations/twilio_sms/new",
        form={"csrf_token": token, "do": "save", "title": "Acme 2019", "test": "y", **settings},
    )
    boss.post("/connections/acme-2019/archive", form={"csrf_token": token})
    boss.dispose()
    assert link, page
    user = re.search(r'href="/settings/users/([^"/]+)/deactivate"', page)
    assert user
    return {"link": link[1], "user": user[1], "archived": "acme-2019-archived"}


@pytest.fixture(scope="module")
def pages_by_sign_in(browser: Browser, hub: Hub, admin: State) -> Iterator[dict[bool, Page]]:
    """Return the admin's page and an anonymous page, which stay open for all tests."""
    tabs = Tabs(browser, hub)
    yield {True: tabs(admin), False: tabs()}
    tabs.close()


@pytest.mark.parametrize(
    ("signed_in", "path"),
    PATHS,
    ids=lambda value: {True: "admin", False: "open"}.get(value, value),
)
def test_page_fits_and_is_accessible(
    pages_by_sign_in: dict[bool, Page], sample_data: dict[str, str], signed_in: bool, path: str
) -> None:
    page = pages_by_sign_in[signed_in]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="light")
    answer = page.goto(path.format(**sample_data))
    assert answer
    assert answer.status == WRONG.get(path, 200)
    assert_page_is_usable(page, suffix="" if is_for_signers(path) else SUFFIX)


def is_for_signers(path: str) -> bool:
    """Return whether signers read a page, which does not name Signpost to them."""
    return path.startswith(("/a/", "/u/"))


def test_simulator_page_fits_and_is_accessible(
    open_page: Tabs, hub: Hub, sample_data: dict[str, str]
) -> None:
    page = open_page()
    page.goto(hub.simulator_url)
    assert_page_is_usable(page, title="Simulator · Signpost")


def test_pages_fit_without_javascript(
    open_page: Tabs, admin: State, sample_data: dict[str, str]
) -> None:
    pages = {
        True: open_page(admin, javascript=False, size=NARROW),
        False: open_page(javascript=False, size=NARROW),
    }
    for signed_in, path in PATHS:
        page = pages[signed_in]
        page.goto(path.format(**sample_data))
        where = f"{path} without JavaScript, {NARROW['width']} px wide"
        layout = layout_of(page)
        assert layout.title.endswith(SUFFIX) != is_for_signers(path), where
        assert layout.overflow == "", where
        assert layout.headings == 1, where
