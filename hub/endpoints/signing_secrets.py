"""Rotate the secrets that sign an endpoint's webhooks."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from hub.core.errors import Conflict, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.endpoints import signatures
from hub.endpoints.endpoints import find
from hub.models import WebhookSecret
from hub.models.webhook_endpoint import WEBHOOK
from hub.shared import audit

MAX_OVERLAP = timedelta(days=7)


@transaction
def rotate_secret(endpoint_id: str, overlap: timedelta, *, force: bool = False) -> str:
    """Add a secret and return it. The previous one also signs until the overlap ends.

    Raises Conflict during the overlap of an earlier rotation, unless `force` ends that one.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise Refused("bad_overlap", "Choose an overlap of at most 7 days.", field="overlap")
    endpoint = find(endpoint_id)
    if endpoint.kind != WEBHOOK:
        raise Conflict("no_secret", "Only webhooks have a secret.")
    moment = now()
    active = active_secrets(endpoint_id)
    if len(active) > 1 and not force:
        raise Conflict(
            "rotation_running",
            "An earlier rotation has not ended: two secrets are valid. Wait until the older one"
            " ends, or choose to end it now.",
        )
    for position, secret in enumerate(active):
        secret.expires_at = moment + overlap if position == 0 else moment
    text = signatures.new_secret()
    added = WebhookSecret(endpoint_id=endpoint_id)
    added.secret = text
    db.session.add(added)
    endpoint.version += 1
    audit.record(
        "webhook_endpoint.secret_rotated",
        endpoint.id,
        endpoint.description,
        overlap_hours=overlap / timedelta(hours=1),
    )
    return text


def active_secrets(endpoint_id: str, moment: datetime | None = None) -> list[WebhookSecret]:
    """Return the secrets that sign requests now, newest first."""
    return list(
        db.session.scalars(
            select(WebhookSecret)
            .where(
                WebhookSecret.endpoint_id == endpoint_id,
                (WebhookSecret.expires_at.is_(None))
                | (WebhookSecret.expires_at > (moment or now())),
            )
            .order_by(WebhookSecret.id.desc())
        )
    )
