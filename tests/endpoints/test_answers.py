"""Pauses that an endpoint asks for, and what admins see of its answers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.db.engine import db
from hub.db.types import now
from hub.endpoints import deliveries as delivery_cases
from tests.endpoints.receivers import Received, Receiver, add_endpoint, notify, report

pytestmark = pytest.mark.usefixtures("hub_demo")
DAY = 86_400


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("0", 1),
        ("1", 1),
        ("90.5", 90.5),
        ("86401", DAY),
        ("1000000000", DAY),
        ("9" * 400, DAY),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 1),
        ("Wed, 21 Oct 2099 07:28:00 GMT", DAY),
        ("-1", 5),  # not valid, so the usual pause
        ("soon", 5),
    ],
)
def test_requested_pause_is_between_a_second_and_a_day(
    receiver: Receiver, retry_after: str, seconds: float
) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    event_id = report()
    receiver.answer_with(503, Retry_After=retry_after)
    notify()
    db.session.rollback()
    due_at = delivery_cases.find(endpoint_id, event_id).due_at
    assert due_at is not None
    pause = (due_at - now()) / timedelta(seconds=1)
    assert seconds * 0.9 - 2 <= pause <= seconds * 1.1


def test_answer_that_repeats_the_request_shows_no_secret(receiver: Receiver) -> None:
    def repeat(request: Received) -> tuple[int, bytes, dict[str, str]]:
        headers = "".join(f"{name}: {value}\n" for name, value in request.headers.items())
        return 500, headers.encode() + request.body, {}

    receiver.answer = repeat
    endpoint_id, secret = add_endpoint(
        receiver.url,
        with_addresses=True,
        headers={"X-Tenant": "blue-42-acme"},
        user="acme",
        password="correct horse battery",
    )
    event_id = report()
    notify()
    [attempt] = delivery_cases.attempts_of(delivery_cases.find(endpoint_id, event_id))
    answer = delivery_cases.read_response(attempt)
    assert "x-tenant: •••" in answer
    [request] = receiver.requests
    for hidden in (
        "blue-42-acme",
        "correct horse battery",
        request.headers["authorization"].partition(" ")[2],
        secret,
    ):
        assert hidden not in answer
    assert event_id in answer


@pytest.mark.parametrize("filler", ["x", "ж", "😀"])
def test_secret_at_the_end_of_the_shown_part_is_masked(receiver: Receiver, filler: str) -> None:
    endpoint_id, _ = add_endpoint(receiver.url)
    length = 1990 - len(b"token=")
    start = (filler * 2000).encode()[:length].decode(errors="ignore")
    receiver.answer_with(500, f"{start} token=abcdefghijklmnop".encode())
    event_id = report()
    notify()
    [attempt] = delivery_cases.attempts_of(delivery_cases.find(endpoint_id, event_id))
    answer = delivery_cases.read_response(attempt)
    assert len(answer.encode()) <= 2000
    assert "abcdef" not in answer
