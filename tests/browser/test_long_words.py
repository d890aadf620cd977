"""Long words without spaces break lines: no page is wider than its window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import NARROW, WIDE, Tabs, become_first_admin
from tests.browser.page_checks import layout_of
from tests.live_hub import Hub, live_hub

WORD = "W" * 500
LISTS = (
    "/",
    "/people",
    "/requests",
    "/messages",
    "/inbox",
    "/opt-outs",
    "/activity",
    "/receipts",
    "/routing",
    "/routing/sent/signer",
    "/templates",
)
# the pages of one person, request, message and text
DETAILS = ("/contacts/", "/requests/", "/messages/", "/inbox/", "/opt-outs/", "/evidence")


@pytest.fixture(scope="module")
def hub(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Run a hub of its own, so that its names do not change the pages of other tests."""
    with live_hub(tmp_path_factory.mktemp("long")) as started:
        yield started


def test_pages_fit_with_long_words(browser: Browser, hub: Hub) -> None:
    state = become_first_admin(browser, hub)
    message_path = add_long_words(hub)
    tabs = Tabs(browser, hub)
    page = tabs(state)
    paths = [publish_long_text(page), message_path, *LISTS]
    too_wide: list[str] = []
    for path in paths:
        page.goto(path)
        too_wide += overflows_of(page, path)
        if path in LISTS:
            paths += [found for found in detail_paths(page) if found not in paths]
    assert not too_wide, "\n".join(too_wide)
    assert len(paths) > len(LISTS) + len(DETAILS)
    tabs.close()


def overflows_of(page: Page, path: str) -> Iterator[str]:
    """Yield what extends beyond the right edge of the page in a wide and a narrow window."""
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        if overflow := layout_of(page).overflow:
            yield f"{path} at {size['width']} px: {overflow}"


def detail_paths(page: Page) -> list[str]:
    """Return the first two paths of each kind of detail page that a page links to."""
    links = page.locator("#main a[href]")
    paths = links.evaluate_all("links => links.map(link => link.pathname)")
    unique = [path for path in dict.fromkeys(paths) if "/files/" not in path]
    return [path for kind in DETAILS for path in [one for one in unique if kind in one][:2]]


def add_long_words(hub: Hub) -> str:
    """Create a request, messages and a reply whose names and texts are one long word.

    Return the path of a message about the request.
    """
    number = hub.number()
    signers = [
        {"id": "eric", "name": WORD, "email": "eric@example.com", "mobile_number": number},
        {"id": "anna", "name": WORD, "email": "anna@example.com", "mobile_number": "+15005550011"},
    ]
    request_id, answer = hub.request(*signers, title=WORD, sender=WORD)
    hub.event("request.signed", {"id": request_id}, signer={"id": "eric"})
    hub.wait_for_status(hub.message(number, WORD))
    hub.receive_text(number, WORD)
    stopped = hub.number()
    hub.wait_for_status(hub.message(stopped, WORD))
    hub.receive_text(stopped, "STOP")
    return f"/messages/{answer['messages'][0]['id']}"


def publish_long_text(page: Page) -> str:
    """Publish a text with a long reason, and return the path of its page."""
    page.goto("/templates")
    page.get_by_role("link", name="To the other signers, SMS, en", exact=True).first.click()
    page.get_by_role("textbox", name="Text", exact=True).fill("W" * 900)
    page.get_by_label("Reason for the change").fill("W" * 200)
    page.get_by_role("button", name="Publish text").click()
    return str(page.evaluate("location.pathname"))
