"""Shared steps of tests of the messages API."""

from __future__ import annotations

from typing import Any

from tests.hub_fixtures import ERIC, SigningApp, json_of

UNKNOWN_ID = "msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c"


def send_message(app: SigningApp, **fields: Any) -> dict[str, Any]:
    answer = app.post("/messages", {"channel": "sms", "to": ERIC, "text": "Hello.", **fields})
    assert answer.status_code == 202, answer.text
    return json_of(answer)  # type: ignore[no-any-return]
