"""A message whose link to the document has expired is not sent, and says why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.vocabulary import Status
from hub.db.types import now
from hub.messaging.send import claims
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import (
    SigningApp,
    event_body,
    json_of,
    make_due,
    message,
    signer_body,
    update_message,
)

URL = "https://sign.example/d/1"
HOUR = timedelta(hours=1)


def invite(app: SigningApp) -> None:
    body = event_body(signers=[signer_body("Eric")])
    assert app.post("/events", body).status_code == 202


def complete(app: SigningApp, hours: float | None, **fields: Any) -> Any:
    """Report that the request is completed, with a link that expires in some hours."""
    at = None if hours is None else (now() + timedelta(hours=hours)).isoformat()
    values = {"download_url": URL, "download_url_expires_at": at} | fields
    answer = app.post("/events", event_body("request.completed", **values))
    assert answer.status_code == 202, answer.text
    return json_of(answer)


def notice(answer: Any) -> str:
    """Return the message about the completion to Eric."""
    [message_id] = [item["id"] for item in answer["messages"] if item["signer"] == "eric"]
    return str(message_id)


def claim(message_id: str) -> Status:
    make_due(message_id)
    claims.record_and_claim([], {message(message_id).connection_id: 8})
    return Status.read(message(message_id).status)


def test_message_expires_with_its_link(signing_app: SigningApp, admin: Browser) -> None:
    invite(signing_app)
    message_id = notice(complete(signing_app, 1))
    row = message(message_id)
    assert row.expires_at == row.link_expires_at
    assert row.expires_at - now() < HOUR
    update_message(message_id, link_expires_at=now() - timedelta(seconds=1))
    assert claim(message_id) == Status.EXPIRED
    assert message(message_id).code == "link_expired"
    assert "The link in the message expired before the message was sent." in (
        admin.get(f"/messages/{message_id}").text
    )
    answer = signing_app.post(f"/messages/{message_id}/resend")
    assert (answer.status_code, json_of(answer)["code"]) == (409, "download_expired")


def test_link_that_is_dead_already_is_not_sent(signing_app: SigningApp) -> None:
    invite(signing_app)
    answer = complete(signing_app, -1)
    assert [item for item in answer["messages"] if item["signer"] == "eric"] == []
    assert "link_expired" in {item["reason"] for item in answer["skipped"]}


def test_link_of_a_person_has_its_own_time(signing_app: SigningApp) -> None:
    invite(signing_app)
    eric = {
        "id": "eric",
        "download_url": f"{URL}/eric",
        "download_url_expires_at": (now() + 2 * HOUR).isoformat(),
    }
    row = message(notice(complete(signing_app, -1, signers=[eric])))
    assert row.link_expires_at is not None
    assert row.link_expires_at - now() > HOUR


def test_new_link_of_a_person_does_not_keep_the_time_of_the_former(signing_app: SigningApp) -> None:
    invite(signing_app)
    old = (now() - HOUR).isoformat()
    former = {"id": "eric", "download_url": f"{URL}/old", "download_url_expires_at": old}
    signing_app.post("/events", event_body("request.viewed", signer=former))
    new = {"id": "eric", "download_url": f"{URL}/new"}
    row = message(notice(complete(signing_app, None, signers=[new])))
    assert row.link_expires_at is None


def test_invitation_does_not_depend_on_the_link_to_the_document(signing_app: SigningApp) -> None:
    old = (now() - HOUR).isoformat()
    body = event_body(signers=[signer_body("Eric", download_url=URL, download_url_expires_at=old)])
    answer = json_of(signing_app.post("/events", body))
    assert message(notice(answer)).link_expires_at is None


@pytest.mark.parametrize("value", ["tomorrow", 1234567890, "2026-11-30T10:00:00"])
def test_invalid_time_is_refused(signing_app: SigningApp, value: Any) -> None:
    invite(signing_app)
    body = event_body("request.completed", download_url=URL, download_url_expires_at=value)
    answer = signing_app.post("/events", body)
    assert (answer.status_code, json_of(answer)["field"]) == (422, "download_url_expires_at")


@settings(
    max_examples=examples(30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(hours=st.none() | st.floats(-100, 1000).filter(lambda hours: abs(hours) > 0.1))
def test_message_is_sent_exactly_while_its_link_works(
    signing_app: SigningApp, hours: float | None
) -> None:
    request = {"id": f"agr-{hours}", "title": "Employment Agreement"}
    signing_app.post("/events", event_body(signers=[signer_body("Eric")]) | {"request": request})
    answer = complete(signing_app, hours, request=request)
    found = [item["id"] for item in answer["messages"] if item["signer"] == "eric"]
    assert bool(found) == (hours is None or hours > 0)
    if found:
        assert claim(found[0]) == Status.SENDING
