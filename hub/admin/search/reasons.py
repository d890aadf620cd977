"""Explain why a contact, a request or a message was found, from what is stored now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hub.admin.view.message_rows import contact_name
from hub.core.errors import DecryptionError
from hub.core.vocabulary import Address
from hub.lib import phones
from hub.lib.address_parts import address_parts, number_endings, query_endings, query_parts
from hub.lib.search_words import matched_terms, query_terms
from hub.models import Contact, Message, SigningRequest
from hub.search.unindexed import NUMBER_FIELD, TEXT_FIELDS


def contact_reason(row: Contact, query: str) -> str:
    """Return why a query finds a contact, or '' if it does not."""
    if row.erased_at is not None:
        return ""
    parts = query_parts(query)
    if any(part.startswith(wanted) for part in _parts(row) for wanted in parts):
        return {Address.PHONE: "Phone number", Address.EMAIL: "Email address"}.get(
            Address(row.kind), "Address"
        )
    terms = query_terms(query)
    is_named = terms and matched_terms(terms, contact_name(row)) == set(terms)
    return "Name" if is_named else ""


def _parts(row: Contact) -> Iterable[bytes]:
    return address_parts(row.kind, row.address)


def request_reason(row: SigningRequest, query: str) -> str:
    """Return which texts and phone numbers of a request a query finds, or '' for none."""
    if query in (row.external_id, row.id):
        return "ID in your app" if query == row.external_id else "Signpost ID"
    terms = query_terms(query)
    matched: set[str] = set()
    found = []
    texts = list(_texts(row))
    for title, text in texts:
        terms_in_text = matched_terms(terms, text)
        # a text that adds no word explains nothing
        if terms_in_text - matched:
            matched |= terms_in_text
            found.append(title)
    if not terms or not all(_is_in_one(part, texts) for part in query.split()):
        found = []
    found += _people_with_number(row, query_endings(query))
    return " · ".join(dict.fromkeys(found))


def _is_in_one(part: str, texts: Sequence[tuple[str, str]]) -> bool:
    """Return whether one text has all terms of a part without spaces, such as an address."""
    terms = query_terms(part)
    return any(matched_terms(terms, text) == set(terms) for _, text in texts)


def _texts(row: SigningRequest) -> Iterable[tuple[str, str]]:
    """Yield the texts of a request that a search finds, each with its description."""
    if title := _read(row, "title"):
        yield "Document title", str(title)
    for role, details in [*_people(row), ("Sender", _read(row, "sender"))]:
        name, email = ((details or {}).get(field) for field in TEXT_FIELDS)
        if name:
            yield f"{role} {name}", str(name)
        if email:
            yield f"{role} {email}", str(email)


def _people_with_number(row: SigningRequest, endings: Sequence[str]) -> Iterator[str]:
    """Yield a description of each person whose phone number ends with one of some digits."""
    for role, details in _people(row):
        number = str((details or {}).get(NUMBER_FIELD) or "")
        if set(endings).intersection(number_endings(number)):
            yield f"{role} {phones.format_number(number)}"


def _people(row: SigningRequest) -> list[tuple[str, Any]]:
    """Return the role and the details of each person of a request."""
    return [(person.role.capitalize(), _read(person, "details")) for person in row.people]


def _read(row: Any, name: str) -> Any:
    try:
        return getattr(row, name)
    except DecryptionError:
        return None


def message_reason(
    message: Message, query: str, people: Mapping[str, str], requests: Mapping[str, str]
) -> str:
    """Return why a message was found.

    `people`: the names of the contacts that the query finds, by ID. `requests`: the reasons of the
    requests that it finds.
    """
    if query == message.id:
        return "Signpost ID"
    if query == message.provider_id:
        return "ID at the provider"
    if message.code and query == message.code:
        return "Error code"
    if message.contact_id in people:
        return f"Sent to {people[message.contact_id]}"
    return requests.get(message.request_id or "", "Recipient or ID")
