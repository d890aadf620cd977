"""Every scripted number has the outcome that the table and the page show."""

from base64 import b64encode

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from hub.simulator import scripted_numbers
from hub.simulator.page import STATUS_BADGES

FROM = "+15005550006"
REFUSED = [one for one in scripted_numbers.RECIPIENTS if one.refuses]
STUMBLING = [one for one in scripted_numbers.RECIPIENTS if one.fails_once]
ACCEPTED = [
    one
    for one in scripted_numbers.RECIPIENTS
    if not (one.refuses or one.fails_once or one.breaks or one.hangs)
]


def scripted_number(entry):
    return entry.number


def create_message(simulator, to, body, **more):
    return simulator.client(timeout=more.pop("timeout", 5)).messages.create(
        to=to, from_=FROM, body=body, **more
    )


def received_texts(simulator, to, body):
    return [message for message in simulator.received(to) if message["body"] == body]


@pytest.mark.parametrize("one", REFUSED, ids=scripted_number)
def test_refused_recipient_receives_nothing(simulator, one):
    with pytest.raises(TwilioRestException) as refusal:
        create_message(simulator, one.number, "Hello")
    assert (refusal.value.status, refusal.value.code) == (400, one.refuses)
    assert str(one.refuses) in one.note
    assert simulator.received(one.number) == []


@pytest.mark.parametrize("one", STUMBLING, ids=scripted_number)
def test_number_that_fails_once_accepts_the_second_message(simulator, one, receiver):
    for body in ("First", "Second"):
        with pytest.raises(TwilioRestException) as refusal:
            create_message(simulator, one.number, body)
        assert (refusal.value.status, refusal.value.code) == (
            one.fails_once - 20000,
            one.fails_once,
        )
        assert received_texts(simulator, one.number, body) == []
        assert (
            create_message(simulator, one.number, body, status_callback=receiver.url).status
            == "queued"
        )
        assert create_message(simulator, one.number, body).status == "queued"
    assert {callback.status for callback in receiver.wait_for(4)} == {"sent", "delivered"}


def test_rate_limited_number_returns_retry_after(simulator):
    known = simulator.credentials
    basic = b64encode(f"{known.account_sid}:{known.auth_token}".encode()).decode()
    path = f"/2010-04-01/Accounts/{known.account_sid}/Messages.json"
    form = {"To": "+15005550012", "From": FROM, "Body": "When?"}
    answer = simulator.call("POST", path, form, Authorization=f"Basic {basic}")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize("one", ACCEPTED, ids=scripted_number)
def test_message_ends_as_documented(simulator, one, receiver, wait):
    message = create_message(simulator, one.number, "Hello", status_callback=receiver.url)
    final = one.steps[-1].status or one.steps[-2].status
    ended = wait(lambda: (now := message.fetch()).status == final and now)

    assert ended.error_code == (one.error or None)
    told = [word for step in one.steps for word in step.callbacks]
    assert [callback.status for callback in receiver.wait_for(len(told))] == told


def test_unreachable_handset_is_reported_with_its_code(simulator, receiver):
    create_message(simulator, "+15005550011", "Hello", status_callback=receiver.url)
    sent, undelivered = receiver.wait_for(2)
    assert (sent.status, undelivered.status) == ("sent", "undelivered")
    assert (undelivered.fields["ErrorCode"], undelivered.fields["ErrorMessage"]) == (
        "30003",
        "Unreachable destination handset",
    )
    assert "ErrorCode" not in sent.fields


def test_failure_after_acceptance_still_delivers(simulator, receiver):
    with pytest.raises(TwilioRestException) as refusal:
        create_message(simulator, "+15005550014", "Hello", status_callback=receiver.url)
    assert (refusal.value.status, refusal.value.code) == (500, 20500)
    assert [callback.status for callback in receiver.wait_for(2)] == ["sent", "delivered"]
    assert [
        message["status"] for message in received_texts(simulator, "+15005550014", "Hello")
    ] == ["delivered"]


def test_request_that_times_out_still_delivers(simulator, receiver):
    with pytest.raises(requests.exceptions.ReadTimeout):
        create_message(
            simulator, "+15005550015", "Hello", status_callback=receiver.url, timeout=0.5
        )
    assert [callback.status for callback in receiver.wait_for(2)] == ["sent", "delivered"]
    assert [
        message["status"] for message in received_texts(simulator, "+15005550015", "Hello")
    ] == ["delivered"]


def test_lost_callback_is_not_sent_but_the_status_can_be_polled(simulator, receiver, wait):
    message = create_message(simulator, "+15005550016", "Hello", status_callback=receiver.url)
    wait(lambda: message.fetch().status == "delivered")
    other = create_message(simulator, "+15005550011", "Hello", status_callback=receiver.url)
    assert {callback.fields["MessageSid"] for callback in receiver.wait_for(2)} == {other.sid}


def test_repeated_callbacks_are_identical(simulator, receiver):
    create_message(simulator, "+15005550017", "Hello", status_callback=receiver.url)
    callbacks = receiver.wait_for(4)
    assert [callback.status for callback in callbacks] == ["delivered", "delivered", "sent", "sent"]
    assert callbacks[0].fields == callbacks[1].fields
    tokens = [callback.headers["I-Twilio-Idempotency-Token"] for callback in callbacks]
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3]


def test_page_shows_every_scripted_number_with_its_outcome(simulator):
    page = simulator.call("GET", "/").text
    for one in scripted_numbers.RECIPIENTS:
        assert f"<code>{one.number}</code>" in page
        assert one.note in page
        assert one.ends in STATUS_BADGES


def test_scripted_numbers_are_unique():
    numbers = [one.number for one in scripted_numbers.RECIPIENTS]
    assert len(numbers) == len(set(numbers))
