"""Measure how many bytes the first visit and a later page load in a browser."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import CDPSession, Page

from tests.browser.conftest import State, Tabs

HEAVIEST = 120_000  # bytes on the wire, with headers
HEAVIEST_LATER = 15_000


@dataclass
class Traffic:
    """The network traffic of a page load: bytes on the wire and requests to the server."""

    size: int = 0
    requests: int = 0


def measure(page: Page, path: str) -> Traffic:
    """Load a page with its style sheets, scripts and icons, and return the traffic."""
    traffic = Traffic()
    session: CDPSession = page.context.new_cdp_session(page)

    def on_finished(event: dict[str, float]) -> None:
        if event["encodedDataLength"]:  # zero means that it came from the cache
            traffic.size += int(event["encodedDataLength"])
            traffic.requests += 1

    session.on("Network.loadingFinished", on_finished)
    session.send("Network.enable")
    page.goto(path)
    page.wait_for_load_state("networkidle")
    session.detach()
    return traffic


@pytest.mark.parametrize("signed_in", [True, False], ids=["the overview", "the sign-in page"])
def test_first_visit_stays_within_its_size_limit(
    open_page: Tabs, admin: State, signed_in: bool
) -> None:
    page = open_page(admin if signed_in else None)
    first = measure(page, "/" if signed_in else "/sign-in")
    assert 0 < first.size <= HEAVIEST
    assert first.requests <= 10


def test_second_page_loads_only_uncached_files(open_page: Tabs, admin: State) -> None:
    page = open_page(admin)
    measure(page, "/")
    later = measure(page, "/messages")
    assert later.requests == 1
    assert later.size <= HEAVIEST_LATER
