"""A message that nobody needs to sign by is not resent: the page and the API say why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from hub.core.errors import Conflict
from hub.core.vocabulary import RequestState, SignerState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import resend
from hub.messaging.send import claims
from hub.models import Message, Signer, SigningRequest
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import (
    SigningApp,
    event_body,
    json_of,
    message,
    signer_body,
    update_message,
)

INVITED = ("request.sent", {"signers": [signer_body("Eric"), signer_body("Anna", "+13175550100")]})


def invite(app: SigningApp) -> str:
    """Post an invitation and return its message to Eric, which failed."""
    answer = app.post("/events", event_body(INVITED[0], **INVITED[1]))
    assert answer.status_code == 202
    return next(
        fail(item["id"]) for item in json_of(answer)["messages"] if item["signer"] == "eric"
    )


def fail(message_id: str) -> str:
    update_message(message_id, status="failed", code="30003", due_at=None, escalate_at=None)
    return message_id


def eric() -> Signer:
    db.session.rollback()
    return db.session.scalars(select(Signer).where(Signer.external_id == "eric")).one()


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"kind": "request.signed", "signer": "eric"}, "already_signed"),
        ({"kind": "request.declined", "signer": "eric"}, "request_closed"),
        ({"kind": "request.completed"}, "request_closed"),
        ({"kind": "request.canceled"}, "request_closed"),
        ({"kind": "request.viewed", "signers_removed": ["eric"]}, "signer_removed"),
    ],
)
def test_invitation_that_is_no_longer_needed_is_refused(
    signing_app: SigningApp, event: dict[str, Any], code: str
) -> None:
    message_id = invite(signing_app)
    assert signing_app.post("/events", event_body(**event)).status_code == 202
    answer = signing_app.post(f"/messages/{message_id}/resend")
    assert (answer.status_code, json_of(answer)["code"]) == (409, code)
    db.session.rollback()
    assert db.session.scalar(select(Message).where(Message.after_id == message_id)) is None


def test_pages_explain_instead_of_offering_the_button(
    signing_app: SigningApp, admin: Browser
) -> None:
    message_id = invite(signing_app)
    page = f"/requests/{eric().request_id}"
    assert f"/messages/{message_id}/resend" in admin.get(f"/messages/{message_id}").text
    assert "Resend" in admin.get(page).text
    signing_app.post("/events", event_body("request.signed", signer="eric"))
    shown = admin.get(f"/messages/{message_id}").text
    assert f"/messages/{message_id}/resend" not in shown
    assert "The signer has already signed or declined" in shown
    assert "Resend" not in admin.get(page).text
    admin.post(f"/messages/{message_id}/resend")  # from a page that was opened before
    assert "The signer has already signed or declined" in admin.get(f"/messages/{message_id}").text


def test_other_signer_still_gets_the_invitation(signing_app: SigningApp) -> None:
    message_id = invite(signing_app)
    signing_app.post("/events", event_body("request.signed", signer="anna"))
    assert signing_app.post(f"/messages/{message_id}/resend").status_code == 202


def test_notice_of_a_signature_is_resent_after_the_end(signing_app: SigningApp) -> None:
    """It reports what happened, so it is needed by people who were not notified."""
    invite(signing_app)
    answer = signing_app.post("/events", event_body("request.signed", signer="eric"))
    notice = fail(json_of(answer)["messages"][0]["id"])
    signing_app.post("/events", event_body("request.completed"))
    assert signing_app.post(f"/messages/{notice}/resend").status_code == 202


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    request_state=st.sampled_from(list(RequestState)),
    signer_state=st.sampled_from([*SignerState, "unknown"]),
    is_removed=st.booleans(),
    is_expired=st.booleans(),
)
def test_resending_is_refused_exactly_if_the_claim_would_end_the_message(
    signing_app: SigningApp,
    request_state: str,
    signer_state: str,
    is_removed: bool,
    is_expired: bool,
) -> None:
    message_id = invite_once(signing_app)
    change("open", "pending", is_removed=False, is_expired=False)
    successor = resend.resend(message_id).id
    change(request_state, signer_state, is_removed=is_removed, is_expired=is_expired)
    db.session.rollback()
    row = message(successor)
    claimed = claims.record_and_claim([], {row.connection_id: 8})
    is_sent = successor in {claim.message_id for claim in claimed}
    message_id = fail(successor)
    assert (find_refusal(message_id) == "") == is_sent


def find_refusal(message_id: str) -> str:
    """Resend a message; return the code of the refusal, or ''."""
    try:
        resend.resend(message_id)
    except Conflict as refusal:
        return refusal.code
    return ""


def invite_once(app: SigningApp) -> str:
    """Return the newest message of the invitation, which failed."""
    db.session.rollback()
    newest = select(Message.id).order_by(Message.id.desc()).limit(1)
    found = db.session.scalar(newest.where(Message.signer_id.is_not(None)))
    return fail(found) if found else invite(app)


@transaction
def change(request_state: str, signer_state: str, *, is_removed: bool, is_expired: bool) -> None:
    expires_at = now() + timedelta(hours=-1 if is_expired else 1)
    db.session.execute(
        update(SigningRequest).values(state=str(request_state), expires_at=expires_at)
    )
    db.session.execute(
        update(Signer).values(state=str(signer_state), removed_at=now() if is_removed else None)
    )
