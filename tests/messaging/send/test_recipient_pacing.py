"""Messages to one recipient are spaced."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from hub.core.vocabulary import Lane
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, Outbound
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.send import due_messages, recipient_pacing
from hub.messaging.send.dispatcher import Dispatcher
from hub.models import Connection, RecipientPace
from tests.fake_provider import FakeChat, FakeProvider
from tests.hub_fixtures import count, message, update_message
from tests.messaging.send.rate_limit_steps import claim, queue_message


@pytest.fixture
def paced_chat(fake_chat: Connection, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """Limit the fake chat to one message in ten seconds to a recipient."""
    monkeypatch.setattr(FakeChat, "per_recipient", 0.1)
    return fake_chat


def test_messages_to_one_recipient_are_spaced_and_others_are_not_delayed(
    paced_chat: Connection,
) -> None:
    room = [queue_message(text=f"{n}") for n in range(4)]
    room_2 = queue_message("room-2")
    before = now()
    assert [claimed.message_id for claimed in claim(paced_chat)] == [room[0], room_2]
    first, *other_times = [
        at for at in (message(message_id).due_at for message_id in room[1:]) if at
    ]
    assert first >= before + timedelta(seconds=9.9)
    assert [round((at - first).total_seconds(), 3) for at in other_times] == [10, 20]
    assert {message(message_id).tries for message_id in room[1:]} == {0}
    late = queue_message(text="late")
    assert claim(paced_chat) == []
    assert message(late).due_at is not None
    assert message(late).due_at > now()  # type: ignore[operator]


def test_spaced_messages_are_sent_in_order(
    paced_chat: Connection, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeChat, "per_recipient", 5.0)
    moments: list[tuple[str, float]] = []

    def record_send(outbound: Outbound) -> Accepted:
        moments.append((outbound.text, time.monotonic()))
        return Accepted(outbound.id)

    fake_provider.on_send = record_send
    for n in range(5):
        queue_message(text=f"{n}")
    Dispatcher(ShutdownSignal(5)).run(linger=0.5)
    assert [text for text, _ in moments] == ["0", "1", "2", "3", "4"]
    gaps = [later - sooner for (_, sooner), (_, later) in pairwise(moments)]
    assert min(gaps) > 0.1


def test_many_messages_to_one_recipient_do_not_hide_others(
    paced_chat: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due_messages, "BATCH_SIZE", 20)
    for n in range(45):
        queue_message(text=f"{n}")
    hidden = queue_message("room-2")
    turns = [claim(paced_chat, 2) for _ in range(3)]
    assert hidden in {claimed.message_id for claims in turns for claimed in claims}
    assert sum(map(len, turns)) == 2


def test_both_lanes_share_the_pace_of_a_recipient(paced_chat: Connection) -> None:
    update_message(queue_message(text="reminder"), lane=Lane.BULK.value)
    urgent = queue_message(text="now")
    assert [claimed.message_id for claimed in claim(paced_chat)] == [urgent]


def test_expired_paces_are_removed(paced_chat: Connection) -> None:
    queue_message()
    claim(paced_chat)
    assert (recipient_pacing.delete_old_paces(), count(RecipientPace)) == (0, 1)

    @transaction
    def later() -> None:
        db.session.scalars(select(RecipientPace)).one().next_at = (
            now() - recipient_pacing.RETENTION - timedelta(seconds=1)
        )

    later()
    assert (recipient_pacing.delete_old_paces(), count(RecipientPace)) == (1, 0)
