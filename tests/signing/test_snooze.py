"""Snoozed signers receive no reminders."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.errors import Conflict
from hub.core.vocabulary import ConnectionState, EventType
from hub.db.engine import db
from hub.db.types import now
from hub.models import Connection, Contact, MessageBody
from hub.signing import button_actions, contact_erasure, reminders, team_subscriptions
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import ERIC, SigningApp, deliver, set_connection_state, status
from tests.signing.post_steps import (
    ConnectTeam,
    button_token,
    count_reminders_to_eric,
    deliver_posts,
    load_request,
    post_event,
)


def test_snoozed_signer_receives_no_reminder_for_a_day(
    signing_app: SigningApp, connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event()
    deliver()
    until = reminders.snooze(load_request().id, "eric")
    assert abs(until - now() - timedelta(days=1)) < timedelta(minutes=1)
    with pytest.raises(Conflict, match="snoozed until"):
        reminders.remind(load_request().id, "eric")
    answer = reminders.remind(load_request().id)
    assert {message["to"] for message in answer["messages"] if message["channel"] != "chat"} == {
        "+442071234567"
    }
    posted = post_event("request.reminder", id="r1")
    assert ("eric", "snoozed") in {
        (skipped_step["signer"], skipped_step["reason"]) for skipped_step in posted["skipped"]
    }
    assert count_reminders_to_eric() == 0
    with time_machine.travel(now() + timedelta(days=1, minutes=1)):
        assert {
            message["to"] for message in reminders.remind(load_request().id, "eric")["messages"]
        } == {"+13175551234"}


def test_snooze_cancels_a_waiting_reminder(hub_demo: Flask, connection: Connection) -> None:
    post_event()
    deliver()
    set_connection_state(connection.id, ConnectionState.BROKEN)
    [waiting] = [
        message["id"] for message in reminders.remind(load_request().id, "eric")["messages"]
    ]
    reminders.snooze(load_request().id, "eric")
    assert status(waiting) == "canceled"


def test_snooze_can_be_ended(hub_demo: Flask) -> None:
    post_event()
    reminders.snooze(load_request().id, "eric")
    reminders.unsnooze(load_request().id, "eric")
    assert len(reminders.remind(load_request().id, "eric")["messages"]) == 1
    with pytest.raises(Conflict, match="not snoozed"):
        reminders.unsnooze(load_request().id, "eric")


def test_card_is_erased_with_the_signer_it_names(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    eric = db.session.scalars(select(Contact.id).where(Contact.address == ERIC)).one()
    contact_erasure.erase_contact(eric, reason="asked for it")
    db.session.rollback()
    assert db.session.get(MessageBody, post.id.partition("_")[2]) is None
    button_actions.perform_action(button_token(post, "Remind Anna"), "Dana")
    assert deliver_posts(fake_provider, "E1") == [], "no card is left to change"


def test_every_event_type_can_be_posted(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("W1")
    team_subscriptions.save_subscriptions(
        connection.id, [event_type.value for event_type in EventType]
    )
    texts = []
    for event_type in EventType:
        post_event(
            event_type.value,
            signer="eric",
            id=f"e-{event_type}",
            occurred_at=f"2026-11-{20 + len(texts)}T09:00:00Z",
        )
        texts += [post.text for post in deliver_posts(fake_provider, "W1")]
    assert texts == [
        'Acme HR sent "Employment Agreement" to Eric and Anna for signature.',
        'Eric opened "Employment Agreement".',
        'Eric has signed "Employment Agreement". 1 signature is missing.',
        'Eric has declined to sign "Employment Agreement".',
        '"Employment Agreement" has been accepted by all parties.',
        '"Employment Agreement" has expired. 1 signature was missing.',
        'Acme HR canceled "Employment Agreement".',
    ]
