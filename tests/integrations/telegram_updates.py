"""Updates as Telegram sends them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hub.core.data_dir import SimulatorCredentials
from hub.integrations.base import (
    WebhookRequest,
)
from hub.integrations.telegram.integration import SECRET, Telegram
from hub.lib import provider_http

SETTINGS = (
    Telegram.demo_settings(
        SimulatorCredentials("AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32)
    )
    or {}
)
BOT = Telegram(SETTINGS, provider_http.ProviderHttpClient())
PROOF = BOT._secret()
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ERIC = {"id": 4711, "is_bot": False, "first_name": "Eric", "last_name": "Smith", "username": "eric"}
PRIVATE = {"id": 4711, "type": "private"}
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "Acme signing"}
TOKEN = "aZ09_-aZ09_-"


def make_request(update: Any, **headers: str) -> WebhookRequest:
    body = update if isinstance(update, bytes) else json.dumps(update).encode()
    all_headers = {"content-type": "application/json", SECRET: PROOF, **headers}
    return WebhookRequest(
        "POST",
        "https://hub.example/api/rpc/webhooks/telegram/bot",
        "telegram/{connection}",
        all_headers,
        body,
        "bot",
    )


def make_message(text: str, chat: dict[str, Any] = PRIVATE, **fields: Any) -> dict[str, Any]:
    return {
        "update_id": 9,
        "message": {
            "message_id": 5,
            "from": ERIC,
            "chat": chat,
            "date": int(AT.timestamp()),
            "text": text,
            **fields,
        },
    }


def parse(update: Any) -> list[Any]:
    return BOT.parse_events(make_request(update))


PRESS = {
    "update_id": 10,
    "callback_query": {
        "id": "99",
        "from": ERIC,
        "data": TOKEN,
        "message": {"message_id": 7, "chat": GROUP, "date": 0},
    },
}
