"""Steps of tests about evidence: a request with messages, and its evidence as it is exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from hub.db.engine import db
from hub.evidence import export, signing_keys, verification
from hub.evidence.verification import Verdict
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import (
    ANNA,
    SigningApp,
    deliver,
    event_body,
    json_of,
    post_callback,
    process_pending_callbacks,
    signer_body,
    status_form,
    status_target,
)
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import message as message_of
from tests.hub_fixtures import signing_app as signing_app
from tests.team_connections import connect_team as connect_team

VERIFIER = Path(__file__).resolve().parents[2] / "examples" / "evidence-verifier" / "verify.mjs"


@pytest.fixture
def request_id(hub_demo: Flask, signing_app: SigningApp, simulator: Any) -> str:
    """Return a request that was sent to Eric and Anna, and delivered to Eric."""
    answer = json_of(
        signing_app.post(
            "/events",
            event_body("request.sent", signers=[signer_body("Eric"), signer_body("Anna", ANNA)]),
        )
    )
    deliver()
    [first, *_] = [row["id"] for row in answer["messages"] if row["channel"] == "sms"]
    report_status(hub_demo, first, "sent", "delivered")
    return str(message_of(first).request_id)


def report_status(app: Flask, message_id: str, *statuses: str) -> None:
    """Let the provider report statuses of a message."""
    sid = str(message_of(message_id).provider_id)
    for status in statuses:
        post_callback(app, status_form(app, sid, status), target=status_target(message_id))
    process_pending_callbacks()


def export_file(request_id: str) -> bytes:
    """Return the bytes of the file with the evidence of a request."""
    db.session.rollback()
    return export.encode_evidence(export.export_evidence(request_id))


def verify(data: bytes) -> Verdict:
    """Verify a file with the keys of this hub."""
    return verification.verify(data, hub_keys())


def hub_keys() -> list[verification.VerifierKey]:
    return [signing_keys.verifier_key(row) for row in signing_keys.list_keys()]


def entries_of(data: bytes, kind: str = "") -> list[dict[str, Any]]:
    """Return the entries of a file, or only those of a kind."""
    entries = [item["entry"] for item in json.loads(data)["entries"]]
    return [entry for entry in entries if kind in ("", entry["kind"])]


def value_of(data: bytes, part: dict[str, str]) -> Any:
    """Return the value of a hash in a file, or None if the file does not have it."""
    return json.loads(data)["values"].get(part["sha256"], {}).get("value")
