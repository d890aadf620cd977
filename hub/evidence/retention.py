"""Keep evidence for HUB_EVIDENCE_DAYS after the last event of a request, or while it is held."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from flask import current_app
from sqlalchemy import ColumnElement, and_, delete, exists, select

from hub.core.config import Config
from hub.core.errors import NotFound
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import first_id_at, now
from hub.lib import times
from hub.models import EvidenceHold, EvidenceRow, SigningRequest


def kept_since() -> datetime:
    """Return the time before which evidence is no longer kept."""
    config: Config = current_app.extensions["hub.config"]
    return now() - times.days(config.evidence_days)


def check_kept(request_id: str) -> None:
    """Raise NotFound if the evidence of a request is no longer kept."""
    query = select(SigningRequest.id).where(
        SigningRequest.id == request_id, ended_requests(kept_since(), recorded=False)
    )
    if db.session.scalar(query) is not None:
        raise NotFound(
            "evidence_deleted",
            "The evidence of this request is no longer kept. HUB_EVIDENCE_DAYS says how long it"
            " is.",
        )


def kept_requests(request_ids: Collection[str]) -> ColumnElement[bool]:
    """Select those of some requests whose evidence is kept."""
    return and_(SigningRequest.id.in_(request_ids), ~ended_requests(kept_since(), recorded=False))


def ended_requests(before: datetime, *, recorded: bool) -> ColumnElement[bool]:
    """Select requests whose evidence is no longer kept.

    `recorded`: only those of which rows are stored.
    """
    newer = exists().where(
        EvidenceRow.request_id == SigningRequest.id, EvidenceRow.last_at >= before
    )
    conditions = [
        SigningRequest.id < first_id_at("req", before),
        SigningRequest.reported_at < before,
        ~newer,
        ~exists().where(EvidenceHold.request_id == SigningRequest.id),
    ]
    if recorded:
        conditions.append(exists().where(EvidenceRow.request_id == SigningRequest.id))
    return and_(*conditions)


@transaction
def delete_evidence(request_ids: Sequence[str]) -> None:
    """Delete the evidence of requests."""
    old = delete(EvidenceRow).where(EvidenceRow.request_id.in_(request_ids))
    db.session.execute(old.execution_options(synchronize_session=False))
