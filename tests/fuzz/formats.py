"""Values for formats that JSON Schema cannot describe, so that Schemathesis posts accepted ones.

Schemathesis loads this module from `schemathesis.toml`. Libraries check the meaning of each format
in the OpenAPI document: libphonenumber, email-validator and the list of time zones.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
import schemathesis
from hypothesis import strategies as st

from hub.messaging.compose import media

# mobile numbers that libphonenumber gives as examples, one for each region that has one
NUMBERS = sorted(
    phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for region in phonenumbers.SUPPORTED_REGIONS
    if (
        example := phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    )
)
LETTERS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)

phones = st.sampled_from(NUMBERS)
emails = st.builds("{}@{}.example".format, LETTERS, LETTERS.map(lambda label: f"d{label}"))

schemathesis.openapi.format("phone", phones)
schemathesis.openapi.format("email", emails)
addresses = st.builds(
    "https://{}.example/{}".format, LETTERS.map(lambda label: f"d{label}"), LETTERS
)
schemathesis.openapi.format("uri", addresses)
schemathesis.openapi.format("phone-or-email", st.one_of(phones, emails))
# names of events that every hub reports, and beginnings that match one
schemathesis.openapi.format(
    "event-pattern", st.sampled_from(["*", "opted_out", "opted_*", "sms_delivered", "sms_*"])
)
schemathesis.openapi.format("time-zone", st.sampled_from(sorted(available_timezones())))
# letters, digits and signs of every script; a slash stands between two of them
IDENTIFIERS = st.text(
    st.characters(categories=("L", "N", "P", "S"), exclude_characters="/"), min_size=1, max_size=60
).filter(lambda text: not set(text) <= {"."})
schemathesis.openapi.format(
    "external-id", st.lists(IDENTIFIERS, min_size=1, max_size=3).map("/".join)
)
# the past: a consent cannot be given tomorrow, and a time far away is refused by range
moments = st.datetimes(datetime(2001, 1, 1), datetime(2026, 1, 1))  # noqa: DTZ001
schemathesis.openapi.format("date-time", moments.map(lambda at: at.replace(tzinfo=UTC).isoformat()))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Give each call its own Idempotency-Key, because a repeat with another body is refused.

    A body that fits the schema gets what a schema cannot express: see `_repair`.
    """
    if len((case.headers or {}).get("Idempotency-Key", "")) in range(1, 256):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    fits_schema = case.meta is None or case.meta.generation.mode.is_positive
    if fits_schema and isinstance(case.body, dict):
        repaired = _repair(case.body)
        if repaired != case.body:  # an assigned body is validated again, which takes time
            case.body = repaired


def _repair(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body in which no rule between its fields is broken.

    A consent is for an address of its person, and no two people of a role have the same ID.
    """
    repaired = copy.deepcopy(body)
    for person in _people(repaired):
        if _lacks_address(person):
            del person["consent"]
    _distinguish(_listed(repaired, "signers") + _listed(repaired, "signers_removed"))
    _distinguish(_listed(repaired, "observers"))
    return repaired


def _distinguish(people: list[dict[str, Any]]) -> None:
    """Give people who have the same ID different ones."""
    seen: set[str] = set()
    for number, person in enumerate(people):
        if str(person.get("id")) in seen:
            person["id"] = f"person-{number}"
        seen.add(str(person.get("id")))


def _listed(body: dict[str, Any], field: str) -> list[dict[str, Any]]:
    people = body.get(field)
    listed = people if isinstance(people, list) else []
    return [person for person in listed if isinstance(person, dict)]


def _people(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the people of an event as objects, wherever the event names them."""
    request = body.get("request")
    named = [body.get("signer"), request.get("sender") if isinstance(request, dict) else None]
    named += [*_listed(body, "signers"), *_listed(body, "observers")]
    yield from (person for person in named if isinstance(person, dict))


def _lacks_address(person: dict[str, Any]) -> bool:
    """Return whether a person reports a consent without an address that the consent is for."""
    consent = person.get("consent")
    if not isinstance(consent, dict):
        return False
    addresses = [field for field in ("mobile_number", "email") if person.get(field)]
    channel = consent.get("channel")
    if channel is None:
        return not addresses
    return ("email" if channel == "email" else "mobile_number") not in addresses


for content_type in media.supported_types():
    schemathesis.openapi.media_type(content_type, st.binary(min_size=1))
