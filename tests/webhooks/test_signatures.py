"""Twilio's signature: a signed request is accepted, and one changed byte is refused.

See test_signature_forms.py for the accepted secrets.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

from hub.core.errors import BadWebhook
from hub.integrations.base import WebhookRequest
from hub.integrations.twilio.sms import TwilioSms
from hub.lib import provider_http

TOKEN = "12345"
URL = "https://hub.example/api/rpc/webhooks/twilio/sms?message=msg_1&attempt=1"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
FIELDS = [
    ("AccountSid", "AC" + "0" * 32),
    ("From", "+15005550006"),
    ("MessageSid", "SM" + "1" * 32),
    ("MessageStatus", "delivered"),
    ("Note", "a b&c=d%e"),
    ("To", "+13175551234"),
]
TWILIO = TwilioSms({"auth_token": TOKEN, "sender": ""}, provider_http.ProviderHttpClient())


def compute_signature(url: str, fields: Iterable[tuple[str, str]], token: str = TOKEN) -> str:
    """Sign as Twilio's documentation describes, independently of the libraries under test."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


def is_genuine(url: str, body: bytes, signature: str, kind: str = FORM) -> bool:
    request = WebhookRequest(
        "POST", url, "twilio/sms", {"content-type": kind, "x-twilio-signature": signature}, body
    )
    try:
        TWILIO.verify(request)
    except BadWebhook:
        return False
    return True


def test_documented_example_of_twilio_is_genuine() -> None:
    url = "https://example.com/myapp.php?foo=1&bar=2"
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    assert compute_signature(url, fields.items()) == "L/OH5YylLD5NRKLltdqwSvS0BnU="
    assert is_genuine(url, urlencode(fields).encode(), "L/OH5YylLD5NRKLltdqwSvS0BnU=")


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS,
        FIELDS[::-1],
        [*FIELDS, ("Blank", "")],
        [*FIELDS, ("Blank", "  ")],
        [*FIELDS, ("Body", "Grüße, 東京 🎉\n“quoted”")],
        [*FIELDS, ("MediaUrl", "a"), ("MediaUrl", "b")],
        [*FIELDS, ("MediaUrl", "b"), ("MediaUrl", "a")],
        [*FIELDS, ("MediaUrl", "a"), ("MediaUrl", "a")],
        [*FIELDS, ("a field of tomorrow", "x")],
        [*FIELDS, ("zero", "0"), ("Zero", "1"), ("_zero", "2")],
    ],
)
def test_every_form_field_is_signed(fields: list[tuple[str, str]]) -> None:
    body = urlencode(fields).encode()
    signature = compute_signature(URL, fields)
    assert is_genuine(URL, body, signature)
    assert not is_genuine(URL, body, compute_signature(URL, fields, "12346"))


@pytest.mark.parametrize(
    "given_url", ["https://hub.example/x?a=1", "https://hub.example:443/x?a=1"]
)
@pytest.mark.parametrize(
    "signed_url", ["https://hub.example/x?a=1", "https://hub.example:443/x?a=1"]
)
def test_default_port_may_be_present_or_omitted(given_url: str, signed_url: str) -> None:
    assert is_genuine(given_url, urlencode(FIELDS).encode(), compute_signature(signed_url, FIELDS))


def test_different_port_is_refused() -> None:
    assert is_genuine(
        "https://hub.example:8443/x",
        urlencode(FIELDS).encode(),
        compute_signature("https://hub.example:8443/x", FIELDS),
    )
    assert not is_genuine(
        "https://hub.example:8443/x",
        urlencode(FIELDS).encode(),
        compute_signature("https://hub.example:9443/x", FIELDS),
    )


@pytest.mark.parametrize(
    "url",
    [URL, URL + "&x=%2B%20a", "https://hub.example/hooks/x?", "https://hub.example/a%2Fb?c=d+e"],
)
def test_address_is_verified_as_written(url: str) -> None:
    assert is_genuine(url, urlencode(FIELDS).encode(), compute_signature(url, FIELDS))


BODY = urlencode(FIELDS).encode()
SIGNATURE = compute_signature(URL, FIELDS)


@given(at=st.integers(0, len(BODY) - 1), byte=st.integers(0, 255))
@example(at=0, byte=0xFF)
def test_one_changed_byte_of_the_body_is_refused(at: int, byte: int) -> None:
    changed = BODY[:at] + bytes([byte]) + BODY[at + 1 :]
    is_same = _fields(changed) == FIELDS  # %2b says the same as %2B
    assert is_genuine(URL, changed, SIGNATURE) is is_same


