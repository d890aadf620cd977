"""A Teams workflow and the cards that tests post to it."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from hub.core.data_dir import SimulatorCredentials
from hub.integrations.base import Button, Card, Outbound
from hub.integrations.teams.integration import Teams
from hub.lib import provider_http
from tests.integrations.http_recorder import HttpRecorder

CREDENTIALS = SimulatorCredentials("AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32)
SETTINGS = Teams.demo_settings(CREDENTIALS) or {}
URL = SETTINGS["workflow_url"]


SIG = URL.partition("sig=")[2]
WORKFLOW = Teams.senders_of(SETTINGS).default
CARD = Card(
    "Employment Agreement",
    (("Sender", "Acme HR"), ("Waiting for", "Eric")),
    ("Dana reminded Eric.",),
)
BUTTONS = (
    Button("Open document", "https://sign.example/r/1", style="primary"),
    Button("Remind signer", "https://hub.example/a/x", token="x"),
)
SCHEMA = jsonschema.Draft6Validator(
    json.loads(files("adaptive_cards").joinpath("schemas/schema-1.5.json").read_text("utf-8"))
)


@pytest.fixture
def teams(http_recorder: HttpRecorder) -> Teams:
    return Teams(
        SETTINGS,
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"]),
        {"teams": http_recorder.url},
    )


def outbound(text: str = "Anna has signed.", **fields: Any) -> Outbound:
    return Outbound(**{"id": "msg_1", "attempt": 1, "to": WORKFLOW, "text": text, **fields})


def rendered(message: Outbound) -> dict[str, Any]:
    """Return the payload of a message after validating its card against the schema."""
    payload = Teams(SETTINGS, provider_http.ProviderHttpClient()).render(message)
    (attachment,) = payload["attachments"]
    assert (payload["type"], attachment["contentType"]) == (
        "message",
        "application/vnd.microsoft.card.adaptive",
    )
    SCHEMA.validate(
        {name: value for name, value in attachment["content"].items() if name != "msteams"}
    )  # which is Teams' own
    return payload
