"""Create webhooks as Slack sends them."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

from tests.fuzz.random_values import FORM, JSON, PREFIX, RandomValues, Webhook


def make_webhook(source: RandomValues) -> Webhook:
    if source.random.random() < 0.05:
        return Webhook(
            f"{PREFIX}slack/interactions",
            b"ssl_check=1&token=x",
            FORM,
            {},
            True,
            "Slack: ssl_check",
        )
    if source.random.random() < 0.1:
        event = {
            "type": "event_callback",
            "event": {"type": source.text()},
            "api_app_id": source.slack["app_id"],
        }
        return _sign(source, json.dumps(event).encode(), JSON, f"Slack: event {event}")
    action = {
        "type": "button",
        "action_id": source.text(),
        "value": source.random.choice([*source.buttons, source.text(), None, 5]),
    }
    kind = source.random.choice(
        ["block_actions", "view_submission", "interactive_message", source.text()]
    )
    payload: dict[str, Any] = {
        "type": kind,
        "user": {"id": "U1", "name": source.text()},
        "actions": [action, {"type": "button", "url": source.text()}],
        "response_url": source.random.choice(
            ["https://hooks.slack.com/actions/T0123ABCD/12/abc", source.text()]
        ),
        "container": {"channel_id": "C1", "message_ts": "1.2"},
    }
    for name in source.random.sample(sorted(payload), k=source.random.randrange(3)):
        payload[name] = source.value()
    payload["api_app_id"] = source.slack["app_id"]
    return _sign(
        source, urlencode({"payload": json.dumps(payload)}).encode(), FORM, f"Slack: {payload}"
    )


def _sign(source: RandomValues, body: bytes, kind: str, description: str) -> Webhook:
    at = str(int(time.time()))
    digest = hmac.new(
        source.slack["signing_secret"].encode(), f"v0:{at}:".encode() + body, "sha256"
    ).hexdigest()
    headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": f"v0={digest}"}
    return Webhook(f"{PREFIX}slack/interactions", body, kind, headers, True, description)
