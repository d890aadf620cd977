"""List, add and remove opt-outs, and list and record consents, through the API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from sqlalchemy import Select

from hub.api.consent_shapes import (
    BlockOut,
    ConsentIn,
    ConsentOut,
    ConsentQuery,
    ConsentsOut,
    LiftIn,
    SuppressionIn,
    SuppressionOut,
    SuppressionQuery,
    SuppressionsOut,
)
from hub.api.guard import current_caller
from hub.api.operations import operation
from hub.api.pages import read_page
from hub.api.shapes import parse_body, parse_query, store_and_respond
from hub.core.vocabulary import Channel, Scope
from hub.db import id_pages
from hub.messaging.contacts import consents, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.suppressions import AddressOptOut
from hub.messaging.state import unreadable_rows
from hub.models import Consent, Suppression

blueprint = Blueprint("suppressions", __name__)


@blueprint.get("/suppressions")
@operation(
    id="listSuppressions",
    tag="Opt-outs",
    summary="List opt-outs",
    description=(
        "Returns pages of opt-outs that keys of your source recorded, newest first. With"
        " `address`, `blocked` shows what blocks your messages to it, including opt-outs"
        " that apply to every source."
    ),
    scope=Scope.CONTACTS_READ,
    status=200,
    response=SuppressionsOut,
    errors="401 422",
    query=SuppressionQuery,
)
def list_suppressions() -> dict[str, Any]:
    """List opt-outs, newest first."""
    client = current_caller()
    filters = parse_query(SuppressionQuery)
    query = suppressions.list_opt_outs(
        address=filters.address or "",
        test=client.test,
        lifted=filters.opened,
        source_id=client.source_id,
    )
    rows, following = _page(query, Suppression.id, "sup", filters)
    opt_outs = unreadable_rows.readable_rows(
        "suppressions", suppressions.with_addresses(rows), _suppression
    )
    blocked = _blocked(filters.address) if filters.address else None
    return SuppressionsOut(suppressions=opt_outs, blocked=blocked, next=following).model_dump(
        mode="json"
    )


@blueprint.post("/suppressions")
@operation(
    id="addSuppression",
    tag="Opt-outs",
    summary="Add an opt-out",
    description=(
        "Blocks messages from your source to the address, or from all sources if an admin"
        " chose that for your source. An existing opt-out is not changed."
    ),
    scope=Scope.CONTACTS_WRITE,
    status=201,
    response=SuppressionOut,
    errors="400 401 413 415 422 503",
    body=SuppressionIn,
    example={"address": "+13175551234", "why": "Asked us on the phone."},
)
def add_suppression() -> tuple[dict[str, Any], int]:
    """Opt out an address. An existing opt-out is not changed."""
    client = current_caller()
    posted = parse_body(SuppressionIn)
    return store_and_respond(
        lambda: suppressions.add_opt_out(
            posted.address,
            channel=posted.channel or "",
            explanation=posted.why,
            test=client.test,
            reason=suppressions.BY_API,
            source_id=client.source_id,
        ),
        _build_response,
    ), 201


@blueprint.post("/suppressions/<suppression_id>/lift")
@operation(
    id="liftSuppression",
    tag="Opt-outs",
    summary="Remove an opt-out",
    description=(
        "Requires the reason. Only admins can remove opt-outs by keyword, provider or admin."
    ),
    scope=Scope.CONTACTS_WRITE,
    status=200,
    response=SuppressionOut,
    errors="400 401 404 413 415 422 503",
    body=LiftIn,
    example={"why": "Wrote to us and wants messages."},
)
def lift_suppression(suppression_id: str) -> dict[str, Any]:
    """Remove an opt-out."""
    client = current_caller()
    reason = parse_body(LiftIn).why
    return store_and_respond(
        lambda: suppressions.lift_opt_out(
            suppression_id, reason=reason, test=client.test, source_id=client.source_id
        ),
        _build_response,
    )


@blueprint.get("/consents")
@operation(
    id="listConsents",
    tag="Opt-outs",
    summary="List consents of an address",
    description="Returns pages of consents that keys of your source recorded, newest first.",
    scope=Scope.EVIDENCE_READ,  # the response includes evidence: texts, IP addresses, browsers
    status=200,
    response=ConsentsOut,
    errors="401 422",
    query=ConsentQuery,
)
def list_consents() -> dict[str, Any]:
    """List the consents and refusals of an address, newest first."""
    client = current_caller()
    filters = parse_query(ConsentQuery)
    query = consents.consent_history(filters.address, test=client.test, source_id=client.source_id)
    rows, following = _page(query, Consent.id, "cns", filters)
    entries = unreadable_rows.readable_rows(
        "consents", rows, lambda row: _consent(row, filters.address)
    )
    return ConsentsOut(consents=entries, next=following).model_dump(mode="json")


@blueprint.post("/consents")
@operation(
    id="recordConsent",
    tag="Opt-outs",
    summary="Record a consent or a refusal",
    description=(
        "Adds an entry. Entries cannot be changed. A consent ends a refusal that keys of your"
        " source recorded. A refusal by an admin, or by another source for all sources, applies"
        " until they record a consent."
    ),
    scope=Scope.CONTACTS_WRITE,
    status=201,
    response=ConsentOut,
    errors="400 401 413 415 422 503",
    body=ConsentIn,
    example={
        "address": "+13175551234",
        "given": True,
        "channel": "whatsapp",
        "proof": "I agree to messages about documents on WhatsApp.",
    },
)
def record_consent() -> tuple[dict[str, Any], int]:
    """Record a consent or a refusal."""
    client = current_caller()
    posted = parse_body(ConsentIn)
    entry = ConsentEntry(
        posted.address,
        posted.yes,
        posted.channel or "",
        posted.purpose,
        posted.at,
        posted.ip,
        posted.agent,
        posted.proof,
    )
    return store_and_respond(
        lambda: consents.record_consent(
            entry, source=consents.BY_API, test=client.test, source_id=client.source_id
        ),
        lambda row: _consent(row, posted.address).model_dump(mode="json"),
    ), 201


def _page(
    query: Select[Any], column: Any, prefix: str, query_fields: SuppressionQuery | ConsentQuery
) -> tuple[list[Any], str | None]:
    def read(before: str, limit: int) -> list[Any]:
        return id_pages.read_rows(query, column, before=before, limit=limit)

    return read_page(read, prefix, query_fields.after, query_fields.limit)


def _blocked(address: str) -> list[BlockOut]:
    """Return the codes of the opt-outs that block the caller's messages to an address, without
    evidence.
    """
    blocks = suppressions.blocks_of_address(
        address, test=current_caller().test, source_id=current_caller().source_id
    )
    return [BlockOut(channel=_channel(channel), code=code) for channel, code in blocks]


def _channel(name: str) -> Channel | None:
    return Channel(name) if name else None


def _build_response(row: Suppression) -> dict[str, Any]:
    return _suppression(suppressions.with_addresses([row])[0]).model_dump(mode="json")


def _suppression(opt_out: AddressOptOut) -> SuppressionOut:
    row = opt_out.row
    return SuppressionOut(
        id=row.id,
        address=opt_out.address or None,
        channel=_channel(row.channel),
        reason=row.reason,
        code=row.code or None,
        why=row.explanation,
        message=row.message_id,
        since=row.since,
        lifted_at=row.lifted_at,
        lifted_why=row.lift_reason,
        test=row.test,
    )


def _consent(row: Consent, address: str) -> ConsentOut:
    return ConsentOut(
        id=row.id,
        address=address,
        channel=_channel(row.channel),
        purpose=row.purpose,
        given=row.given,
        source=row.evidence,
        at=row.at,
        ip=row.ip,
        agent=row.user_agent,
        proof=str(row.proof or ""),
    )
