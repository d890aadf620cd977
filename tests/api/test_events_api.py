"""Posting events: accepted events, refused events and their messages."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, update

from hub.connections import connections
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection, Event, MessageBody, Route
from tests.api.event_bodies import DESIGN
from tests.hub_fixtures import ANNA, OPT_OUT_LINE, SigningApp, event_body, json_of, signer_body
from tests.short_link_steps import with_targets


def message_texts() -> list[str]:
    db.session.rollback()
    return [
        with_targets(body.content["text"])
        for body in db.session.scalars(select(MessageBody).order_by(MessageBody.owner_id))
    ]


# ── Taken ─────────────────────────────────────────────────────────────────────────────────────────
def test_event_is_stored_with_its_messages(signing_app: SigningApp) -> None:
    connections.archive(
        db.session.scalars(select(Connection.id).where(Connection.slug == "demo-whatsapp")).one()
    )
    answer = signing_app.post("/events", DESIGN)
    assert answer.status_code == 202
    assert json_of(answer)["event"]["id"].startswith("evt_")
    [message] = json_of(answer)["messages"]
    assert (message["channel"], message["to"], message["status"], message["code"]) == (
        "sms",
        "+13175551234",
        "queued",
        None,
    )
    # the event names both addresses, and no connection sends emails
    [skipped] = json_of(answer)["skipped"]
    assert (skipped["step"], skipped["reason"]) == ("email", "no_connection")
    assert message_texts() == [
        'You\'ve been sent "Employment Agreement" by Acme HR. Please review & sign:'
        f" https://sign.example/r/agr-1001/eric{OPT_OUT_LINE}"
    ]


@pytest.fixture
def only_whatsapp(signing_app: SigningApp) -> None:
    """Archive the demo's connection for text messages."""
    connections.archive(
        db.session.scalars(select(Connection.id).where(Connection.slug == "demo-sms")).one()
    )


def test_closed_window_without_a_template_gives_way_to_the_next_channel(
    signing_app: SigningApp,
) -> None:
    [message] = json_of(signing_app.post("/events", DESIGN))["messages"]
    assert (message["channel"], message["status"], message["code"]) == ("sms", "queued", None)


def test_free_text_outside_the_window_without_a_template_is_not_sent(
    only_whatsapp: None, signing_app: SigningApp
) -> None:
    [message] = json_of(signing_app.post("/events", DESIGN))["messages"]
    assert (message["channel"], message["status"], message["code"]) == (
        "whatsapp",
        "suppressed",
        "window_closed",
    )


@pytest.mark.parametrize(
    ("signers", "expected_text"),
    [
        (
            ("Eric", "Anna"),
            (
                'Eric has signed "Employment Agreement". One more signature is needed to complete'
                " the document."
            ),
        ),
        (
            ("Eric", "Anna", "Ravi"),
            (
                'Eric has signed "Employment Agreement". 2 more signatures are needed to complete'
                " the document."
            ),
        ),
    ],
)
def test_other_signers_are_notified_of_remaining_signatures(
    signing_app: SigningApp, signers: tuple[str, ...], expected_text: str
) -> None:
    allow_paid_channels()
    people = [signer_body(name, f"+1317555100{n}") for n, name in enumerate(signers)]
    signing_app.post("/events", event_body(signers=people))
    answer = json_of(signing_app.post("/events", event_body("request.signed", signer="eric")))
    assert len(answer["messages"]) == len(signers)
    assert message_texts()[len(signers) :].count(expected_text) == len(signers) - 1
    assert message_texts().count('Your signature on "Employment Agreement" has been recorded.') == 1


