"""Read a request of PactSafe: its signers, with their addresses and links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.integrations.api import (
    OutcomeUnknown,
    ProviderResponse,
    SourcePerson,
    json_field,
    json_objects,
    json_part,
)


def read_request(response: ProviderResponse, provider: str) -> Mapping[str, Any]:
    """Return the fields of a request. Raises OutcomeUnknown for a response without signers."""
    fields = response.json
    if not isinstance(fields.get("signers"), list):
        fields = json_part(response.json, "data")
    if not isinstance(fields.get("signers"), list):
        raise OutcomeUnknown(f"The response of {provider} contains no signers.", "bad_answer")
    return fields


def read_people(
    fields: Mapping[str, Any], *, completed: bool
) -> list[tuple[frozenset[str], SourcePerson]]:
    """Return the signers of a request, each with the IDs that webhooks may call the signer.

    `completed`: the personal link then leads to the completed document.
    """
    is_ordered = fields.get("signer_order") is True
    people = []
    for entry in json_objects(fields["signers"]):
        ids = _ids_of(entry)
        if ids:
            person = _read_person(entry, ids[0], is_ordered=is_ordered, completed=completed)
            people.append((frozenset(ids), person))
    return people


def _ids_of(entry: Mapping[str, Any]) -> list[str]:
    names = ("signer_id", "signer.signer_id", "signer.id", "id")
    return [text for name in names if (text := _text(entry, name))]


def _read_person(
    entry: Mapping[str, Any], person_id: str, *, is_ordered: bool, completed: bool
) -> SourcePerson:
    names = (_signer_text(entry, name) for name in ("first_name", "last_name"))
    link = _text(entry, "request_url")
    order = json_field(entry, "signer.order")
    if order is None:
        order = json_field(entry, "order")
    uses_email, uses_phone = _wanted_addresses(entry)
    return SourcePerson(
        id=person_id,
        name=" ".join(filter(None, names)) or _signer_text(entry, "name"),
        email=_signer_text(entry, "email"),
        phone=_signer_text(entry, "mobile_number"),
        order=order + 1 if is_ordered and type(order) is int and 0 <= order < 1000 else None,
        signing_url=link,
        download_url=link if completed else "",
        uses_email=uses_email,
        uses_phone=uses_phone,
    )


def _signer_text(entry: Mapping[str, Any], name: str) -> str:
    """Return an attribute of a signer from the first place that has it.

    Requests name them in `additional_attributes`, and acceptances in `custom_data`.
    """
    places = ("signer", "signer.additional_attributes", "signer.custom_data")
    return next((text for place in places if (text := _text(entry, f"{place}.{name}"))), "")


def _wanted_addresses(entry: Mapping[str, Any]) -> tuple[bool | None, bool | None]:
    """Return whether to use the email address and the number of a signer.

    `send_to` says which messages PactSafe sends itself. With both off, Signpost sends instead, to
    the addresses that its routes choose. If one is on, the other was left out by choice.
    """
    email = json_field(entry, "send_to.email") is True
    phone = json_field(entry, "send_to.mobile_number") is True
    return (email, phone) if email or phone else (None, None)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = json_field(entry, name)
    is_text = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip() if is_text else ""
