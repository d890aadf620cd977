"""Read where and how to send to an endpoint: its settings and secrets, decrypted and cached."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import bindparam, select

from hub.core import __version__
from hub.db.compiled_sql import get_table
from hub.db.encrypted_fields import WEBHOOK_SECRET, WEBHOOK_SETTINGS
from hub.db.engine import db
from hub.db.types import keyring
from hub.endpoints.payloads import Audience
from hub.models import Source, WebhookEndpoint, WebhookSecret
from hub.models.webhook_endpoint import HANDLER, WEBHOOK

MAX_CACHED = 1000


@dataclass(frozen=True)
class Target:
    """An endpoint as the dispatcher calls it."""

    endpoint_id: str
    version: int
    kind: str
    audience: Audience
    name: str  # of a handler, or the description
    settings: Mapping[str, Any]
    secrets: Sequence[tuple[str, datetime | None]]  # with the end of each, newest first

    @property
    def is_broker(self) -> bool:
        return self.kind not in (WEBHOOK, HANDLER)

    @property
    def is_handler(self) -> bool:
        return self.kind == HANDLER

    @property
    def url(self) -> str:
        """The URL of a webhook."""
        return str(self.settings["url"])

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers of every request to a webhook."""
        return headers_of(self.settings)

    @cached_property
    def header_secrets(self) -> Sequence[str]:
        """The secret values in the headers of every request."""
        authorization = self.headers.get("authorization", "").rpartition(" ")[2]
        password = str(self.settings.get("password") or "")
        return [authorization, password, *self.settings.get("headers", {}).values()]

    def secrets_at(self, moment: datetime) -> list[str]:
        """Return the secrets that sign a request at this time."""
        return [text for text, expires_at in self.secrets if not expires_at or expires_at > moment]


class TargetCache:
    """Targets by endpoint. A changed endpoint has another version, and is read again."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}

    def read(self, endpoint_ids: Sequence[str]) -> dict[str, Target]:
        """Return the targets of endpoints that are not deleted. Raises DecryptionError."""
        if len(self._targets) > MAX_CACHED:
            self._targets.clear()
        rows = db.session.execute(_ENDPOINTS, {"ids": list(endpoint_ids)}).all()
        for row in rows:
            cached = self._targets.get(row[0])
            if cached is None or cached.version != row[1]:
                self._targets[row[0]] = _target_of(row)
        return {row[0]: self._targets[row[0]] for row in rows}


def _target_of(row: Any) -> Target:
    endpoint_id, version, kind, source, test, with_addresses, with_texts, name, sealed = row
    settings = keyring().open_json(WEBHOOK_SETTINGS, endpoint_id.partition("_")[2], sealed)
    return Target(
        endpoint_id,
        version,
        kind,
        Audience(source, None if kind == HANDLER else test, with_addresses, with_texts),
        name,
        settings,
        [
            (keyring().open_json(WEBHOOK_SECRET, secret_id.partition("_")[2], secret), expires_at)
            for secret_id, secret, expires_at in db.session.execute(
                _SECRETS, {"endpoint": endpoint_id}
            )
        ],
    )


def headers_of(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of every request to an endpoint, its own ones included."""
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": f"Signpost/{__version__}",
        **{name.lower(): value for name, value in settings.get("headers", {}).items()},
    }
    if settings.get("user"):
        pair = f"{settings['user']}:{settings.get('password', '')}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    return headers


_endpoint = get_table(WebhookEndpoint)
_secret = get_table(WebhookSecret)
_ENDPOINTS = (
    select(
        _endpoint.c.id,
        _endpoint.c.version,
        _endpoint.c.kind,
        Source.slug,
        _endpoint.c.test,
        _endpoint.c.with_addresses,
        _endpoint.c.with_texts,
        _endpoint.c.description,
        _endpoint.c.settings,
    )
    .outerjoin(Source, Source.id == _endpoint.c.source_id)
    .where(_endpoint.c.id.in_(bindparam("ids", expanding=True)), _endpoint.c.deleted_at.is_(None))
)
_SECRETS = (
    select(_secret.c.id, _secret.c.secret, _secret.c.expires_at)
    .where(_secret.c.endpoint_id == bindparam("endpoint"))
    .order_by(_secret.c.id.desc())
)