def test_last_signature_is_announced(signing_app: SigningApp) -> None:
    signing_app.post(
        "/events", event_body(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    )
    signing_app.post("/events", event_body("request.signed", signer="eric"))
    signing_app.post("/events", event_body("request.signed", signer="anna"))
    assert 'Anna has signed "Employment Agreement".' in message_texts()


def test_completed_document_can_be_downloaded(signing_app: SigningApp) -> None:
    signing_app.post(
        "/events", event_body(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    )
    signer = {"id": "anna", "download_url": "https://sign.example/d/anna"}
    signing_app.post(
        "/events",
        event_body("request.completed", download_url="https://sign.example/d/1", signers=[signer]),
    )
    assert message_texts()[2:] == [
        '"Employment Agreement" has been accepted by all parties. Download your document here:'
        f" https://sign.example/d/{which}"
        for which in ("1", "anna")
    ]


def test_reminder_reaches_unsigned_signers(signing_app: SigningApp) -> None:
    signing_app.post(
        "/events", event_body(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    )
    signing_app.post("/events", event_body("request.signed", signer="eric"))
    answer = json_of(signing_app.post("/events", event_body("request.reminder", id="r1")))
    assert [message["to"] for message in answer["messages"]] == [ANNA]
    assert (
        message_texts()[-1] == 'Reminder: "Employment Agreement" is waiting for your signature:'
        " https://sign.example/r/anna"
    )


@transaction
def allow_paid_channels() -> None:
    """Let routes use paid channels however many signatures are missing."""
    db.session.execute(update(Route).values(paid_when_missing=None))


def test_others_are_texted_only_when_at_most_one_signature_is_missing(
    signing_app: SigningApp,
) -> None:
    people = [
        signer_body(name, f"+1317555100{n}") for n, name in enumerate(("Eric", "Anna", "Ravi"))
    ]
    signing_app.post("/events", event_body(signers=people))
    first = json_of(signing_app.post("/events", event_body("request.signed", signer="eric")))
    assert [message["signer"] for message in first["messages"]] == ["eric"]
    assert [(step["signer"], step["reason"]) for step in first["skipped"]] == [
        ("anna", "paid_channel"),
        ("ravi", "paid_channel"),
    ]
    second = json_of(signing_app.post("/events", event_body("request.signed", signer="anna")))
    assert [message["signer"] for message in second["messages"]] == ["anna", "eric", "ravi"]


def test_signers_hear_that_a_request_was_canceled(signing_app: SigningApp) -> None:
    signing_app.post(
        "/events", event_body(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    )
    signing_app.post("/events", event_body("request.viewed", signer="eric"))
    answer = json_of(signing_app.post("/events", event_body("request.canceled")))
    assert [message["signer"] for message in answer["messages"]] == ["eric"]
    assert [(item["signer"], item["reason"]) for item in answer["skipped"]] == [
        ("anna", "not_invited")
    ], "her invitation was canceled before it was sent"


@pytest.mark.parametrize("kind", ["request.viewed", "request.declined", "request.expired"])
def test_event_without_recipients_is_accepted(signing_app: SigningApp, kind: str) -> None:
    answer = signing_app.post("/events", event_body(kind, signers=[signer_body("Eric")]))
    assert (answer.status_code, json_of(answer)["messages"], json_of(answer)["skipped"]) == (
        202,
        [],
        [],
    )


def test_unreachable_signer_is_listed(signing_app: SigningApp) -> None:
    people = [
        signer_body("Eric", None),
        signer_body("Anna", ANNA, send_to={"mobile_number": False}),
    ]
    answer = json_of(signing_app.post("/events", event_body(signers=people)))
    assert answer["messages"] == []
    assert [
        (skipped_step["signer"], skipped_step["step"], skipped_step["reason"])
        for skipped_step in answer["skipped"]
    ] == [
        ("eric", "sms", "no_address"),
        ("anna", "sms", "not_wanted"),
    ]
    assert db.session.scalars(select(Event)).one().skipped == answer["skipped"]


def test_whole_number_with_a_decimal_point_is_a_whole_number(signing_app: SigningApp) -> None:
    """JSON Schema calls 2.0 an integer, and some languages write whole numbers so."""
    reminders = {"days": [3.0, 7], "most": 2.0}
    signers = [{**DESIGN["signers"][0], "order": 1.0}]  # type: ignore[dict-item,index]
    request = {**DESIGN["request"], "reminders": reminders}  # type: ignore[dict-item]
    answer = signing_app.post("/events", {**DESIGN, "request": request, "signers": signers})
    assert answer.status_code == 202


def test_chunked_body_is_read(signing_app: SigningApp) -> None:
    assert (
        signing_app.raw(
            "/events", json.dumps(DESIGN), "application/json; charset=utf-8"
        ).status_code
        == 202
    )
