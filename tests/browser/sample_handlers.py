"""Handlers of the browser tests' hub, for the pages that a browser opens."""

from __future__ import annotations

import re

from playwright.sync_api import Playwright

from tests.browser.conftest import State
from tests.live_hub import Hub, wait_until


def handler_path(listing: str, name: str) -> str:
    """Return the path of a handler in the list of handlers."""
    [path] = re.findall(rf'href="(/handlers/whk_[^"]+)"><b>{name}', listing)
    return str(path)


def handler_addresses(playwright: Playwright, hub: Hub, admin: State) -> dict[str, str]:
    """Return the paths of two handlers, and of an event of the one that fails."""
    boss = playwright.request.new_context(base_url=hub.url, storage_state=admin)
    listed = boss.get("/handlers").text()
    failing = handler_path(listed, "update_customer_records")

    def find_events() -> list[str]:
        page = boss.get(failing).text()
        return re.findall(r'href="(/handlers/[^"]+/events/pev_[^"]+)"', page) * ("Failing" in page)

    [event, *_] = wait_until(find_events)
    working = handler_path(listed, "count_deliveries")
    boss.dispose()
    return {"handler": working, "failing_handler": failing, "handler_event": event}
