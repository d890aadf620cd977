"""Store each genuine webhook once, before the provider gets its response."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from flask import current_app
from sqlalchemy import bindparam, select

from hub.core.errors import BadWebhook, DecryptionError, HubError
from hub.db.compiled_sql import Statement, get_table
from hub.db.encrypted_fields import CALLBACK_REQUEST
from hub.db.engine import db
from hub.db.group_commit import Storage, create_storage
from hub.db.store import read, transaction
from hub.db.types import keyring, new_id, now
from hub.integrations.base import WebhookRequest
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib.crypto import digest
from hub.lib.storable import make_storable
from hub.models import Connection, ProviderCallback
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

# headers to store in addition to those that an integration names
KEPT_HEADERS = ("content-type", "user-agent")
RELOAD_AFTER = 2.0  # seconds that the connections of an account are cached
# a signature that does not match is checked again with fresh connections, unless they are this new
DOUBT_AFTER = 0.05
MAX_ACCOUNTS = 1000
MAX_KEY_LENGTH = 200  # characters of an account, and of each part of a callback's key


class CannotVerify(HubError):
    """A webhook cannot be verified now, so the provider should repeat it."""


@dataclass(frozen=True)
class VerificationProof:
    """The proof that a webhook is genuine.

    `integration` is an instance that can read it, `connection_ids` those whose secret verified it.
    """

    integration: WebhookReceiver
    connection_ids: tuple[str, ...]  # empty: verified for an account without a connection


def verify(
    request: WebhookRequest, integrations: Sequence[type[WebhookReceiver]]
) -> VerificationProof:
    """Check a webhook against the secrets of the account that it claims, archived ones included.

    Raises BadWebhook, or CannotVerify.
    """
    account = _load_account(request, integrations, RELOAD_AFTER)
    proof = _verify_signature(request, account)
    if proof is None and time.monotonic() - account.read_at > DOUBT_AFTER:
        account = _load_account(request, integrations, 0)  # the secret may have just changed
        proof = _verify_signature(request, account)
    if proof is not None:
        return proof
    if any(instance is None for _, instance in account.connections):
        raise CannotVerify(
            "The settings of a connection of this account cannot be decrypted, so the"
            " webhook cannot be verified."
        )
    if not account.connections:
        for integration_class in integrations:
            verifier = integration_instances.instances().unassigned_verifier(integration_class)
            if verifier is not None:
                verifier.verify(request)
                return VerificationProof(verifier, ())
    raise BadWebhook(integrations[0].refusal_reason, integrations[0].refusal_status)


@dataclass(frozen=True)
class _Account:
    """The connections of an account when it was read; an instance is None if its settings cannot be
    decrypted.
    """

    connections: tuple[tuple[str, WebhookReceiver | None], ...]
    read_at: float


def _load_account(
    request: WebhookRequest, integrations: Sequence[type[WebhookReceiver]], oldest: float
) -> _Account:
    cache: dict[tuple[str, str], _Account] = current_app.extensions.setdefault(
        "hub.webhook_accounts", {}
    )
    name = (request.path, request.connection or _account(integrations[0], request))
    entry = cache.get(name)
    if entry is None or time.monotonic() - entry.read_at >= oldest:
        if len(cache) > MAX_ACCOUNTS:  # callers choose the account
            cache.clear()
        rows = [
            (connection.id, _create_instance(connection))
            for connection in _claimed_connections(request, integrations)
        ]
        entry = cache[name] = _Account(tuple(rows), time.monotonic())
    return entry


def _create_instance(connection: Connection) -> WebhookReceiver | None:
    try:
        instance = integration_instances.instance(connection)
        return instance if isinstance(instance, WebhookReceiver) else None
    except HubError as error:
        log.error("connection.unreadable", connection=connection.slug, why=str(error))
        return None  # settings that cannot be decrypted prove nothing


def _verify_signature(request: WebhookRequest, account: _Account) -> VerificationProof | None:
    proven: dict[str, WebhookReceiver] = {}
    for connection_id, instance in account.connections:
        try:
            if instance is not None:
                instance.verify(request)
                proven[connection_id] = instance
        except BadWebhook:
            continue
    return VerificationProof(next(iter(proven.values())), tuple(proven)) if proven else None


def _claimed_connections(
    request: WebhookRequest, integrations: Iterable[type[WebhookReceiver]]
) -> list[Connection]:
    connections: list[Connection] = []
    for integration_class in integrations:
        query = select(Connection).where(Connection.integration == integration_class.name)
        if request.connection:
            query = query.where(Connection.slug == request.connection)
        elif integration_class.claims_accounts():
            query = query.where(Connection.account == _account(integration_class, request))
        connections += db.session.scalars(query.order_by(Connection.id))
    return connections


def _account(integration_class: type[WebhookReceiver], request: WebhookRequest) -> str:
    """Return the account that a webhook claims.

    Strangers choose the text, so it must neither fail in the database nor fill the memory.
    """
    account = make_storable(integration_class.claimed_account(request))
    return account if len(account) <= MAX_KEY_LENGTH else ""


def _key(text: str) -> str:
    """Return a part of a callback's key.

    PostgreSQL cannot index a long text, so a long text is replaced by its hash.
    """
    text = make_storable(text)
    return (
        text
        if len(text) <= MAX_KEY_LENGTH
        else f"{text[: MAX_KEY_LENGTH // 4]}…{digest(text).hex()}"
    )


def store(request: WebhookRequest, proof: VerificationProof) -> bool:
    """Store a genuine webhook durably; return False if it was stored before.

    Raises WriteFailed.
    """
    integration_class = type(proof.integration)
    subject, detail = (_key(part) for part in integration_class.callback_key(request))
    callback_id = new_id("rcp")
    received_at = now()
    content = {
        "method": request.method,
        "url": make_storable(request.url),
        "path": request.path,
        "connection": request.connection,
        "headers": {
            name: make_storable(request.headers[name])
            for name in (*KEPT_HEADERS, *integration_class.stored_headers)
            if name in request.headers
        },
        "body": base64.b64encode(request.body).decode(),
        "integration": integration_class.name,
        "connections": proof.connection_ids,
    }
    row = {
        "id": callback_id,
        "subject": subject,
        "detail": detail,
        "endpoint": request.path,
        "scope": _account(integration_class, request) or request.connection,
        "connection_id": proof.connection_ids[0] if proof.connection_ids else None,
        "request": (keyring().seal_json(CALLBACK_REQUEST, callback_id.partition("_")[2], content)),
        "received_at": received_at,
        "due_at": received_at,
        "tries": 0,
        "error": "",
    }
    if _storage().insert(row):
        return True
    if proof.connection_ids and _lacks_connections(row, proof):
        _add_connections(row, proof, content)
    return False


def _lacks_connections(row: Mapping[str, Any], proof: VerificationProof) -> bool:
    """Return whether the stored webhook lacks a connection whose secret verifies it now.

    Reads only, because most repeats end here.
    """
    for callback_id, encrypted in read(_STORED, **{name: row[name] for name in UNIQUE}):
        try:
            connections = (
                keyring().open_json(CALLBACK_REQUEST, callback_id.partition("_")[2], encrypted)[
                    "connections"
                ]
                if encrypted
                else []
            )
        except (DecryptionError, KeyError, TypeError):
            return True  # the webhook is stored again
        return not set(proof.connection_ids) <= set(connections)
    return False


UNIQUE = ("subject", "detail", "endpoint", "scope")
_table = get_table(ProviderCallback)
_STORED = Statement(
    select(_table.c.id, _table.c.request).where(
        *(_table.c[name] == bindparam(name) for name in UNIQUE)
    )
)


@transaction
def _add_connections(
    row: Mapping[str, Any], proof: VerificationProof, received: Mapping[str, Any]
) -> None:
    """Add the connections that verify a stored webhook now; process it again if any is new.

    Otherwise a caller with another token of the same account could block the genuine webhook.
    """
    unique = [getattr(ProviderCallback, name) == row[name] for name in UNIQUE]
    callback = db.session.scalars(select(ProviderCallback).where(*unique).with_for_update()).one()
    try:
        content = {**callback.request, "connections": list(callback.request["connections"])}
    except (DecryptionError, KeyError, TypeError):
        # the stored body was damaged, and the provider has just sent it again
        content = {**received, "connections": []}
    if added := [
        connection_id
        for connection_id in proof.connection_ids
        if connection_id not in content["connections"]
    ]:
        callback.request = {**content, "connections": [*content["connections"], *added]}
        callback.connection_id = callback.connection_id or added[0]
        callback.due_at = now()
        callback.tries = 0


def _storage() -> Storage:
    storage = current_app.extensions.get("hub.callbacks")
    if storage is None:
        # setdefault, because several threads may come here first, and only one storage is closed
        storage = current_app.extensions.setdefault(
            "hub.callbacks", create_storage(ProviderCallback, db.engine)
        )
    return cast(Storage, storage)


def restore_request(content: Mapping[str, Any]) -> WebhookRequest:
    """Return a webhook as it was received, from its stored content."""
    return WebhookRequest(
        method=content["method"],
        url=content["url"],
        path=content["path"],
        headers=content["headers"],
        body=base64.b64decode(content["body"]),
        connection=content["connection"],
    )
