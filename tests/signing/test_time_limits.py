"""Every stored time limit is checked at each entry point where it matters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from hub.core.errors import Conflict
from hub.db.engine import Base, db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import resend
from hub.models import ActionToken, Message, SigningRequest, StatusEvent
from hub.signing import button_actions, cards, reminders, signing_batch
from tests.effort import examples
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    event_body,
    json_of,
    message,
    signer_body,
    status,
    update_message,
)

HERE = "/requests/agr-1001"
# where each stored limit is checked; a new column needs its entry points and a test of each
LIMITS = {
    "requests.expires_at": (
        "planning, remind and snooze (API, buttons), claim, resend: here; pages: test_team_pages"
    ),
    "messages.expires_at": "claim, giving up: here, test_claims, test_giving_up",
    "messages.link_expires_at": "planning, claim: test_expired_links",
    "action_tokens.expires_at": (
        "the link's page and the button: here; invitations: test_chat_invitations, test_users"
    ),
    "signers.snoozed_until": "planning, remind: here, test_requests_api",
    "media_files.expires_at": "sending, claim, lending, resend: here, test_media_api",
    "session_windows.closes_at": "planning, claim, answers from the inbox: test_whatsapp",
    "sessions.expires_at": "each page: test_sign_in",
    "api_keys.expires_at": "each call: test_messages_api",
    "links.expires_at": "no page leads there yet",
    "throttles.paused_until": "claim: test_rate_limit",
    "webhook_secrets.expires_at": "signing and the page: tests/endpoints, test_webhook_pages",
}


@transaction
def expire(at: Any) -> None:
    db.session.execute(update(SigningRequest).values(expires_at=at))


def post_event(
    app: SigningApp, expires_at: Any = None, kind: str = "request.sent", **fields: Any
) -> dict[str, Any]:
    event = event_body(
        kind, signers=[signer_body("Eric"), signer_body("Anna", "+442071234567")], **fields
    )
    if expires_at is not None:
        event["request"]["expires_at"] = expires_at.isoformat()
    answer = app.post("/events", event)
    assert answer.status_code == 202
    return json_of(answer)  # type: ignore[no-any-return]


def reasons(answer: dict[str, Any]) -> set[str]:
    return {skipped["reason"] for skipped in answer["skipped"]}


def test_every_stored_limit_is_listed() -> None:
    suffixes = ("expires_at", "_until", "closes_at")
    stored = {
        f"{table.name}.{column.name}"
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name.endswith(suffixes)
    }
    assert stored <= LIMITS.keys(), (
        "a new time limit: list it here with the entry points that check it, and test those"
    )


# ── Requests: planning ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("kind", ["request.sent", "request.reminder"])
@pytest.mark.parametrize("ago", [timedelta(seconds=1), timedelta(hours=1), timedelta(days=2000)])
def test_ended_request_sends_no_invitation_to_sign(
    signing_app: SigningApp, kind: str, ago: timedelta
) -> None:
    answer = post_event(signing_app, now() - ago, kind, id="e1")
    assert answer["messages"] == []
    assert reasons(answer) == {"request_expired"}
    assert answer["skipped"][0]["text"] == "The request has expired."


def test_event_is_reported_after_the_request_has_ended(signing_app: SigningApp) -> None:
    post_event(signing_app, now() + timedelta(hours=1))
    expire(now() - timedelta(minutes=1))
    answer = signing_app.post("/events", event_body("request.signed", signer="eric"))
    signers = sorted(message["signer"] for message in json_of(answer)["messages"])
    assert signers == ["anna", "eric"]


# ── Requests: API, pages, buttons ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("action", ["remind", "snooze", "unsnooze"])
def test_api_refusal_names_the_limit(signing_app: SigningApp, action: str) -> None:
    post_event(signing_app, now() + timedelta(hours=1))
    with time_machine.travel(now() + timedelta(hours=2)):
        answer = signing_app.post(f"{HERE}/{action}")
        assert (answer.status_code, json_of(answer)["code"]) == (409, "request_expired")
        assert "The request expired on " in json_of(answer)["detail"]


def test_buttons_of_posts_stop_working_when_the_request_ends(
    connect_team: Callable[..., Any], signing_app: SigningApp
) -> None:
    connect_team("W1")
    post_event(signing_app, now() + timedelta(hours=1))
    record = signing_batch.read_request(db.session.scalars(select(SigningRequest.id)).one())
    assert record is not None
    event_id = db.session.scalars(select(Message.event_id)).first()
    tokens = [
        button.token
        for button in cards.build_buttons(record, cards.EVENTS_WITH_BUTTONS[0], str(event_id))
        if button.token
    ]
    db.session.commit()
    assert tokens
    expire(now() - timedelta(seconds=1))
    ended = signing_batch.read_request(record.id)
    assert ended is not None
    assert [
        button.token
        for button in cards.build_buttons(ended, cards.EVENTS_WITH_BUTTONS[0], str(event_id))
        if button.token
    ] == []
    looked = button_actions.preview_action(tokens[0])
    assert looked is not None
    assert looked.is_expired
    button_actions.perform_action(tokens[0], "Ann")
    used = db.session.scalars(
        select(ActionToken.outcome).where(ActionToken.used_at.is_not(None))
    ).one()
    assert used == "request_expired"
    preview = button_actions.preview_action(tokens[0])
    assert preview is not None
    assert "the request has expired" in preview.result


# ── Requests: claim and resend ────────────────────────────────────────────────────────────────────
def test_waiting_message_is_not_sent_after_the_request_ended(
    signing_app: SigningApp, simulator: Any, hub_demo: Flask
) -> None:
    ids = [
        listed["id"] for listed in post_event(signing_app, now() + timedelta(hours=1))["messages"]
    ]
    expire(now() - timedelta(seconds=1))  # an event may bring the end forward
    deliver()
    assert {status(message_id) for message_id in ids} == {"expired"}
    assert {message(message_id).code for message_id in ids} == {"request_expired"}
    page = json_of(signing_app.get(f"/messages/{ids[0]}"))
    assert page["error"]["text"].startswith("The signing request expired")


def test_earlier_deadline_applies_to_waiting_messages(
    signing_app: SigningApp, simulator: Any
) -> None:
    ids = [
        message["id"] for message in post_event(signing_app, now() + timedelta(days=3))["messages"]
    ]
    event = event_body("request.viewed", signer="eric")
    event["request"]["expires_at"] = (now() - timedelta(seconds=5)).isoformat()
    assert signing_app.post("/events", event).status_code == 202
    deliver()
    assert {status(message_id) for message_id in ids} == {"expired"}


def test_status_updates_are_sent_after_the_request_has_ended(
    signing_app: SigningApp, simulator: Any
) -> None:
    post_event(signing_app, now() + timedelta(hours=1))
    answer = json_of(signing_app.post("/events", event_body("request.signed", signer="eric")))
    expire(now() - timedelta(seconds=1))
    deliver()
    assert {status(message["id"]) for message in answer["messages"]} & {
        "accepted",
        "sent",
        "delivered",
    }
    assert "expired" not in {status(message["id"]) for message in answer["messages"]}


def test_invitation_to_sign_is_not_resent_after_the_end(signing_app: SigningApp) -> None:
    first = post_event(signing_app, now() + timedelta(hours=1))["messages"][0]["id"]
    update_message(first, status="failed", due_at=None)
    expire(now() - timedelta(seconds=1))
    with pytest.raises(Conflict, match="has expired") as refused:
        resend.resend(first)
    assert refused.value.code == "request_expired"
    answer = signing_app.post(f"/messages/{first}/resend")
    assert (answer.status_code, json_of(answer)["code"]) == (409, "request_expired")


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.integers(-5000, 5000).filter(bool), st.sampled_from(["request.sent", "request.reminder"]))
def test_deadline_alone_decides_whether_a_reminder_is_sent(
    signing_app: SigningApp, minutes: int, kind: str
) -> None:
    event = event_body(kind, signers=[signer_body("Eric")], id=f"e{minutes}{kind}")
    event["request"] |= {
        "id": f"r{minutes}{kind}",
        "expires_at": (now() + timedelta(minutes=minutes)).isoformat(),
    }
    answer = json_of(signing_app.post("/events", event))
    assert bool(answer["messages"]) == (minutes > 0)
    assert ("request_expired" in reasons(answer)) == (minutes < 0)
    reminded = signing_app.post(f"/requests/r{minutes}{kind}/remind")
    code = json_of(reminded).get("code")
    if minutes < 0:
        assert code == "request_expired"
    else:
        assert code in (None, "reminded_recently")


# ── Snoozes, messages ─────────────────────────────────────────────────────────────────────────────
def test_snooze_ends_by_itself(signing_app: SigningApp) -> None:
    post_event(signing_app)
    row = db.session.scalars(select(SigningRequest.id)).one()
    reminders.snooze(row)
    with pytest.raises(Conflict):
        reminders.remind(row)
    with time_machine.travel(now() + reminders.SNOOZED_FOR + timedelta(seconds=1)):
        assert reminders.reachable_signers(reminders.remind(row)) == 2


def test_message_names_the_limit_that_ended_it(signing_app: SigningApp, simulator: Any) -> None:
    first = post_event(signing_app)["messages"][0]["id"]
    update_message(first, expires_at=now() - timedelta(seconds=1))
    deliver()
    assert (status(first), message(first).code) == ("expired", "")
    sentences = db.session.scalars(
        select(StatusEvent.provider_status).where(StatusEvent.message_id == first)
    ).all()
    assert "expired" in sentences
