"""Values for formats that JSON Schema cannot describe, so that Schemathesis posts accepted ones.

Schemathesis loads this module from `schemathesis.toml`. Libraries check the meaning of each format
in the OpenAPI document: libphonenumber, email-validator and the list of time zones.
"""

from __future__ import annotations

import uuid
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
moments = st.datetimes(datetime(2001, 1, 1), datetime(2026, 1, 1))  # noqa: DTZ001 - its zone follows
schemathesis.openapi.format("date-time", moments.map(lambda at: at.replace(tzinfo=UTC).isoformat()))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Give each call its own Idempotency-Key, because a repeat with another body is refused."""
    if len((case.headers or {}).get("Idempotency-Key", "")) in range(1, 256):
        case.headers["Idempotency-Key"] = uuid.uuid4().hex


for content_type in media.supported_types():
    schemathesis.openapi.media_type(content_type, st.binary(min_size=1))
