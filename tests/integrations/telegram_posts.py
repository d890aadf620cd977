"""A Telegram bot and the messages that tests post with it."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import (
    SendError,
)
from hub.integrations.base import Card, Outbound
from hub.integrations.telegram.integration import Telegram
from hub.lib import provider_http
from tests.integrations.http_recorder import HttpRecorder

CREDENTIALS = SimulatorCredentials("AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32)
SETTINGS = Telegram.demo_settings(CREDENTIALS) or {}
TOKEN = SETTINGS["token"]


TEAM = "-1001234567890"
CARD = Card(
    "Employment Agreement",
    (("Sender", "Acme HR"), ("Waiting for", "Eric & Anna")),
    ("Dana reminded Eric <now>.",),
)


@pytest.fixture
def telegram(http_recorder: HttpRecorder) -> Telegram:
    return make_bot(http_recorder)


def make_bot(http_recorder: HttpRecorder, **settings: Any) -> Telegram:
    return Telegram(
        {**SETTINGS, **settings},
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"]),
        dict.fromkeys(Telegram.api, http_recorder.url),
    )


def outbound(text: str = "Anna has signed.", **fields: Any) -> Outbound:
    return Outbound(**{"id": "msg_1", "attempt": 1, "to": TEAM, "text": text, **fields})


def refusal(status: int, description: str, **parameters: Any) -> dict[str, Any]:
    return {
        "ok": False,
        "error_code": status,
        "description": description,
        **({"parameters": parameters} if parameters else {}),
    }


def refused(
    telegram: Telegram,
    http_recorder: HttpRecorder,
    status: int,
    description: str,
    message: Outbound | None = None,
    **parameters: Any,
) -> SendError:
    http_recorder.answer(status, refusal(status, description, **parameters))
    with pytest.raises(SendError) as problem:
        telegram.send(message or outbound())
    return problem.value
