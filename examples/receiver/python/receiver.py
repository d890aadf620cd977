"""Receive webhooks from Signpost and verify them with the library `standardwebhooks`."""

from __future__ import annotations

import os
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRETS = os.environ["SIGNPOST_WEBHOOK_SECRETS"].split()
LARGEST_BODY = 256 * 1024
MOST_IDS = 10_000  # a real app keeps them in its database
seen: OrderedDict[str, None] = OrderedDict()


def verify(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    """Return the event in a webhook; raise WebhookVerificationError if it is not genuine."""
    for secret in SECRETS:
        try:
            event: dict[str, Any] = Webhook(secret).verify(body, headers)
        except (WebhookVerificationError, ValueError):  # ValueError: damaged headers
            continue
        return event
    raise WebhookVerificationError("The signature does not match.")


def process(event: dict[str, Any]) -> None:
    """Process an event once, although Signpost may send it again."""
    if event["id"] in seen:
        return
    seen[event["id"]] = None
    if len(seen) > MOST_IDS:
        seen.popitem(last=False)
    print(event["type"], event["id"], event["status"] or "", flush=True)


class Handler(BaseHTTPRequestHandler):
    """Answers 204 for a genuine webhook and 401 for any other request."""

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), LARGEST_BODY))
        try:
            event = verify(body, {name.lower(): value for name, value in self.headers.items()})
        except WebhookVerificationError:
            self.send_response(401)
        else:
            process(event)
            self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    port = int(os.environ.get("PORT", "9000"))
    print(f"Listening on http://127.0.0.1:{port}/", flush=True)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
