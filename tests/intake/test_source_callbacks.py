"""Webhooks of a signing app: stored, completed by calls, retried, and accepted once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hub.connections import connections
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import replay, source_callbacks
from hub.intake.replay import Selection
from hub.models import Contact, Event, Message, PlatformEvent, ProviderCallback, Signer
from hub.signing import contact_erasure
from tests.conftest import config_of
from tests.intake.source_steps import ANNA, ERIC, SigningAppSteps
from tests.integrations.http_recorder import record_requests


@pytest.fixture
def pactsafe(hub_demo: Flask) -> Iterator[SigningAppSteps]:
    with record_requests(config_of(hub_demo).simulator_bind.port) as recorder:
        steps = SigningAppSteps(hub_demo, recorder)
        steps.answer_requests(ERIC, ANNA)
        yield steps


def test_request_is_announced_to_its_signers(pactsafe: SigningAppSteps) -> None:
    pactsafe.receive("sent")
    assert pactsafe.request().title == "Lease"
    assert pactsafe.request().test
    assert pactsafe.messages() == [("sent", "anna", "sms"), ("sent", "eric", "sms")]
    (callback,) = pactsafe.callbacks()
    assert (callback.due_at, callback.fetch_at, callback.error) == (None, None, "")
    assert pactsafe.connection.last_callback_at is not None


@pytest.mark.parametrize("secret", ["", "wrong", "wrong" * 50])
def test_wrong_or_missing_token_is_unauthorized(pactsafe: SigningAppSteps, secret: str) -> None:
    response = pactsafe.post(pactsafe.webhook("sent"), secret)
    assert response.status_code == 401
    assert "The secret code is not the one of this connection." in response.text
    assert pactsafe.callbacks() == []


def test_webhook_is_answered_before_the_request_is_fetched(pactsafe: SigningAppSteps) -> None:
    assert pactsafe.post(pactsafe.webhook("sent")).json == {"success": True}
    assert pactsafe.recorder.paths == []


def test_test_event_is_answered_and_fetches_nothing(pactsafe: SigningAppSteps) -> None:
    response = pactsafe.post({"event_type": "test_event", "id": "1234abcd", "user": 1})
    assert response.status_code == 200
    pactsafe.process()
    assert pactsafe.recorder.paths == []
    assert pactsafe.callbacks()[0].error == ""
    assert pactsafe.connection.last_callback_at is not None


def test_repeats_fetch_and_send_nothing(pactsafe: SigningAppSteps) -> None:
    body = pactsafe.webhook("sent")
    for _ in range(5):
        assert pactsafe.post(body).status_code == 200
        pactsafe.process()
    assert len(pactsafe.recorder.paths) == 1
    assert len(pactsafe.messages()) == 2


def test_two_signatures_at_once_are_both_recorded(pactsafe: SigningAppSteps) -> None:
    pactsafe.receive("sent")
    for signer in ("eric", "anna"):
        pactsafe.post(pactsafe.webhook("signed", 5, signer=signer))
    pactsafe.process()
    assert pactsafe.signers() == {"eric": "signed", "anna": "signed"}


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [429, 500, 502, 503, 408])
def test_app_that_fails_is_asked_again_until_it_works(
    pactsafe: SigningAppSteps, status: int
) -> None:
    pactsafe.answer_requests(status=status)
    pactsafe.receive("sent")
    for _ in range(3):
        (callback,) = pactsafe.callbacks()
        assert callback.error
        assert callback.fetch_at is not None
        assert callback.fetch_at > now()
        pactsafe.make_due()
        pactsafe.process()
    pactsafe.answer_requests(ERIC)
    pactsafe.make_due()
    pactsafe.process()
    assert pactsafe.messages() == [("sent", "eric", "sms")]
    assert pactsafe.callbacks()[0].error == ""


def test_app_that_is_away_is_asked_for_two_days(pactsafe: SigningAppSteps) -> None:
    pactsafe.answer_requests(status=500)
    pactsafe.receive("sent")
    for hours in (1, 24, 47):
        set_received(timedelta(hours=hours))
        pactsafe.make_due()
        pactsafe.process()
        assert pactsafe.callbacks()[0].fetch_at is not None
    set_received(timedelta(hours=49))
    pactsafe.make_due()
    pactsafe.process()
    (callback,) = pactsafe.callbacks()
    assert (callback.fetch_at, bool(callback.error)) == (None, True)
    pactsafe.answer_requests(ERIC)
    replay.replay(Selection(callback_id=callback.id))
    pactsafe.process()
    assert pactsafe.messages() == [("sent", "eric", "sms")]


@transaction
def set_received(age: timedelta) -> None:
    db.session.execute(update(ProviderCallback).values(received_at=now() - age))


def test_app_that_limits_its_calls_delays_all_webhooks(pactsafe: SigningAppSteps) -> None:
    pactsafe.recorder.usual = (429, "", {"Retry-After": "120"})
    pactsafe.receive("sent")
    pactsafe.post(pactsafe.webhook("sent", request="req-2"))
    pactsafe.process()
    pactsafe.process()
    calls = len(pactsafe.recorder.paths)
    assert calls <= 2
    assert all(row.fetch_at > now() + timedelta(seconds=100) for row in pactsafe.callbacks())


def test_unknown_request_is_given_up_after_some_minutes(pactsafe: SigningAppSteps) -> None:
    pactsafe.answer_requests(status=404)
    pactsafe.receive("sent")
    assert pactsafe.callbacks()[0].fetch_at is not None
    set_received(timedelta(minutes=11))
    pactsafe.make_due()
    pactsafe.process()
    assert pactsafe.callbacks()[0].fetch_at is None


def test_refused_key_breaks_the_connection_until_its_test_passes(
    pactsafe: SigningAppSteps,
) -> None:
    pactsafe.answer_requests(status=401)
    pactsafe.receive("sent")
    assert pactsafe.connection.state == ConnectionState.BROKEN
    pactsafe.make_due()
    pactsafe.process()
    assert len(pactsafe.recorder.paths) == 1, "it is not asked while the connection is broken"
    assert not source_callbacks.is_due()
    pactsafe.recorder.answer(404, {"message": "Not found"})
    connections.enable(pactsafe.connection_id)
    pactsafe.answer_requests(ERIC)
    pactsafe.make_due()
    pactsafe.process()
    assert pactsafe.messages() == [("sent", "eric", "sms")]


def test_disabled_connection_keeps_its_webhooks(pactsafe: SigningAppSteps) -> None:
    connections.disable(pactsafe.connection_id)
    pactsafe.receive("sent")
    assert pactsafe.recorder.paths == []
    connections.enable(pactsafe.connection_id)
    pactsafe.process()
    assert len(pactsafe.messages()) == 2


def test_one_connection_that_fails_delays_no_other(pactsafe: SigningAppSteps) -> None:
    answers = [(500, "", {}), (200, {"name": "Lease", "signers": []}, {})]
    pactsafe.recorder.answers += answers  # type: ignore[arg-type]
    pactsafe.post(pactsafe.webhook("sent"))
    pactsafe.process()
    pactsafe.receive("sent", request="req-2")
    assert pactsafe.request("req-2").title == "Lease"


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("number", [None, "", "317", "not a number", "99999999999999999", 7])
def test_signer_without_a_number_is_planned_by_email(
    pactsafe: SigningAppSteps, number: Any
) -> None:
    pactsafe.answer_requests({**ERIC, "mobile_number": number})
    pactsafe.receive("sent")
    (signer,) = db.session.scalars(select(Signer))
    assert signer.details["email"] == "eric@example.com"
    assert "mobile_number" not in signer.details


@pytest.mark.parametrize("email", ["not an address", "x" * 400 + "@example.com", "a@b@c", 5])
def test_wrong_email_address_does_not_lose_the_event(pactsafe: SigningAppSteps, email: Any) -> None:
    pactsafe.answer_requests({**ERIC, "email": email}, name="T" * 900)
    pactsafe.receive("sent")
    assert pactsafe.messages() == [("sent", "eric", "sms")]


def test_address_that_is_switched_off_is_not_used(pactsafe: SigningAppSteps) -> None:
    pactsafe.answer_requests({**ERIC, "send_to": {"email": True, "mobile_number": False}})
    pactsafe.receive("sent")
    assert pactsafe.messages() == []


def test_signer_without_any_address_is_reported(pactsafe: SigningAppSteps) -> None:
    pactsafe.answer_requests({"id": "eric"})
    pactsafe.receive("sent")
    assert pactsafe.messages() == []
    (event,) = db.session.scalars(select(Event))
    assert event.skipped
    types = [row.type for row in db.session.scalars(select(PlatformEvent))]
    assert "signer_not_reached" in types


def test_event_that_cannot_be_used_is_set_aside(pactsafe: SigningAppSteps) -> None:
    pactsafe.receive("sent", request="/" * 3)
    (callback,) = pactsafe.callbacks()
    assert callback.fetch_at is None
    assert "request.id" in callback.error
    assert db.session.scalars(select(Message)).all() == []


# ── Privacy ───────────────────────────────────────────────────────────────────────────────────────
def test_erasing_a_person_deletes_the_webhooks_about_them(pactsafe: SigningAppSteps) -> None:
    pactsafe.receive("sent")
    pactsafe.receive("sent", request="req-2", id="other")
    pactsafe.answer_requests(ANNA)
    pactsafe.receive("sent", request="req-3")
    contact = db.session.scalars(select(Contact).where(Contact.address == "+13175551234")).one()
    contact_erasure.erase_contact(contact.id, reason="They asked for it.")
    assert [row.subject for row in pactsafe.callbacks()] == ["req-3"]
