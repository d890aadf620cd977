"""Callbacks: a genuine webhook is stored once, before the provider is answered."""

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
from hub.db.compiled_sql import Statement, table_of
from hub.db.encrypted_fields import CALLBACK_REQUEST
from hub.db.engine import db
from hub.db.group_commit import Storage, storage_of
from hub.db.store import read, transaction
from hub.db.types import keyring, new_id, now
from hub.integrations.base import WebhookRequest
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.lib.crypto import digest
from hub.lib.storable import make_storable
from hub.models import Connection, ProviderCallback
from hub.shared import integration_instances

log = structlog.get_logger(__name__)

# of a provider's headers, what is worth keeping: proofs of who sent it, and names for looking it up
KEPT_HEADERS = ("content-type", "user-agent")
RELOAD_AFTER = 2.0  # seconds that an account's connections are remembered
# a signature that does not fit is tried again on what is stored now, unless that was read just now
DOUBT_AFTER = 0.05
MOST_ACCOUNTS = 1000
LONGEST_KEY = 200  # characters of an account, and of each part of a callback's key


class CannotVerify(HubError):
    """A webhook cannot be verified now, so the provider should repeat it."""


@dataclass(frozen=True)
class VerifiedBy:
    """The proof that a webhook is genuine: an instance that can read it, and every connection whose
    secret it was.
    """

    integration: WebhookReceiver
    connection_ids: tuple[str, ...]  # empty: the secret for accounts that belong to no connection


def verify(request: WebhookRequest, integrations: Sequence[type[WebhookReceiver]]) -> VerifiedBy:
    """Try the secrets of the account that the webhook claims, archived connections' too.

    Raises BadWebhook.
    """
    known = _known(request, integrations, RELOAD_AFTER)
    proof = _prove(request, known)
    if proof is None and time.monotonic() - known.read_at > DOUBT_AFTER:
        known = _known(request, integrations, 0)  # the secret may have changed a moment ago
        proof = _prove(request, known)
    if proof is not None:
        return proof
    if any(instance is None for _, instance in known.connections):
        raise CannotVerify(
            "The settings of a connection of this account cannot be decrypted, so the"
            " webhook cannot be verified."
        )
    if not known.connections:
        for cls in integrations:
            stray = integration_instances.instances().unassigned_verifier(cls)
            if stray is not None:
                stray.verify(request)
                return VerifiedBy(stray, ())
    raise BadWebhook("The signature matches no connection of this account.")


@dataclass(frozen=True)
class _Known:
    """The connections of an account, as they were a moment ago; instances are None where settings
    do not open.
    """

    connections: tuple[tuple[str, WebhookReceiver | None], ...]
    read_at: float


def _known(
    request: WebhookRequest, integrations: Sequence[type[WebhookReceiver]], oldest: float
) -> _Known:
    kept: dict[tuple[str, str], _Known] = current_app.extensions.setdefault(
        "hub.webhook_accounts", {}
    )
    name = (request.path, request.connection or _account(integrations[0], request))
    found = kept.get(name)
    if found is None or time.monotonic() - found.read_at >= oldest:
        if len(kept) > MOST_ACCOUNTS:  # accounts are what callers claim
            kept.clear()
        rows = [
            (connection.id, _instance(connection)) for connection in _claimed(request, integrations)
        ]
        found = kept[name] = _Known(tuple(rows), time.monotonic())
    return found


def _instance(connection: Connection) -> WebhookReceiver | None:
    try:
        made = integration_instances.instance(connection)
        return made if isinstance(made, WebhookReceiver) else None
    except HubError as problem:
        log.error("connection.unreadable", connection=connection.slug, why=str(problem))
        return None  # settings that do not open prove nothing


def _prove(request: WebhookRequest, known: _Known) -> VerifiedBy | None:
    proven: dict[str, WebhookReceiver] = {}
    for connection_id, instance in known.connections:
        try:
            if instance is not None:
                instance.verify(request)
                proven[connection_id] = instance
        except BadWebhook:
            continue
    return VerifiedBy(next(iter(proven.values())), tuple(proven)) if proven else None


def _claimed(
    request: WebhookRequest, integrations: Iterable[type[WebhookReceiver]]
) -> list[Connection]:
    found: list[Connection] = []
    for cls in integrations:
        query = select(Connection).where(Connection.integration == cls.name)
        by_slug = Connection.slug == request.connection
        by_account = Connection.account == _account(cls, request)
        query = query.where(by_slug if request.connection else by_account)
        found += db.session.scalars(query.order_by(Connection.id))
    return found