@given(at=st.integers(0, len(BODY)), byte=st.integers(0, 255), drop=st.booleans())
@example(at=BODY.index(b"="), byte=0, drop=True)  # names and values are signed in one string
@example(at=len(BODY), byte=ord("&"), drop=False)
def test_added_or_removed_byte_of_the_body_is_refused(at: int, byte: int, drop: bool) -> None:
    changed = BODY[:at] + BODY[at + 1 :] if drop else BODY[:at] + bytes([byte]) + BODY[at:]
    assert is_genuine(URL, changed, SIGNATURE) is (_fields(changed) == FIELDS)


@given(
    at=st.integers(URL.index("/rpc"), len(URL) - 1),
    char=st.characters(min_codepoint=33, max_codepoint=126),
)
def test_one_changed_letter_of_the_address_is_refused(at: int, char: str) -> None:
    changed = URL[:at] + char + URL[at + 1 :]
    assert is_genuine(changed, BODY, SIGNATURE) is (changed == URL)


@given(
    at=st.integers(0, len(SIGNATURE) - 1), char=st.characters(min_codepoint=32, max_codepoint=126)
)
@example(at=len(SIGNATURE) - 2, char=chr(ord(SIGNATURE[-2]) + 1))  # base64 has spare bits there
def test_one_changed_letter_of_the_signature_is_refused(at: int, char: str) -> None:
    changed = SIGNATURE[:at] + char + SIGNATURE[at + 1 :]
    assert is_genuine(URL, BODY, changed) is (changed == SIGNATURE)


@pytest.mark.parametrize(
    "signature",
    ["", "x", "=" * 28, "L/OH5YylLD5NRKLltdqwSvS0BnU=", "ü", SIGNATURE + "A", SIGNATURE[:-1]],
)
def test_malformed_signature_is_refused(signature: str) -> None:
    assert not is_genuine(URL, BODY, signature)


def test_empty_secret_is_refused() -> None:
    blank = TwilioSms({"auth_token": "", "sender": ""}, provider_http.ProviderHttpClient())
    headers = {"content-type": FORM, "x-twilio-signature": compute_signature(URL, FIELDS, "")}
    with pytest.raises(BadWebhook):
        blank.verify(WebhookRequest("POST", URL, "twilio/sms", headers, BODY))


# ── Bodies that are no form ───────────────────────────────────────────────────────────────────────
def test_json_body_is_covered_by_its_hash_in_the_address() -> None:
    body = json.dumps({"MessageSid": "SM1"}).encode()
    url = f"{URL}&bodySHA256={hashlib.sha256(body).hexdigest()}"
    assert is_genuine(url, body, compute_signature(url, []), "application/json")
    assert not is_genuine(url, body + b" ", compute_signature(url, []), "application/json")
    assert not is_genuine(URL, body, compute_signature(URL, []), "application/json"), (
        "without a hash anything could stand in the body"
    )


@pytest.mark.parametrize("stated", ["", "x", "%C3%BC", "0" * 64])
def test_wrong_hash_is_refused(stated: str) -> None:
    url = f"{URL}&bodySHA256={stated}"
    assert not is_genuine(url, b"{}", compute_signature(url, []), "application/json")


def test_form_is_not_accepted_as_another_content_type() -> None:
    signature = compute_signature(URL, [])
    assert is_genuine(URL, b"", signature)
    assert not is_genuine(URL, BODY, signature)
    assert not is_genuine(URL, BODY, signature, "text/plain")


def test_twilio_library_agrees_with_the_independent_one() -> None:
    assert RequestValidator(TOKEN).compute_signature(URL, dict(FIELDS)) == compute_signature(
        URL, FIELDS
    )


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=6) | st.sampled_from(
    ["", " ", "a", "Zoë", "東京", "🎉", "a=b&c", "+1"]
)
ADDRESSES = (
    "https://hub.example/x?a=1",
    "https://hub.example:443/x?a=1",
    "https://hub.example:8443/x?a=1",
    "http://hub.example/x",
)


@given(
    fields=st.lists(
        st.tuples(st.sampled_from(["Body", "MediaUrl", "body"]) | TEXT, TEXT), max_size=8
    ),
    given_url=st.sampled_from(ADDRESSES),
    signed_url=st.sampled_from(ADDRESSES),
    token=st.sampled_from([TOKEN, TOKEN, "12346"]),
    is_lost=st.booleans(),
)
@example(
    fields=[("A", "b"), ("A", "a"), ("A", "b")],
    given_url=ADDRESSES[0],
    signed_url=ADDRESSES[1],
    token=TOKEN,
    is_lost=False,
)
def test_fast_verification_agrees_with_the_twilio_library(
    fields: list[tuple[str, str]], given_url: str, signed_url: str, token: str, is_lost: bool
) -> None:
    signature = compute_signature(signed_url, fields[:-1] if is_lost else fields, token)
    expected = RequestValidator(TOKEN).validate(given_url, MultiDict(fields), signature)
    assert is_genuine(given_url, urlencode(fields).encode(), signature) is expected


def _fields(body: bytes) -> list[tuple[str, str]] | None:
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict"
        )
    except ValueError:
        return None
