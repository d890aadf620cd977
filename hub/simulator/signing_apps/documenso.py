"""Documenso: its webhooks, the state of its server, and the page of a signing link.

https://docs.documenso.com/developers/webhooks
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template

from hub.core.data_dir import SimulatorCredentials
from hub.simulator.context import current_simulator
from hub.simulator.signing_apps.documents import Document, Signer, format_time, list_documents

NAME = "documenso"
EVENTS = {
    "send": "DOCUMENT_SENT",
    "open": "DOCUMENT_OPENED",
    "sign": "DOCUMENT_SIGNED",
    "complete": "DOCUMENT_COMPLETED",
    "reject": "DOCUMENT_REJECTED",
    "cancel": "DOCUMENT_CANCELLED",
}
STATES = {"waiting": "NOT_SIGNED", "signed": "SIGNED", "rejected": "REJECTED"}
APPS = ("documenso", "pactsafe")  # both have links to /sign

api = Blueprint("documenso_api", __name__)


def headers_of(credentials: SimulatorCredentials) -> dict[str, str]:
    """Return the headers of a webhook: the secret is all that proves it."""
    return {
        "Content-Type": "application/json",
        "X-Documenso-Secret": credentials.derive("documenso webhook"),
    }


def build_webhook(
    document: Document, action: str, signer: Signer | None, at: str, url: str
) -> dict[str, Any]:
    """Return a webhook with the document as it is now. It does not say who acted."""
    is_closed = action in ("complete", "cancel", "reject")
    state = {"complete": "COMPLETED", "cancel": "CANCELLED", "reject": "REJECTED"}
    recipients = [_recipient(document, entry) for entry in document["signers"]]
    payload = {
        "id": document["number"],
        "envelopeId": f"envelope_{document['id'][:16]}",
        "externalId": None,
        "userId": 1,
        "title": document["title"],
        "status": state[action] if is_closed else "PENDING",
        "createdAt": document["created_at"],
        "updatedAt": at,
        "completedAt": at if action == "complete" else None,
        "source": "DOCUMENT",
        "documentMeta": {
            "signingOrder": "PARALLEL",
            "language": "en",
            "distributionMethod": "NONE",
        },
        "recipients": recipients,
        "Recipient": recipients,
    }
    return {
        "event": EVENTS[action],
        "payload": payload,
        "createdAt": format_time(datetime.now(UTC)),
        "webhookEndpoint": url,
    }


def _recipient(document: Document, signer: Signer) -> dict[str, Any]:
    return {
        "id": signer["number"],
        "envelopeId": f"envelope_{document['id'][:16]}",
        "documentId": document["number"],
        "templateId": None,
        "email": signer["email"],
        "name": signer["name"],
        "token": signer["token"],
        "signedAt": signer["acted_at"],
        "signingOrder": 1,
        "role": "SIGNER",
        "readStatus": "OPENED" if signer["opened"] else "NOT_OPENED",
        "signingStatus": STATES[signer["state"]],
        "sendStatus": "SENT",
    }


@api.get("/api/health")
def health() -> Response:
    """Return the state of the server."""
    return jsonify(status="ok", timestamp=format_time(datetime.now(UTC)))


@api.get("/sign/<token>")
@api.get("/sign/<token>/complete")
def sign(token: str) -> str:
    """Show the page of a personal link."""
    simulator = current_simulator()
    for app in APPS:
        for document in list_documents(simulator, app):
            for signer in document["signers"]:
                if signer["token"] == token:
                    return render_template(
                        "simulator/signing_link.html",
                        app=app,
                        document=document,
                        signer=signer,
                        hub_url=simulator.config.public_url,
                    )
    abort(404)