def _account(cls: type[WebhookReceiver], request: WebhookRequest) -> str:
    """Return whose webhook this claims to be.

    Strangers choose the text, so it must not fail in the database nor fill the memory.
    """
    account = make_storable(cls.claimed_account(request))
    return account if len(account) <= LONGEST_KEY else ""


def _key(text: str) -> str:
    """Return a part of a callback's key.

    PostgreSQL's indexes take no long text, so that of a long one is its hash.
    """
    text = make_storable(text)
    return text if len(text) <= LONGEST_KEY else f"{text[: LONGEST_KEY // 4]}…{digest(text).hex()}"


def store(request: WebhookRequest, proof: VerifiedBy) -> bool:
    """Store a genuine webhook, durably, before it is answered; False when it was stored before.

    Raises NotStored.
    """
    cls = type(proof.integration)
    subject, detail = (_key(part) for part in cls.callback_key(request))
    callback_id = new_id("rcp")
    moment = now()
    content = {
        "method": request.method,
        "url": make_storable(request.url),
        "path": request.path,
        "connection": request.connection,
        "headers": {
            name: make_storable(request.headers[name])
            for name in (*KEPT_HEADERS, *cls.stored_headers)
            if name in request.headers
        },
        "body": base64.b64encode(request.body).decode(),
        "integration": cls.name,
        "connections": proof.connection_ids,
    }
    row = {
        "id": callback_id,
        "subject": subject,
        "detail": detail,
        "endpoint": request.path,
        "scope": _account(cls, request) or request.connection,
        "connection_id": proof.connection_ids[0] if proof.connection_ids else None,
        "request": (keyring().seal_json(CALLBACK_REQUEST, callback_id.partition("_")[2], content)),
        "received_at": moment,
        "due_at": moment,
        "tries": 0,
        "error": "",
    }
    if _storage().insert(row):
        return True
    if proof.connection_ids and _missing(row, proof):
        _widen(row, proof, content)
    return False


def _missing(row: Mapping[str, Any], proof: VerifiedBy) -> bool:
    """Tell whether what was kept before does not count for all whose secret proves it now.

    Reads only: most repeats end here.
    """
    for callback_id, sealed in read(_KEPT, **{name: row[name] for name in UNIQUE}):
        try:
            kept = (
                keyring().open_json(CALLBACK_REQUEST, callback_id.partition("_")[2], sealed)[
                    "connections"
                ]
                if sealed
                else []
            )
        except (DecryptionError, KeyError, TypeError):
            return True  # the webhook is stored again
        return not set(proof.connection_ids) <= set(kept)
    return False


UNIQUE = ("subject", "detail", "endpoint", "scope")
_table = table_of(ProviderCallback)
_KEPT = Statement(
    select(_table.c.id, _table.c.request).where(
        *(_table.c[name] == bindparam(name) for name in UNIQUE)
    )
)


@transaction
def _widen(row: Mapping[str, Any], proof: VerifiedBy, came: Mapping[str, Any]) -> None:
    """Let a webhook that was kept before count for the connections that prove it now, and settle it
    again if that is news.

    Else somebody with another token of the same account could use up the place of the genuine one.
    """
    unique = [getattr(ProviderCallback, name) == row[name] for name in UNIQUE]
    callback = db.session.scalars(select(ProviderCallback).where(*unique).with_for_update()).one()
    try:
        content = {**callback.request, "connections": list(callback.request["connections"])}
    except (
        DecryptionError,
        KeyError,
        TypeError,
    ):  # its stored body was changed; the provider has just sent it again
        content = {**came, "connections": []}
    if fresh := [
        connection_id
        for connection_id in proof.connection_ids
        if connection_id not in content["connections"]
    ]:
        callback.request = {**content, "connections": [*content["connections"], *fresh]}
        callback.connection_id = callback.connection_id or fresh[0]
        callback.due_at = now()
        callback.tries = 0


def _storage() -> Storage:
    found = current_app.extensions.get("hub.callbacks")
    if found is None:
        # of threads that come first together one makes it; what another would keep its connections
        # in, nobody would close
        found = current_app.extensions.setdefault(
            "hub.callbacks", storage_of(ProviderCallback, db.engine)
        )
    return cast(Storage, found)


def request_of(content: Mapping[str, Any]) -> WebhookRequest:
    """Return a webhook as it arrived, from its callback."""
    return WebhookRequest(
        method=content["method"],
        url=content["url"],
        path=content["path"],
        headers=content["headers"],
        body=base64.b64decode(content["body"]),
        connection=content["connection"],
    )
