"""Act on documents of the simulated signing apps, and post the webhooks that follow."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

from hub.simulator import posting
from hub.simulator.context import SimulatorContext
from hub.simulator.posting import HubResponse
from hub.simulator.signing_apps import documenso, documents, pactsafe
from hub.simulator.signing_apps.documents import Document, Signer

APPS: dict[str, ModuleType] = {module.NAME: module for module in (pactsafe, documenso)}
TITLES = {pactsafe.NAME: "PactSafe", documenso.NAME: "Documenso"}
OF_SIGNERS = ("open", "sign", "reject")  # actions of one signer
STATES = {
    "send": "sent",
    "complete": "completed",
    "expire": "expired",
    "cancel": "canceled",
    "reject": "rejected",
}
TIMEOUT = 10.0
TEST = "test"  # the record of the last test event
SHOWN_BYTES = 500  # of the response to a test event


def webhook_url(simulator: SimulatorContext, app: str) -> str:
    """Return the URL that webhooks are posted to: the entered one, or that of the usual name."""
    entered = (simulator.records.get(f"{app} settings", "url") or {}).get("url")
    return str(entered or f"{simulator.config.public_url}/api/rpc/webhooks/{app}/{app}")


def act(
    simulator: SimulatorContext, app: str, document: Document, action: str, signer_id: str = ""
) -> None:
    """Perform an action on a document, and post its webhook. Raises ValueError."""
    webhook = prepare(simulator, app, document, action, signer_id)
    documents.save(simulator, app, document)
    _post(simulator, app, webhook)
    documents.save(simulator, app, document)


def prepare(
    simulator: SimulatorContext, app: str, document: Document, action: str, signer_id: str = ""
) -> dict[str, Any]:
    """Change a document and add its webhook, which is not posted yet. Raises ValueError."""
    module = APPS[app]
    if action not in module.EVENTS:
        raise ValueError(f"{TITLES[app]} has no such event.")
    if app == documenso.NAME and action == "complete" and has_waiting_signers(document):
        raise ValueError("Documenso completes a document after its last recipient has signed.")
    signer = _find_signer(document, signer_id) if action in OF_SIGNERS else None
    at = documents.next_time(document)
    if signer is not None:
        _change_signer(signer, action, at)
    document["state"] = STATES.get(action, document["state"])
    body = module.build_webhook(document, action, signer, at, webhook_url(simulator, app))
    webhook = {"kind": module.EVENTS[action], "body": body, "results": []}
    document["webhooks"].append(webhook)
    return webhook


def _change_signer(signer: Signer, action: str, at: str) -> None:
    signer["opened"] = True
    if action != "open":
        signer["state"] = "signed" if action == "sign" else "rejected"
        signer["acted_at"] = at


def has_waiting_signers(document: Document) -> bool:
    """Return whether a signer has neither signed nor rejected."""
    return any(signer["state"] == "waiting" for signer in document["signers"])


def _find_signer(document: Document, signer_id: str) -> Signer:
    found = [signer for signer in document["signers"] if signer["id"] == signer_id]
    if not found:
        raise ValueError("This document has no such signer.")
    signer: Signer = found[0]
    return signer


def play(simulator: SimulatorContext, app: str, document: Document, *, shuffled: bool) -> None:
    """Play a complete signing: sent, signed, completed. `shuffled`: in any order, and twice."""
    webhooks = [prepare(simulator, app, document, "send")]
    for signer in document["signers"]:
        webhooks.append(prepare(simulator, app, document, "sign", signer["id"]))
    webhooks.append(prepare(simulator, app, document, "complete"))
    documents.save(simulator, app, document)
    if shuffled:
        webhooks += webhooks
        random.shuffle(webhooks)
    for webhook in webhooks:
        _post(simulator, app, webhook)
    documents.save(simulator, app, document)


def repeat(simulator: SimulatorContext, app: str, document: Document, *, shuffled: bool) -> None:
    """Post all webhooks of a document once more, unchanged."""
    webhooks = list(document["webhooks"])
    if shuffled:
        random.shuffle(webhooks)
    for webhook in webhooks:
        _post(simulator, app, webhook)
    documents.save(simulator, app, document)


def post_test(simulator: SimulatorContext) -> str:
    """Post the webhook of PactSafe's Test button, and return the result, which the page shows."""
    url = webhook_url(simulator, pactsafe.NAME)
    at = documents.format_time(datetime.now(UTC))
    webhook: dict[str, Any] = {
        "kind": "test_event",
        "body": pactsafe.build_test(at, url),
        "results": [],
    }
    response = _post(simulator, pactsafe.NAME, webhook)
    text = response.body[:SHOWN_BYTES].decode(errors="replace").strip()
    shown = {"at": at, "result": response.summary, "text": text}
    simulator.records.put(f"{pactsafe.NAME} settings", TEST, shown)
    return response.summary


def last_test(simulator: SimulatorContext, app: str) -> dict[str, Any] | None:
    """Return the time, the result and the text of the response to the last test event."""
    return simulator.records.get(f"{app} settings", TEST)


def _post(simulator: SimulatorContext, app: str, webhook: dict[str, Any]) -> HubResponse:
    headers = APPS[app].headers_of(simulator.account.credentials)
    response = posting.post(
        webhook_url(simulator, app), json.dumps(webhook["body"]).encode(), headers, timeout=TIMEOUT
    )
    webhook["results"].append(response.summary)
    return response
