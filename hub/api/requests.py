"""Get signing requests, and remind, snooze and invite their signers, through the API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from sqlalchemy import select

from hub.api.guard import current_caller
from hub.api.operations import operation
from hub.api.request_shapes import (
    EventOut,
    InvitationOut,
    InviteIn,
    RemindIn,
    RequestOut,
    SnoozeIn,
    serialize_invitation,
    serialize_request,
)
from hub.api.shapes import parse_body, store_and_respond
from hub.core.errors import NotFound
from hub.core.vocabulary import Scope
from hub.db.engine import db
from hub.db.types import is_id
from hub.models import SigningRequest
from hub.shared import idempotency
from hub.signing import chat_invitations, reminders

blueprint = Blueprint("requests", __name__)


@blueprint.get("/requests/<path:request_id>")
@operation(
    id="getRequest",
    tag="Requests",
    summary="Get a signing request",
    description="Accepts the Signpost ID or your own ID.",
    scope=Scope.MESSAGES_READ,
    status=200,
    response=RequestOut,
    errors="401 404",
)
def get_request(request_id: str) -> dict[str, Any]:
    """Return a signing request with its signers and their messages."""
    return serialize_request(own_request(request_id))


@blueprint.post("/requests/<path:request_id>/remind")
@operation(
    id="remindRequest",
    tag="Requests",
    summary="Remind pending signers",
    description=(
        "Reminds all of them, or only the signer named in the body. After"
        " `request.expires_at`, the response is 409 `request_expired`. While the invitation is"
        " only scheduled, it is 409 `not_invited`."
    ),
    scope=Scope.MESSAGES_WRITE,
    status=202,
    response=EventOut,
    errors="400 401 404 409 415 422",
    body=RemindIn,
    body_required=False,
    example={"signer": "eric"},
    idempotent=True,
)
def remind(request_id: str) -> tuple[dict[str, Any], int]:
    """Remind pending signers."""
    row = own_request(request_id)
    body = parse_body(RemindIn) if request.get_data() else RemindIn()
    response, _ = idempotency.run_once_per_key(
        current_caller().key_id,
        request.path,
        request.headers.get("Idempotency-Key", ""),
        request.get_data(),
        202,
        lambda: reminders.remind(row.id, body.signer),
    )
    return response, 202


@blueprint.post("/requests/<path:request_id>/snooze")
@operation(
    id="snoozeRequest",
    tag="Requests",
    summary="Snooze reminders for a day",
    description=(
        "Applies to all pending signers, or only to the signer named in the"
        " body. Until then, no event, API request or user can remind them. Queued"
        " reminders are canceled."
    ),
    scope=Scope.MESSAGES_WRITE,
    status=200,
    response=RequestOut,
    errors="400 401 404 409 415 422 503",
    body=SnoozeIn,
    body_required=False,
    example={"signer": "eric"},
)
def snooze(request_id: str) -> dict[str, Any]:
    """Snooze reminders for a day."""
    own_id = own_request(request_id).id
    body = parse_body(SnoozeIn) if request.get_data() else SnoozeIn()
    return store_and_respond(
        lambda: reminders.snooze(own_id, body.signer),
        lambda _: serialize_request(own_request(request_id)),
    )


@blueprint.post("/requests/<path:request_id>/unsnooze")
@operation(
    id="unsnoozeRequest",
    tag="Requests",
    summary="Resume reminders",
    description="Ends a snooze early, and resumes reminders that a user stopped.",
    scope=Scope.MESSAGES_WRITE,
    status=200,
    response=RequestOut,
    errors="400 401 404 409 415 422 503",
    body=SnoozeIn,
    body_required=False,
    example={"signer": "eric"},
)
def unsnooze(request_id: str) -> dict[str, Any]:
    """Resume reminders."""
    own_id = own_request(request_id).id
    body = parse_body(SnoozeIn) if request.get_data() else SnoozeIn()
    return store_and_respond(
        lambda: reminders.unsnooze(own_id, body.signer),
        lambda _: serialize_request(own_request(request_id)),
    )


@blueprint.post("/requests/<path:request_id>/invite")
@operation(
    id="inviteSigner",
    tag="Requests",
    summary="Invite a signer to a chat",
    description=(
        "Creates a link that works once, for a week. The person who opens it receives"
        " the signer's messages in that chat if `preference` names it. The chat also applies to"
        " your later requests. Give the link only to the signer."
    ),
    scope=Scope.CONTACTS_WRITE,
    status=201,
    response=InvitationOut,
    errors="400 401 404 413 415 422 503",
    body=InviteIn,
    example={"signer": "eric"},
)
def invite(request_id: str) -> tuple[dict[str, Any], int]:
    """Create a link with which a signer opens a chat."""
    own_id = own_request(request_id).id
    body = parse_body(InviteIn)
    response = store_and_respond(
        lambda: chat_invitations.invite(own_id, body.signer, body.connection or ""),
        serialize_invitation,
    )
    return response, 201


def own_request(request_id: str) -> SigningRequest:
    """Return a request of the caller's source by either ID. Raises NotFound."""
    row = find_own_request(request_id)
    if row is None:
        raise NotFound(
            "no_such_request", "No signing request with this ID is accessible to this key."
        )
    return row


def find_own_request(request_id: str) -> SigningRequest | None:
    """Return a request of the caller's source by either ID, or None."""
    client = current_caller()
    query = select(SigningRequest).where(
        SigningRequest.source_id == client.source_id, SigningRequest.test == client.test
    )
    row = db.session.scalar(query.where(SigningRequest.external_id == request_id))
    if row is None and is_id("req", request_id):
        row = db.session.scalar(query.where(SigningRequest.id == request_id))
    return row
