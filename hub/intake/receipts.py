"""Receipts: a genuine webhook is stored once, before the provider is answered."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from hub import live
from hub.errors import BadWebhook, HubError
from hub.extensions import db
from hub.integrations.base import Integration, WebhookRequest
from hub.models import Connection, Receipt
from hub.models.types import keyring, new_id, now
from hub.store import transaction

# of a provider's headers, what is worth keeping: proofs of who sent it, and names for looking it up
KEPT_HEADERS = ("content-type", "user-agent", "i-twilio-idempotency-token")


@dataclass(frozen=True)
class Proof:
    """Who proved a webhook genuine: an instance that can read it, and every connection whose secret that was."""

    integration: Integration
    connection_ids: tuple[str, ...]  # empty: the secret for accounts that belong to no connection


def verify(request: WebhookRequest, integrations: Sequence[type[Integration]]) -> Proof:
    """Try the secrets of the account that the webhook claims, archived connections' too. Raises BadWebhook."""
    proven: list[Connection] = []
    reader: Integration | None = None
    known = False
    for connection in _claimed(request, integrations):
        known = True
        try:
            instance = live.instance(connection)
            instance.verify(request)
        except BadWebhook:
            continue
        except HubError:
            continue  # settings that do not open prove nothing
        proven.append(connection)
        reader = reader or instance
    if reader is not None:
        return Proof(reader, tuple(connection.id for connection in proven))
    if not known:
        for cls in integrations:
            stray = live.running().stray(cls)
            if stray is not None:
                stray.verify(request)
                return Proof(stray, ())
    raise BadWebhook("The signature does not fit any connection of this account.")


def _claimed(request: WebhookRequest, integrations: Iterable[type[Integration]]) -> list[Connection]:
    found: list[Connection] = []
    for cls in integrations:
        query = select(Connection).where(Connection.integration == cls.name)
        by_slug, by_account = Connection.slug == request.connection, Connection.account == cls.account(request)
        query = query.where(by_slug if request.connection else by_account)
        found += db.session.scalars(query.order_by(Connection.id))
    return found


@transaction
def keep(request: WebhookRequest, proof: Proof) -> bool:
    """Store a genuine webhook; False when it was stored before."""
    cls = type(proof.integration)
    subject, detail = cls.receipt_key(request)
    receipt_id, moment = new_id("rcp"), now()
    content = {
        "method": request.method, "url": request.url, "path": request.path, "connection": request.connection,
        "headers": {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers},
        "body": base64.b64encode(request.body).decode(), "integration": cls.name, "connections": proof.connection_ids,
    }  # fmt: skip
    values = {
        "id": receipt_id, "subject": subject, "detail": detail, "endpoint": request.path,
        "scope": cls.account(request) or request.connection,
        "connection_id": proof.connection_ids[0] if proof.connection_ids else None, "received_at": moment, "tries": 0, "error": "",
        "due_at": moment if proof.connection_ids else None,
        "request": keyring().seal_json("receipts", receipt_id.partition("_")[2], "request", content),
    }  # fmt: skip
    insert = postgresql.insert if db.engine.dialect.name == "postgresql" else sqlite.insert
    statement: Any = insert(Receipt.__table__).values(values).on_conflict_do_nothing().returning(Receipt.id)  # type: ignore[arg-type]
    return db.session.execute(statement).first() is not None


def request_of(receipt: Receipt) -> WebhookRequest:
    """Return a stored webhook as it came in. Raises Unreadable."""
    content = receipt.request
    return WebhookRequest(
        method=content["method"], url=content["url"], path=content["path"], headers=content["headers"],
        body=base64.b64decode(content["body"]), connection=content["connection"],
    )  # fmt: skip
