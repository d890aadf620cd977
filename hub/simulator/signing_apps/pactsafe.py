"""PactSafe: its webhooks, and the request that its API returns.

https://clickwrap-developer.ironcladapp.com/docs/webhook-events
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any

from flask import Blueprint, Response, jsonify, request

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.context import current_simulator
from hub.simulator.signing_apps.documents import Document, Signer, find_document

NAME = "pactsafe"
DOWN = "down"  # the record of whether the API is down
EVENTS = {
    "send": "request_sent",
    "sign": "request_signed",
    "complete": "request_complete",
    "expire": "request_expired",
}

api = Blueprint("pactsafe_api", __name__, url_prefix="/v1.1")


def headers_of(credentials: SimulatorCredentials) -> dict[str, str]:
    """Return the headers of a webhook: the secret code is all that proves it."""
    return {
        "Content-Type": "application/json",
        "Pactsafe-Webhook-Token": credentials.derive("pactsafe webhook"),
    }


def build_webhook(
    document: Document, action: str, signer: Signer | None, at: str, url: str
) -> dict[str, Any]:
    """Return a webhook, which has neither addresses nor links."""
    about = {"signer": signer["id"]} if signer else {"user": 1}
    return _common(EVENTS[action], at, url) | {"request": document["id"]} | about


def build_test(at: str, url: str) -> dict[str, Any]:
    """Return the webhook of the Test button."""
    return _common("test_event", at, url) | {"user": 1}


def _common(kind: str, at: str, url: str) -> dict[str, Any]:
    return {
        "type": "webhook",
        "event_type": kind,
        "id": secrets.token_hex(12),
        "site": 1,
        "integration": "596f854922d3a615b6dce9f7",
        "sent_to": url,
        "deliverable": True,
        "description": f"The simulator sent {kind}.",
        "created_time": at,
        "updated_time": at,
    }


@api.get("/requests/<request_id>")
def get_request(request_id: str) -> tuple[Response, int]:
    """Return a request with its signers."""
    simulator = current_simulator()
    if is_down():
        return jsonify(message="Service unavailable"), 503
    given = _authorization()
    expected = f"Bearer {simulator.account.credentials.derive('pactsafe api key')}"
    if not hmac.compare_digest(given.encode(), expected.encode()):
        return jsonify(message="Unauthorized"), 401
    document = find_document(simulator, NAME, request_id)
    if document is None:
        return jsonify(message="Not found"), 404
    base = simulator.config.simulator_url
    signers = [_signer(signer, f"{base}/sign") for signer in document["signers"]]
    return jsonify(id=request_id, name=document["title"], signer_order=False, signers=signers), 200


def is_down() -> bool:
    """Return whether the API is switched off."""
    return bool((current_simulator().records.get(f"{NAME} {DOWN}", DOWN) or {}).get("on"))


def _authorization() -> str:
    return request.headers.get("Authorization", "")


def _signer(signer: Signer, base: str) -> dict[str, Any]:
    first, _, last = signer["name"].partition(" ")
    return {
        "signer_id": signer["id"],
        "signer": {
            "email": signer["email"] or None,
            "mobile_number": signer["phone"] or None,
            "additional_attributes": {"first_name": first, "last_name": last},
        },
        "send_to": {"email": signer["email_on"], "mobile_number": signer["phone_on"]},
        "request_url": f"{base}/{signer['token']}",
    }
