"""Webhook endpoints of the simulated app, for the pages that a browser opens."""

from __future__ import annotations

import re

from playwright.sync_api import Playwright

from tests.browser.conftest import State
from tests.live_hub import Hub, wait_until


def add_failing_endpoints(hub: Hub) -> dict[str, str]:
    """Create an endpoint that fails, and one whose app no longer exists; return their IDs."""
    return {"failing": add_endpoint(hub, "500"), "gone": add_endpoint(hub, "410")}


def add_endpoint(hub: Hub, receiver: str) -> str:
    """Create an endpoint at an address of the simulator; return its ID."""
    url = f"{hub.simulator_url}/receiver/{receiver}"
    posted = {"url": url, "events": ["*"], "description": f"Answers {receiver}"}
    return str(hub.call("POST", "/webhook-endpoints", posted)["id"])


def webhook_addresses(
    playwright: Playwright, hub: Hub, admin: State, failing: dict[str, str]
) -> dict[str, str]:
    """Return these endpoints, the demo's one, and an event that all of them have received."""
    boss = playwright.request.new_context(base_url=hub.url, storage_state=admin)
    listed = boss.get("/webhook-endpoints").text()
    [endpoint] = re.findall(r'href="/webhook-endpoints/(whk_[^"]+)"><b>Simulated', listed)

    def find_events() -> list[str]:
        page = boss.get(f"/webhook-endpoints/{failing['failing']}").text()
        return re.findall(r'/events/(pev_[^"]+)"', page) if "Failing" in page else []

    [webhook, *_] = wait_until(find_events)
    boss.dispose()
    return {"endpoint": endpoint, "webhook": webhook, **failing}
