"""Events that the API refuses, with the error of each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask

from hub.models import Event, Message
from tests.api.event_bodies import DESIGN
from tests.hub_fixtures import ERIC, SigningApp, count, json_of


@pytest.mark.parametrize(
    "mark", ["\ufeff".encode(), "\ufeff".encode("utf-16-le"), "\ufeff".encode("utf-16-be")]
)
def test_body_with_a_byte_order_mark_is_refused_with_the_reason(
    signing_app: SigningApp, mark: bytes
) -> None:
    for path in ("/events", "/messages", "/suppressions", "/consents"):
        answer = signing_app.raw(path, mark + json.dumps(DESIGN).encode(), "application/json")
        assert (answer.status_code, json_of(answer)["code"]) == (400, "bad_json")
        assert "byte order mark (BOM)" in json_of(answer)["detail"]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in DESIGN.items() if key != name}


def with_signer(**fields: Any) -> dict[str, Any]:
    signer = DESIGN["signers"][0]  # type: ignore[index]
    return {**DESIGN, "signers": [{**signer, **fields}]}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("event", "code", "field"),
    [
        (without("type"), "missing_field", "type"),
        (without("request"), "missing_field", "request"),
        ({**DESIGN, "observers": [{"id": "a"}, {"id": "a"}]}, "invalid_field", "observers"),
        ({**DESIGN, "observers": [{"id": "a", "order": 1}]}, "unknown_field", "observers[0].order"),
        ({**DESIGN, "observers": [{"name": "A"}]}, "missing_field", "observers[0].id"),
        ({**DESIGN, "signers_removed": ["eric"]}, "invalid_field", "signers_removed"),
        ({**DESIGN, "signers_removed": [""]}, "invalid_field", "signers_removed[0]"),
        (
            {**DESIGN, "request": {"id": "a", "sender": {"mobile_number": "0170"}}},
            "invalid_field",
            "request.sender.mobile_number",
        ),
        (
            {**DESIGN, "request": {"id": "a", "sender": {"signing_url": "https://a.example"}}},
            "unknown_field",
            "request.sender.signing_url",
        ),
        (with_signer(order=0), "invalid_field", "signers[0].order"),
        (with_signer(order=1.5), "invalid_field", "signers[0].order"),
        (with_signer(order="1"), "invalid_field", "signers[0].order"),
        (with_signer(order=True), "invalid_field", "signers[0].order"),
        (with_signer(consent={"channel": "fax"}), "invalid_field", "signers[0].consent.channel"),
        (with_signer(consent={"given": True}), "unknown_field", "signers[0].consent.given"),
        ({**DESIGN, "type": "request.exploded"}, "invalid_field", "type"),
        ({**DESIGN, "typo": 1}, "unknown_field", "typo"),
        ({**DESIGN, "request": {"title": "x"}}, "missing_field", "request.id"),
        ({**DESIGN, "request": {"id": ""}}, "invalid_field", "request.id"),
        ({**DESIGN, "request": {"id": "a", "titel": "x"}}, "unknown_field", "request.titel"),
        ({**DESIGN, "request": {"id": "a\u0000b"}}, "invalid_field", "request.id"),
        (
            {**DESIGN, "request": {"id": "a", "sender": {"email": "nobody"}}},
            "invalid_field",
            "request.sender.email",
        ),
        (
            {**DESIGN, "request": {"id": "a", "expires_at": "2026-12-24T00:00:00"}},
            "invalid_field",
            "request.expires_at",
        ),
        ({**DESIGN, "occurred_at": "yesterday"}, "invalid_field", "occurred_at"),
        ({**DESIGN, "occurred_at": "2026-11-21T09:30:00"}, "invalid_field", "occurred_at"),
        ({**DESIGN, "download_url": "javascript:alert(1)"}, "invalid_field", "download_url"),
        ({**DESIGN, "type": "request.signed"}, "invalid_field", "signer"),
        (
            {**DESIGN, "type": "request.signed", "signer": {"name": "Eric"}},
            "missing_field",
            "signer.id",
        ),
        (
            {**DESIGN, "type": "request.signed", "signer": {"id": "eric", "mobile_number": "1"}},
            "invalid_field",
            "signer.mobile_number",
        ),
        ({**DESIGN, "signers": [{"id": "a"}, {"id": "a"}]}, "invalid_field", "signers"),
        ({**DESIGN, "signers": "eric"}, "invalid_field", "signers"),
        (with_signer(mobile_nr="1"), "unknown_field", "signers[0].mobile_nr"),
        (with_signer(mobile_number="5551234567"), "invalid_field", "signers[0].mobile_number"),
        (with_signer(mobile_number=15551234567), "invalid_field", "signers[0].mobile_number"),
        (with_signer(email="eric(at)example.com"), "invalid_field", "signers[0].email"),
        (with_signer(time_zone="Mars/Olympus"), "invalid_field", "signers[0].time_zone"),
        (with_signer(locale="english please"), "invalid_field", "signers[0].locale"),
        (with_signer(signing_url="sign.example"), "invalid_field", "signers[0].signing_url"),
        (with_signer(preference=["fake_chat"]), "invalid_field", "signers[0].preference[0]"),
        (with_signer(send_to={"fax": True}), "unknown_field", "signers[0].send_to.fax"),
        (with_signer(send_to={"email": "no"}), "invalid_field", "signers[0].send_to.email"),
        (with_signer(send_to={"email": 0}), "invalid_field", "signers[0].send_to.email"),
    ],
)
def test_invalid_field_is_named(
    signing_app: SigningApp, event: dict[str, Any], code: str, field: str
) -> None:
    answer = signing_app.post("/events", event)
    assert (answer.status_code, json_of(answer)["code"], json_of(answer)["field"]) == (
        422,
        code,
        field,
    )
    assert json_of(answer)["detail"].startswith(field)
    assert count(Event) == count(Message) == 0


@pytest.mark.parametrize(
    "time", [1964400000, 1964400000000, 1964400000.5, "1964400000", "-1", "1e9", 0, "now", ""]
)
def test_number_is_not_accepted_as_a_time(signing_app: SigningApp, time: Any) -> None:
    posted = {
        "occurred_at": signing_app.post("/events", {**DESIGN, "occurred_at": time}),
        "request.expires_at": signing_app.post(
            "/events", {**DESIGN, "request": {"id": "a", "expires_at": time}}
        ),
        "at": signing_app.post("/consents", {"address": ERIC, "given": True, "at": time}),
    }
    for field, answer in posted.items():
        assert (answer.status_code, json_of(answer)["field"]) == (422, field)
        assert "2026-11-21T09:30:00Z" in json_of(answer)["detail"]
    assert count(Event) == 0


@pytest.mark.parametrize(
    ("number", "because"),
    [
        ("5551234567", "country code is missing"),
        ("(555) 123-4567", "country code, digits only"),
        ("+1 555 123 4567", "Remove spaces, brackets, dots and dashes"),
        ("+1 (555) 123-4567", "Remove spaces"),
        ("+1.555.123.4567", "dots"),
        ("+1-555-123-4567", "dashes"),
        ("+155512", "7 to 15 digits"),
        ("+1555123456789012", "7 to 15 digits"),
        ("+999123456789", "the country code does not exist"),
        ("+0123456789", "the country code does not exist"),
        ("+1555123456", "too short"),
        ("+155512345678", "too long"),
        ("0044 20 7123 4567", "country code"),
        ("tel:+15551234567", "country code"),
        ("+1555123456x", "Remove"),
        ("+１５５５１２３４５６７", "Remove"),
        ("", "Enter a phone number"),
    ],
)
def test_invalid_phone_number_is_refused_with_the_reason(
    signing_app: SigningApp, number: str, because: str
) -> None:
    answer = signing_app.post("/events", with_signer(mobile_number=number))
    assert answer.status_code == 422
    assert json_of(answer)["field"] == "signers[0].mobile_number"
    assert because in json_of(answer)["detail"]


@pytest.mark.parametrize(
    "number", ["+15551234567", "+442071234567", ERIC, "+4915112345678", " +15551234567 "]
)
def test_valid_phone_number_is_accepted(signing_app: SigningApp, number: str) -> None:
    answer = signing_app.post("/events", with_signer(mobile_number=number))
    assert answer.status_code == 202
    assert json_of(answer)["messages"][0]["to"] == number.strip()


@pytest.mark.parametrize("path", ["/events", "/messages", "/suppressions", "/consents"])
@pytest.mark.parametrize(
    ("content", "status", "field", "error"),
    [
        ('{"given": true, "given": false}', 422, "given", "given occurs more than once"),
        ('{"to": "x", "\\u0074o": "x"}', 422, "to", "to occurs more than once"),
        (
            '{"request": {"id": "a", "title": "x", "id": "b"}}',
            422,
            "id",
            "id occurs more than once",
        ),
        (
            '{"signers": [{"id": "a"}, {"name": "x", "name": "x"}]}',
            422,
            "name",
            "name occurs more than once",
        ),
        ('{"x": NaN}', 400, "", "NaN is not a JSON number"),
        ('{"x": -Infinity}', 400, "", "-Infinity is not a JSON number"),
        ('{"x": ' + "7" * 5_000 + "}", 400, "", "A number in the body has too many digits."),
    ],
)
def test_ambiguous_json_is_refused(
    signing_app: SigningApp, path: str, content: str, status: int, field: str, error: str
) -> None:
    answer = signing_app.raw(path, content, "application/json")
    assert (answer.status_code, json_of(answer).get("field", "")) == (status, field)
    assert error in json_of(answer)["detail"]


def test_all_errors_are_listed(signing_app: SigningApp) -> None:
    people = [{"id": "a", "mobile_number": "1"}, {"id": "b", "email": "x"}]
    answer = json_of(signing_app.post("/events", {**DESIGN, "signers": people, "typo": 1}))
    assert {error["field"] for error in answer["errors"]} == {
        "typo",
        "signers[0].mobile_number",
        "signers[1].email",
    }


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "bad_json"),
        ("", "application/json", 400, "bad_json"),
        (b"\xff\xfe{}", "application/json", 400, "bad_json"),
        ("[" * 100_000, "application/json", 400, "bad_json"),
        ('{"type": "\\ud800"}', "application/json", 400, "bad_json"),
        ("{}", "text/plain", 415, "not_json"),
        ("a=1", "application/x-www-form-urlencoded", 415, "not_json"),
        ("{}", "", 415, "not_json"),
        ('"' + "x" * 262_144 + '"', "application/json", 413, "too_large"),
        ("null", "application/json", 422, "invalid_field"),
        ("[]", "application/json", 422, "invalid_field"),
        ("3", "application/json", 422, "invalid_field"),
    ],
)
def test_body_that_is_not_an_event_is_refused(
    signing_app: SigningApp, content: bytes | str, kind: str, status: int, code: str
) -> None:
    answer = signing_app.raw("/events", content, kind)
    assert (answer.status_code, json_of(answer)["code"]) == (status, code)
    assert not json_of(answer)["detail"].startswith(":"), "a sentence, not what is left of one"
    assert count(Event) == 0


def test_body_at_the_size_limit_is_accepted(signing_app: SigningApp) -> None:
    padding = 262_144 - len(json.dumps(DESIGN))
    assert signing_app.raw("/events", json.dumps(DESIGN) + " " * padding).status_code == 202
    assert signing_app.raw("/events", json.dumps(DESIGN) + " " * (padding + 1)).status_code == 413


def test_errors_do_not_repeat_the_input(signing_app: SigningApp, hub_demo: Flask) -> None:
    secret = "a title nobody else may read"
    for event in (
        {**DESIGN, "request": {"id": "a", "title": secret, "sender": secret}},
        {**DESIGN, "request": {"id": "a", "title": [secret]}},
        with_signer(mobile_number=secret),
        with_signer(name={"first": secret}),
        with_signer(signing_url=secret),
        {**DESIGN, "occurred_at": secret},
        with_signer(time_zone=secret),
        with_signer(preference=[secret]),
    ):
        answer = signing_app.post("/events", event)
        assert answer.status_code == 422
        assert secret not in answer.text
        assert signing_app.key not in answer.text


@pytest.mark.parametrize(
    "date", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"]
)
def test_implausible_dates_are_refused(signing_app: SigningApp, date: str) -> None:
    answer = signing_app.post("/events", {**DESIGN, "occurred_at": date})
    assert (answer.status_code, json_of(answer)["field"]) == (422, "occurred_at")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ([], "The body must be a JSON object."),
        ({**DESIGN, "request": 3}, "Send a JSON object."),
        ({**DESIGN, "type": "sent"}, "Use one of request.sent, "),
        (with_signer(order=0), "Use a number of 1 or more."),
    ],
)
def test_reasons_are_plain(signing_app: SigningApp, event: Any, reason: str) -> None:
    answer = json_of(signing_app.raw("/events", json.dumps(event).encode(), "application/json"))
    assert answer["errors"][0]["reason"].startswith(reason)
    assert "Input should" not in answer["detail"]
