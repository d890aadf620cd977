"""Documenso: its webhooks, which name every recipient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.vocabulary import EventType
from hub.integrations.api import SourceEvent, SourcePerson, Unrecognized, WebhookRequest
from hub.integrations.documenso import EVENTS, Documenso
from hub.lib.storable import make_storable
from tests.integrations.http_recorder import HttpRecorder, connect

SETTINGS = {"server": "https://app.documenso.com", "webhook_secret": "a-long-webhook-secret"}
WRONG_SETTINGS = [{"webhook_secret": "short"}, {"server": "no server"}]
SIGNS_BODY = False
RECIPIENT = {
    "id": 52,
    "email": "eric@example.com",
    "name": "Eric Smith",
    "token": "vbT8hi3jKQmrFP_LN1WcS",
    "signedAt": None,
    "signingOrder": 1,
    "role": "SIGNER",
    "readStatus": "NOT_OPENED",
    "signingStatus": "NOT_SIGNED",
    "sendStatus": "SENT",
}
DOCUMENT = {
    "id": 10,
    "envelopeId": "envelope_abcdefhiklmnorst",
    "title": "Lease",
    "status": "PENDING",
    "updatedAt": "2026-11-21T11:48:07.569Z",
    "completedAt": None,
    "documentMeta": {"signingOrder": "PARALLEL", "language": "de"},
    "recipients": [RECIPIENT],
}
BODY = {
    "event": "DOCUMENT_SENT",
    "payload": DOCUMENT,
    "createdAt": "2026-11-21T11:48:09.000Z",
    "webhookEndpoint": "https://hub.example/x",
}
SAMPLE_WEBHOOKS = [
    (
        "documenso/{connection}",
        {"content-type": "application/json", "x-documenso-secret": "wrong"},
        json.dumps(BODY).encode(),
    )
]
SIGNED = {**RECIPIENT, "signingStatus": "SIGNED", "signedAt": "2026-11-21T11:52:05.688Z"}
SIGNED_AT = datetime(2026, 11, 21, 11, 52, 5, 688000, tzinfo=UTC)
OTHER = {**RECIPIENT, "id": 53, "email": "anna@example.com", "token": "other"}


def sign(request: WebhookRequest, settings: Mapping[str, Any]) -> WebhookRequest:
    headers = {**request.headers, "x-documenso-secret": settings["webhook_secret"]}
    return replace(request, headers=headers)


def read(kind: str, *recipients: Any, **fields: Any) -> list[Any]:
    document = {**DOCUMENT, "recipients": list(recipients) or [RECIPIENT], **fields}
    path, headers, _ = SAMPLE_WEBHOOKS[0]
    body = json.dumps({**BODY, "event": kind, "payload": document}).encode()
    request = WebhookRequest("POST", "https://hub.example/x", path, headers, body, "fox")
    return connect(Documenso, "https://sign.example", SETTINGS).parse_events(request)


def facts(kind: str, *recipients: Any, **fields: Any) -> list[tuple[Any, ...]]:
    return [(item.type, item.id, item.signer) for item in read(kind, *recipients, **fields)]


def test_sent_document_names_its_recipients_and_their_links() -> None:
    (event,) = read("DOCUMENT_SENT")
    assert event == SourceEvent(
        type=EventType.SENT,
        id="sent",
        request="envelope_abcdefhiklmnorst",
        title="Lease",
        at=datetime(2026, 11, 21, 11, 48, 7, 569000, tzinfo=UTC),
        people=(
            SourcePerson(
                id="52",
                name="Eric Smith",
                email="eric@example.com",
                locale="de",
                signing_url="https://sign.example/sign/vbT8hi3jKQmrFP_LN1WcS",
            ),
        ),
    )


@given(st.text(st.characters(), min_size=1))
def test_token_of_any_shape_is_one_part_of_the_link(token: str) -> None:
    (event,) = read("DOCUMENT_SENT", {**RECIPIENT, "token": token})
    (person,) = event.people
    stored = make_storable(token).strip()
    if not stored:
        assert person.signing_url == ""
        return
    beginning, _, part = person.signing_url.rpartition("/")
    assert beginning == "https://sign.example/sign"
    assert unquote(part) == stored
    assert not set("?#") & set(part)


@pytest.mark.parametrize("kind", ["DOCUMENT_SIGNED", "DOCUMENT_RECIPIENT_COMPLETED"])
def test_every_signature_is_reported(kind: str) -> None:
    events = read(kind, SIGNED, OTHER)
    assert [(item.type, item.id, item.signer, item.at) for item in events] == [
        (EventType.SIGNED, "signed-52", "52", SIGNED_AT)
    ]
    both = facts(kind, SIGNED, {**OTHER, "signingStatus": "SIGNED"})
    assert [signer for _, _, signer in both] == ["52", "53"]


def test_completed_document_reports_signatures_that_were_missed() -> None:
    events = read("DOCUMENT_COMPLETED", SIGNED, completedAt="2026-11-21T11:52:06.000Z")
    assert [item.type for item in events] == [EventType.SIGNED, EventType.COMPLETED]
    assert events[-1].people[0].download_url.endswith("/sign/vbT8hi3jKQmrFP_LN1WcS/complete")


def test_other_events_of_a_document() -> None:
    opened = {**RECIPIENT, "readStatus": "OPENED"}
    rejected = {**SIGNED, "signingStatus": "REJECTED"}
    assert facts("DOCUMENT_OPENED", opened, OTHER) == [(EventType.VIEWED, "opened-52", "52")]
    assert facts("DOCUMENT_REJECTED", rejected, OTHER) == [
        (EventType.DECLINED, "rejected-52", "52")
    ]
    assert facts("DOCUMENT_CANCELLED") == [(EventType.CANCELED, "canceled", "")]


def test_recipients_of_copies_are_asked_for_nothing() -> None:
    (event,) = read("DOCUMENT_SENT", {**SIGNED, "role": "CC"})
    assert event.people[0].observes
    assert facts("DOCUMENT_SIGNED", {**SIGNED, "role": "CC"}) == []


def test_turns_count_if_the_order_is_sequential() -> None:
    meta = {"signingOrder": "SEQUENTIAL"}
    (event,) = read("DOCUMENT_SENT", {**RECIPIENT, "signingOrder": 2}, documentMeta=meta)
    assert event.people[0].order == 2
    (event,) = read("DOCUMENT_SENT", {**RECIPIENT, "signingOrder": None}, documentMeta=None)
    assert event.people[0].order is None


@pytest.mark.parametrize("kind", ["DOCUMENT_CREATED", "RECIPIENT_EXPIRED", "TEMPLATE_USED"])
def test_events_that_notify_nobody(kind: str) -> None:
    assert read(kind) == []


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_sample_of_the_test_button_writes_to_no_stranger(kind: str) -> None:
    assert read(kind, envelopeId="env_123") == []


def test_unknown_event_is_listed() -> None:
    for kind, fields in (("DOCUMENT_MOVED", {}), ("DOCUMENT_SENT", {"envelopeId": "", "id": ""})):
        (event,) = read(kind, **fields)
        assert isinstance(event, Unrecognized)


@given(
    st.sampled_from(sorted(EVENTS)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda part: (
            st.lists(part, max_size=3)
            | st.dictionaries(st.sampled_from([*RECIPIENT, *DOCUMENT]), part)
        ),
        max_leaves=12,
    ),
)
def test_document_of_any_shape_is_read(kind: str, content: Any) -> None:
    read(kind, content)
    read(kind, **(content if isinstance(content, dict) else {"documentMeta": content}))


def test_connection_test_asks_for_the_state_of_the_server(http_recorder: HttpRecorder) -> None:
    connection = connect(Documenso, http_recorder.url, SETTINGS)
    http_recorder.answer(200, {"status": "warning"})
    assert connection.run_check().ok
    for answer in ((500, {"status": "error"}), (404, "Not found"), (200, {"healthy": True})):
        http_recorder.answer(*answer)
        assert not connection.run_check().ok
    assert http_recorder.paths == ["/api/health"] * 4
