"""Events of handlers are deleted after a time, also those of handlers whose code is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine

from hub.db.engine import db
from hub.db.types import now
from hub.endpoints import cleanup
from hub.handlers import handler_list
from hub.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.endpoints.receivers import report
from tests.handlers.handler_steps import HandlerFile, handler, run_due, states_of
from tests.hub_fixtures import count

pytestmark = pytest.mark.usefixtures("hub_demo")
GOOD = '@on("sms_delivered")\ndef good(event): note("good", event)\n'
FAILING = '@on("sms_delivered")\ndef failing(event): raise OSError\n'


@pytest.fixture(autouse=True)
def trusted_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these tests move the clock by weeks."""
    monkeypatch.setattr(cleanup.clock_check, "is_trusted", lambda: True)


def test_finished_events_are_deleted_and_unfinished_ones_of_a_handler_stay(
    handler_file: HandlerFile,
) -> None:
    handler_file.register(GOOD + FAILING)
    report()
    run_due()
    with time_machine.travel(now() + timedelta(days=31), tick=True):
        cleanup.delete_old()
        assert states_of("good") == []
        assert states_of("failing") == ["pending"]


def test_handler_whose_code_is_gone_is_deleted_with_what_waits_for_it(
    handler_file: HandlerFile,
) -> None:
    handler_file.register(GOOD + FAILING)
    report()
    run_due()
    handler_file.register(GOOD)
    assert handler("failing").pending == 1
    with time_machine.travel(now() + timedelta(days=31), tick=True):
        cleanup.delete_old()
        db.session.rollback()
        assert [one.function for one in handler_list.list_handlers()] == ["good"]
    with time_machine.travel(now() + timedelta(days=31, hours=2), tick=True):
        cleanup.delete_old()
    assert (count(WebhookDelivery), count(WebhookAttempt), count(WebhookEndpoint)) == (0, 0, 1)
    handler_file.register(GOOD + FAILING)
    assert handler("failing").word == "new"
