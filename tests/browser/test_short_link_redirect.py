"""A short link in a browser: the signing app learns neither the link nor the page before it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests.live_hub import Hub
from tests.short_link_steps import PHONE

Requests = list[tuple[str, str | None]]


@pytest.fixture
def signing_page() -> Iterator[tuple[str, Requests]]:
    """Serve pages of a signing app; return its URL, and each path with its referrer."""
    seen: Requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Referer")))
            body = b"<!doctype html><title>Sign</title><h1>Sign here</h1>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    thread.join(5)
    server.server_close()


def test_redirect_carries_no_referrer(
    browser: Browser, hub: Hub, signing_page: tuple[str, Requests]
) -> None:
    url, seen = signing_page
    to = hub.number()
    person = {"id": "eric", "mobile_number": to, "signing_url": f"{url}/sign/eric"}
    _, answer = hub.request(person)
    hub.wait_for_status(answer["messages"][0]["id"])
    context = browser.new_context(user_agent=PHONE)
    page = context.new_page()
    page.goto(hub.phone_url(to))
    link = page.locator("#phone a[href*='/l/']").last
    # the page of the simulator allows a referrer, so only the redirect decides
    link.evaluate("element => { element.rel = ''; element.referrerPolicy = 'unsafe-url'; }")
    link.click()
    opened = context.pages[-1]
    expect(opened.get_by_role("heading", name="Sign here")).to_be_visible()
    assert ("/sign/eric", None) in seen
    assert {referrer for _, referrer in seen} <= {None}
    context.close()
