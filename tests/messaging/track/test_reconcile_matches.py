"""Messages at the provider are matched with unknown outcomes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import time_machine
from flask import Flask

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.messaging.send import claims
from hub.messaging.track import reconcile
from hub.models import Connection
from tests.fake_provider import FakeProvider, lose_response
from tests.hub_fixtures import (
    attempts,
    copy_connection,
    deliver,
    make_due,
    message,
    queue_text,
    status,
    status_words,
    texts_at_provider,
    update_message,
)
from tests.messaging.track.reconcile_steps import send_with_unknown_outcome


def test_provider_message_of_another_message_is_not_matched(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lambda outbound: Accepted("h1")
    earlier = queue_text("room", "Hello.", channel="", connection_slug="searchable-chat")
    deliver()
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1")]
    message_id = send_with_unknown_outcome()
    reconcile.look_up_unknown()
    assert (status(earlier), status(message_id)) == (
        "accepted",
        "queued",
    ), "its own call never arrived"


def test_message_of_another_connection_of_the_account_is_not_matched(
    hub_demo: Flask, connection: Connection, simulator: Any
) -> None:
    twin = db.session.get_one(Connection, copy_connection("Twin", like=connection))
    other_message = queue_text(channel="", connection_slug=twin.slug)
    deliver()
    [attempt] = attempts(other_message)
    own_message = queue_text(channel="", connection_slug=connection.slug)
    claims.record_and_claim([], {connection.id: 1})  # claimed; the worker died before it called
    update_message(own_message, status=Status.UNKNOWN.value, due_at=now() - timedelta(seconds=1))
    assert attempt.provider_id
    reconcile.look_up_unknown()
    assert status(own_message) == Status.QUEUED, (
        "the one message that the provider has is the twin's"
    )
    deliver()
    assert len(texts_at_provider(simulator)) == 2


def test_two_equal_texts_that_were_both_sent_are_both_found(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1"), Accepted("h2")]
    ids = [send_with_unknown_outcome(), send_with_unknown_outcome()]
    reconcile.look_up_unknown()
    assert [status(message_id) for message_id in ids] == ["accepted", "accepted"]
    assert {message(message_id).provider_id for message_id in ids} == {"h1", "h2"}


def test_two_equal_texts_of_which_one_was_sent_stay_unknown(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1")]
    ids = [send_with_unknown_outcome(), send_with_unknown_outcome()]
    reconcile.look_up_unknown()
    assert [status(message_id) for message_id in ids] == ["unknown", "unknown"], (
        "nobody can say whose it is"
    )
    assert [message(message_id).due_at for message_id in ids] == [None, None]
    assert deliver() == 0


def test_different_text_to_the_same_person_is_not_matched(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: (
        [Accepted(f"h-{outbound.text}")] if outbound.text == "one" else []
    )
    sent_message = send_with_unknown_outcome("one")
    two = send_with_unknown_outcome("two")
    reconcile.look_up_unknown()
    assert (status(sent_message), status(two)) == ("accepted", "queued")


def test_ambiguous_match_waits_for_the_other_unknown_message(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    absent = send_with_unknown_outcome("absent")
    matched_message = send_with_unknown_outcome("taken")
    fake_provider.on_find = lambda outbound: [Accepted("h-taken", sure=outbound.text == "taken")]
    reconcile.look_up_unknown()
    row = message(absent)
    assert (row.status, status_words(absent)) == ("unknown", [])
    assert row.due_at is not None, (
        "what the provider has may be the other's: asked again when that is known"
    )
    assert status(matched_message) == Status.ACCEPTED
    make_due(absent)
    reconcile.look_up_unknown()
    assert (status(absent), status_words(absent)) == ("queued", ["proved absent"])


def test_two_unknown_messages_do_not_block_each_other(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    ids = [send_with_unknown_outcome("one"), send_with_unknown_outcome("two")]
    fake_provider.on_find = lambda outbound: [Accepted("somebody-elses", sure=False)]
    with time_machine.travel(now() + reconcile.WAIT_FOR_OTHERS):
        reconcile.look_up_unknown()
        assert [(status(message_id), message(message_id).due_at) for message_id in ids] == [
            ("unknown", None)
        ] * 2


def test_outcome_is_not_decided_while_an_equal_text_is_being_sent(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    fake_provider.on_find = lambda outbound: [Accepted("h1")]
    message_id = send_with_unknown_outcome()
    queue_text("room", "Hello.", channel="", connection_slug="searchable-chat")
    claims.record_and_claim([], {searchable_chat.id: 1})
    reconcile.look_up_unknown()
    row = message(message_id)
    assert row.status == Status.UNKNOWN
    assert row.due_at is not None


def test_callback_before_the_lookup_takes_precedence(
    searchable_chat: Connection, fake_provider: FakeProvider
) -> None:
    fake_provider.on_send = lose_response
    message_id = send_with_unknown_outcome()
    update_message(message_id, status=Status.DELIVERED.value, due_at=None)
    reconcile.decide_outcome(message_id, [])
    assert status(message_id) == Status.DELIVERED
