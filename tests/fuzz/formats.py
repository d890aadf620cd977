"""Values for formats that JSON Schema cannot describe, so that Schemathesis posts accepted ones.

Schemathesis loads this module from `schemathesis.toml`. Libraries check the meaning of each format
in the OpenAPI document: libphonenumber, email-validator and the list of time zones.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
import schemathesis
from hypothesis import strategies as st

from hub.core.vocabulary import Channel
from hub.messaging.compose import media
from hub.signing.reported_consents import KINDS

# mobile numbers that libphonenumber gives as examples, one for each region that has one
NUMBERS = sorted(
    phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for region in phonenumbers.SUPPORTED_REGIONS
    if (
        example := phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    )
)
# an event reports consents for channels that addresses of its people belong to
CHATS = {channel.value for channel in Channel} - {channel.value for channel in KINDS}
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
moments = st.datetimes(datetime(2001, 1, 1), datetime(2026, 1, 1))  # noqa: DTZ001 - its zone follows
schemathesis.openapi.format("date-time", moments.map(lambda at: at.replace(tzinfo=UTC).isoformat()))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Give each call its own Idempotency-Key, because a repeat with another body is refused."""
    if len((case.headers or {}).get("Idempotency-Key", "")) in range(1, 256):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out bodies that break a rule between fields, which a schema cannot express.

    A consent is for an address of its person, and no two people of a role have the same ID.
    """
    if not isinstance(body, dict):
        return True
    if any(_lacks_address(person) for person in _people(body)):
        return False
    signers = _ids(body, "signers")
    observers = _ids(body, "observers")
    removed = body.get("signers_removed")
    asked = [*signers, *(removed if isinstance(removed, list) else [])]
    return not _repeats(asked) and not _repeats(observers)


def _ids(body: dict[str, Any], field: str) -> list[Any]:
    people = body.get(field)
    listed = people if isinstance(people, list) else []
    return [person.get("id") for person in listed if isinstance(person, dict)]


def _repeats(values: list[Any]) -> bool:
    return any(value in values[:index] for index, value in enumerate(values))


def _people(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the people of an event as objects, wherever the event names them."""
    request = body.get("request")
    named = [body.get("signer"), request.get("sender") if isinstance(request, dict) else None]
    for field in ("signers", "observers"):
        listed = body.get(field)
        named += listed if isinstance(listed, list) else []
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
    return ("email" if channel == "email" else "mobile_number") not in addresses or channel in CHATS


for content_type in media.supported_types():
    schemathesis.openapi.media_type(content_type, st.binary(min_size=1))
