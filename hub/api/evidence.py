"""Get the evidence of a signing request through the API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub.api.operations import operation
from hub.api.request_shapes import serialize_request
from hub.api.requests import find_own_request, own_request
from hub.core.vocabulary import RequestState, Scope
from hub.evidence import export

blueprint = Blueprint("evidence", __name__)


class EvidencePersonOut(BaseModel):
    """A person of the request, at the time of the export."""

    person: str
    external_id: str
    role: str
    state: str
    state_at: AwareDatetime | None
    removed_at: AwareDatetime | None


class EvidenceRequestOut(BaseModel):
    """The request, at the time of the export."""

    id: str
    external_id: str
    source: str | None
    test: bool
    state: RequestState
    state_at: AwareDatetime | None


class EvidenceAboutOut(BaseModel):
    """The hub, the request and the export that the evidence is about."""

    recorded_by: str = Field(description="The public URL of the hub.")
    exported_at: AwareDatetime
    status: str = Field(description="`interim` while the request is open, then `closed`.")
    request: EvidenceRequestOut
    people: list[EvidencePersonOut]


class EvidenceEntryOut(BaseModel):
    """An entry with its fields, which depend on the kind."""

    model_config = ConfigDict(extra="allow")

    id: str
    at: AwareDatetime | None
    kind: str
    by: str = Field(description="`app`, `provider`, `recipient`, `user` or `signpost`.")


class EvidenceLinkOut(BaseModel):
    """An entry, and its hash in the chain."""

    entry: EvidenceEntryOut
    hash: str


class EvidenceValueOut(BaseModel):
    """The salt of a hash, and the value while it is kept."""

    salt: str
    value: Any = None


class EvidenceOut(BaseModel):
    """The evidence of a request. The bytes of the response are the file that can be verified."""

    format: str
    about: EvidenceAboutOut
    entries: list[EvidenceLinkOut]
    values: dict[str, EvidenceValueOut]
    note: str


@blueprint.get("/requests/<path:request_id>/evidence")
@operation(
    id="getEvidence",
    tag="Requests",
    summary="Get the evidence of a signing request",
    description=(
        "Accepts the Signpost ID or your own ID. Returns what was sent to whom and what was"
        " reported about it, signed by this hub. Save the bytes of the response unchanged:"
        " `hub evidence verify` and the page `/evidence` find every changed byte."
    ),
    scope=Scope.EVIDENCE_READ,  # it includes addresses and texts
    status=200,
    response=EvidenceOut,
    errors="401 404",
)
def get_evidence(request_id: str) -> Response | dict[str, Any]:
    """Return the evidence of a request."""
    if row := find_own_request(f"{request_id}/evidence"):
        return serialize_request(row)  # an app's ID may end like this URL
    data = export.encode_evidence(export.export_evidence(own_request(request_id).id))
    return Response(data, content_type="application/json")
