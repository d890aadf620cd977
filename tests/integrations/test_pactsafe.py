"""PactSafe: its webhooks, and the requests that are fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.vocabulary import EventType
from hub.integrations.api import (
    BadWebhook,
    ConnectionBroken,
    OutcomeUnknown,
    PermanentError,
    SlowDown,
    SourceEvent,
    SourcePerson,
    Unrecognized,
    WebhookRequest,
)
from hub.integrations.pactsafe import PactSafe
from hub.integrations.pactsafe.requests import read_people
from tests.integrations.http_recorder import HttpRecorder, connect, form_errors

SETTINGS = {
    "webhook_token": "a-long-secret-code",
    "api_key": "k" * 40,
    "default_region": "US",
}
WRONG_SETTINGS = [{"webhook_token": "short"}, {"api_key": "two words"}, {"default_region": "XX"}]
SIGNS_BODY = False
BODY = {
    "type": "webhook",
    "event_type": "request_signed",
    "id": "5f903b0e1c9d440000f2a1b7",
    "site": 1,
    "integration": "596f854922d3a615b6dce9f7",
    "sent_to": "https://hub.example/api/rpc/webhooks/pactsafe/fox",
    "deliverable": True,
    "description": "A request was signed.",
    "created_time": "2026-11-21T13:45:51.087Z",
    "updated_time": "2026-11-21T13:45:51.096Z",
    "request": "req 1/2",
    "signer": "eric",
}
SAMPLE_WEBHOOKS = [
    (
        "pactsafe/{connection}",
        {"content-type": "application/json", "pactsafe-webhook-token": "wrong"},
        json.dumps(BODY).encode(),
    )
]
SIGNER = {
    "signer_id": "eric",
    "signer": {
        "email": "eric@example.com",
        "mobile_number": "13175551234",
        "order": 0,
        "additional_attributes": {"first_name": "Eric", "last_name": "Smith"},
    },
    "send_to": {"email": True, "mobile_number": True},
    "request_url": "https://sign.example/eric",
}
REQUEST = {"id": "req 1/2", "name": "Lease", "signers": [SIGNER]}


def sign(request: WebhookRequest, settings: Mapping[str, Any]) -> WebhookRequest:
    headers = {**request.headers, "pactsafe-webhook-token": settings["webhook_token"]}
    return replace(request, headers=headers)


def received(**fields: Any) -> WebhookRequest:
    path, headers, _ = SAMPLE_WEBHOOKS[0]
    body = json.dumps({**BODY, **fields}).encode()
    return WebhookRequest("POST", "https://hub.example/x", path, headers, body, "fox")


def pactsafe(recorder: HttpRecorder) -> PactSafe:
    return connect(PactSafe, recorder.url, SETTINGS)


def fetch(recorder: HttpRecorder, request: dict[str, Any], kind: str = "") -> SourceEvent:
    recorder.answer(200, request)
    (event,) = pactsafe(recorder).parse_events(received(event_type=kind or "request_sent"))
    assert isinstance(event, SourceEvent)
    return pactsafe(recorder).complete_event(event)


def person(recorder: HttpRecorder, **fields: Any) -> SourcePerson:
    (found,) = fetch(recorder, {**REQUEST, "signers": [{**SIGNER, **fields}]}).people
    return found


# ── Webhooks ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("kind", "event_type"),
    [
        ("request_sent", EventType.SENT),
        ("request_signed", EventType.SIGNED),
        ("request_complete", EventType.COMPLETED),
        ("request_expired", EventType.EXPIRED),
    ],
)
def test_webhook_names_the_event_and_the_request(
    http_recorder: HttpRecorder, kind: str, event_type: EventType
) -> None:
    (event,) = pactsafe(http_recorder).parse_events(received(event_type=kind))
    assert event == SourceEvent(
        type=event_type,
        id=BODY["id"],
        request="req 1/2",
        signer="eric" if kind == "request_signed" else "",
        at=datetime(2026, 11, 21, 13, 45, 51, 87000, tzinfo=UTC),
        region="US",
    )


@pytest.mark.parametrize("kind", ["test_event", "activity_agreed", "version_published"])
def test_event_of_no_request_says_nothing(http_recorder: HttpRecorder, kind: str) -> None:
    assert pactsafe(http_recorder).parse_events(received(event_type=kind, request=None)) == []


@pytest.mark.parametrize("fields", [{"event_type": "request_moved"}, {"request": ""}])
def test_unknown_event_is_listed(http_recorder: HttpRecorder, fields: dict[str, Any]) -> None:
    (event,) = pactsafe(http_recorder).parse_events(received(**fields))
    assert isinstance(event, Unrecognized)


@given(st.text())
def test_any_other_secret_code_is_refused(code: str) -> None:
    request = received()
    headers = {**request.headers, "pactsafe-webhook-token": code}
    connection = connect(PactSafe, "http://127.0.0.1:1", SETTINGS)
    if code != SETTINGS["webhook_token"]:
        with pytest.raises(BadWebhook):
            connection.verify(replace(request, headers=headers))


def test_repeat_has_the_same_key_whatever_its_times() -> None:
    first = PactSafe.callback_key(received())
    assert first == PactSafe.callback_key(received(updated_time="2026-11-21T14:00:00.000Z"))
    assert first != PactSafe.callback_key(received(id="another"))


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────
def test_request_is_fetched_with_the_key(http_recorder: HttpRecorder) -> None:
    event = fetch(http_recorder, REQUEST)
    assert http_recorder.paths == ["/v1.1/requests/req%201%2F2"]
    assert http_recorder.headers[0]["authorization"] == f"Bearer {SETTINGS['api_key']}"
    assert event.title == "Lease"
    assert event.people == (
        SourcePerson(
            id="eric",
            name="Eric Smith",
            email="eric@example.com",
            phone="13175551234",
            signing_url="https://sign.example/eric",
            uses_email=True,
            uses_phone=True,
        ),
    )


def test_link_of_a_complete_request_leads_to_the_document(http_recorder: HttpRecorder) -> None:
    (found,) = fetch(http_recorder, REQUEST, "request_complete").people
    assert found.download_url == "https://sign.example/eric"


@pytest.mark.parametrize(
    ("send_to", "uses"),
    [
        ({"email": True, "mobile_number": True}, (True, True)),
        ({"email": True, "mobile_number": False}, (True, False)),
        ({"email": False, "mobile_number": True}, (False, True)),
        ({"email": False, "mobile_number": False}, (None, None)),
        ({}, (None, None)),
        (None, (None, None)),
        ({"email": "yes"}, (None, None)),
    ],
)
def test_addresses_that_are_switched_off_are_not_used(
    http_recorder: HttpRecorder, send_to: Any, uses: tuple[bool | None, bool | None]
) -> None:
    found = person(http_recorder, send_to=send_to)
    assert (found.uses_email, found.uses_phone) == uses


def test_turns_begin_with_one_if_the_request_is_ordered(http_recorder: HttpRecorder) -> None:
    signers = [
        {**SIGNER, "signer_id": name, "signer": {"order": order}}
        for name, order in (("a", 0), ("b", 1), ("c", True), ("d", -1), ("e", "1"))
    ]
    event = fetch(http_recorder, {**REQUEST, "signers": signers, "signer_order": True})
    assert [found.order for found in event.people] == [1, 2, None, None, None]
    event = fetch(http_recorder, {**REQUEST, "signers": signers})
    assert {found.order for found in event.people} == {None}


@pytest.mark.parametrize("place", ["signer", "additional_attributes", "custom_data"])
@pytest.mark.parametrize(
    "names", [{"first_name": "Eric", "last_name": "Smith"}, {"name": "Eric Smith"}]
)
def test_attributes_of_a_signer_are_found_in_each_place(
    http_recorder: HttpRecorder, place: str, names: dict[str, str]
) -> None:
    attributes = {"email": "eric@example.com", "mobile_number": "13175551234", **names}
    signer = attributes if place == "signer" else {place: attributes}
    found = person(http_recorder, signer=signer)
    assert (found.name, found.email, found.phone) == (
        "Eric Smith",
        "eric@example.com",
        "13175551234",
    )


def test_order_beside_the_signer_is_read(http_recorder: HttpRecorder) -> None:
    signers = [{**SIGNER, "signer": {}, "order": 1}]
    event = fetch(http_recorder, {**REQUEST, "signers": signers, "signer_order": True})
    assert [found.order for found in event.people] == [2]


def test_signer_is_found_by_each_id(http_recorder: HttpRecorder) -> None:
    entry = {**SIGNER, "id": "row-7", "signer": {"id": 12}}
    for name in ("eric", "row-7", "12"):
        http_recorder.answer(200, {"data": {"signers": [entry]}})
        (event,) = pactsafe(http_recorder).parse_events(received(signer=name))
        assert isinstance(event, SourceEvent)
        assert pactsafe(http_recorder).complete_event(event).signer == "eric"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda part: (
            st.lists(part, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["signer_id", "signer", "send_to", "request_url", "order", "email"]
                ),
                part,
            )
        ),
        max_leaves=12,
    )
)
def test_signer_of_any_shape_is_read(entry: Any) -> None:
    for _, found in read_people({"signers": [entry]}, completed=True):
        assert found.id


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, {"message": "Unauthorized"}, ConnectionBroken),
        (403, "", ConnectionBroken),
        (404, {"message": "Not found"}, PermanentError),
        (429, "", SlowDown),
        (500, "", OutcomeUnknown),
        (503, "", OutcomeUnknown),
        (200, {"name": "no signers"}, OutcomeUnknown),
        (200, "<html>", OutcomeUnknown),
    ],
)
def test_refused_request_says_why(
    http_recorder: HttpRecorder, status: int, body: Any, error: type[Exception]
) -> None:
    http_recorder.answer(status, body)
    with pytest.raises(error):
        pactsafe(http_recorder).complete_event(SourceEvent(request="r"))


# ── Connection test ───────────────────────────────────────────────────────────────────────────────
def test_connection_test_asks_for_a_request_that_does_not_exist(
    http_recorder: HttpRecorder,
) -> None:
    for status in (400, 404, 410, 422):
        http_recorder.answer(status, {"message": "Not found"})
        assert pactsafe(http_recorder).run_check().ok
    http_recorder.answer(401, {"message": "Unauthorized"})
    failed = pactsafe(http_recorder).run_check()
    assert (failed.ok, failed.field) == (False, "api_key")
    http_recorder.answer(404, "<html>Not here</html>")
    assert not pactsafe(http_recorder).run_check().ok


def test_country_may_be_written_in_small_letters() -> None:
    assert form_errors(PactSafe, {**SETTINGS, "default_region": "gb"}) == {}
    assert "default_region" in form_errors(PactSafe, {**SETTINGS, "default_region": ""})
