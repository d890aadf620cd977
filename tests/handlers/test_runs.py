"""Handlers run after an event is stored, at least once, and are retried over a day."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from hub.db.types import now
from tests.endpoints.receivers import report
from tests.handlers.handler_steps import (
    HandlerFile,
    attempts_of,
    deliveries_to,
    handler,
    run_due,
    states_of,
)

pytestmark = pytest.mark.usefixtures("hub_demo")


def test_handler_receives_the_events_of_its_patterns(handler_file: HandlerFile) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def one(event): note("one", event)

        @on("opted_*", "sms_received")
        def several(event): note("several", event)
        """
    )
    for event_type in ("sms_delivered", "sms_failed", "opted_in", "sms_received"):
        report(event_type)
    run_due()
    assert sorted(handler_file.calls) == [
        ("one", "sms_delivered"),
        ("several", "opted_in"),
        ("several", "sms_received"),
    ]
    assert states_of("one") == ["delivered"]


def test_event_has_its_source_kind_address_and_text(handler_file: HandlerFile) -> None:
    handler_file.register(
        """
        @on("sms_received")
        def read(event: Event):
            assert event.at.tzinfo is not None
            try:
                event.data["text"] = ""
            except TypeError:
                note(f"{event.source} {event.test} {event.type}", event)
        """
    )
    details = {"inbound": "inb_1", "from": "+13175551234", "text": "When?", "kind": "text"}
    event_id = report("sms_received", source="beta", test=False, payload=details)
    run_due()
    [(name, event, attempt)] = handler_file.notes
    assert name == "beta False sms_received"
    assert (event["id"], event["address"], event["text"]) == (event_id, "+13175551234", "When?")
    assert attempt == 1


def test_handler_that_fails_20_times_runs_to_its_end_once_more(handler_file: HandlerFile) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def flaky(event):
            note("began", event)
            if event.attempt <= 20:
                raise ConnectionError("no answer")
            note("ended", event)
        """
    )
    report()
    with time_machine.travel(now(), tick=True) as clock:
        for _ in range(21):
            assert run_due() == 1
            assert run_due() == 0
            due_at = deliveries_to("flaky")[0].due_at
            if due_at is not None:
                clock.move_to(due_at + timedelta(seconds=1))
        clock.shift(timedelta(days=3))
        assert run_due() == 0
    names = [name for name, _, _ in handler_file.notes]
    assert (names.count("began"), names.count("ended")) == (21, 1)
    assert [attempt for _, _, attempt in handler_file.notes][:21] == [*range(1, 22)]
    assert states_of("flaky") == ["delivered"]


def test_handler_that_always_fails_is_given_up_after_a_day(handler_file: HandlerFile) -> None:
    handler_file.register('@on("sms_delivered")\ndef never(event): raise ValueError("no")')
    report()
    began = now()
    calls = 0
    with time_machine.travel(began, tick=True) as clock:
        while (due_at := deliveries_to("never")[0].due_at) is not None:
            clock.move_to(due_at + timedelta(seconds=1))
            calls += run_due()
        lasted = now() - began
    assert timedelta(hours=22) < lasted < timedelta(hours=28)
    assert states_of("never") == ["failed"]
    assert calls == len(attempts_of("never")) == 34


def test_returning_acknowledges_and_raising_asks_for_a_retry(handler_file: HandlerFile) -> None:
    handler_file.register(
        """
        @on("sms_delivered")
        def expected(event): return "this contact is unknown"

        @on("sms_delivered")
        def surprising(event): raise KeyError(event.data["address"])
        """
    )
    report(payload={"from": "+13175551234"})
    run_due()
    assert (states_of("expected"), states_of("surprising")) == (["delivered"], ["pending"])
    [attempt] = attempts_of("surprising")
    assert attempt.problem.startswith("KeyError")
    assert handler("surprising").pending == 1


def test_no_handler_receives_an_event_of_before_it_existed(handler_file: HandlerFile) -> None:
    report()
    handler_file.register('@on("*")\ndef every(event): note("every", event)')
    later = report()
    run_due()
    assert [event["id"] for _, event, _ in handler_file.notes] == [later]


def test_event_of_no_source_reaches_handlers(handler_file: HandlerFile) -> None:
    handler_file.register('@on("sms_received")\ndef every(event): note("every", event)')
    from hub.db.store import transaction
    from hub.endpoints.platform_events import NewEvent, store_events

    event = NewEvent(cause="inb_1:received", type="sms_received", source_id=None, test=True)
    transaction(lambda: store_events([event]))()
    run_due()
    [(_, data, _)] = handler_file.notes
    assert (data["source"], data["test"]) == (None, True)
