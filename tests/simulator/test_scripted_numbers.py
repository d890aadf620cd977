"""Every scripted number has the outcome that the table and the page show."""

from base64 import b64encode

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

from hub.simulator import scripted_numbers
from hub.simulator.page import STATUS_BADGES

FROM = "+15005550006"
REFUSED = [scripted for scripted in scripted_numbers.RECIPIENTS if scripted.refuses]
STUMBLING = [scripted for scripted in scripted_numbers.RECIPIENTS if scripted.fails_once]
ACCEPTED = [
    scripted
    for scripted in scripted_numbers.RECIPIENTS
    if not (scripted.refuses or scripted.fails_once or scripted.breaks or scripted.hangs)
]


def scripted_number(entry):
    return entry.number


def create_message(simulator, to, body, **fields):
    return simulator.client(timeout=fields.pop("timeout", 5)).messages.create(
        to=to, from_=FROM, body=body, **fields
    )


def received_texts(simulator, to, body):
    return [message for message in simulator.received(to) if message["body"] == body]


@pytest.mark.parametrize("recipient", REFUSED, ids=scripted_number)
def test_refused_recipient_receives_nothing(simulator, recipient):
    with pytest.raises(TwilioRestException) as refusal:
        create_message(simulator, recipient.number, "Hello")
    assert (refusal.value.status, refusal.value.code) == (400, recipient.refuses)
    assert str(recipient.refuses) in recipient.note
    assert simulator.received(recipient.number) == []


@pytest.mark.parametrize("recipient", STUMBLING, ids=scripted_number)
def test_number_that_fails_once_accepts_the_second_message(simulator, recipient, receiver):
    for body in ("First", "Second"):
        with pytest.raises(TwilioRestException) as refusal:
            create_message(simulator, recipient.number, body)
        assert (refusal.value.status, refusal.value.code) == (
            recipient.fails_once - 20000,
            recipient.fails_once,
        )
        assert received_texts(simulator, recipient.number, body) == []
        assert (
            create_message(simulator, recipient.number, body, status_callback=receiver.url).status
            == "queued"
        )
        assert create_message(simulator, recipient.number, body).status == "queued"
    assert {callback.status for callback in receiver.wait_for(4)} == {"sent", "delivered"}


def test_rate_limited_number_returns_retry_after(simulator):
    credentials = simulator.credentials
    basic = b64encode(f"{credentials.account_sid}:{credentials.auth_token}".encode()).decode()
    path = f"/2010-04-01/Accounts/{credentials.account_sid}/Messages.json"
    form = {"To": "+15005550012", "From": FROM, "Body": "When?"}
    answer = simulator.call("POST", path, form, Authorization=f"Basic {basic}")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize("recipient", ACCEPTED, ids=scripted_number)
def test_message_ends_as_documented(simulator, recipient, receiver, wait):
    message = create_message(simulator, recipient.number, "Hello", status_callback=receiver.url)
    final = recipient.steps[-1].status or recipient.steps[-2].status
    ended = wait(lambda: (now := message.fetch()).status == final and now)

    assert ended.error_code == (recipient.error or None)
    expected = [status for step in recipient.steps for status in step.callbacks]
    assert [callback.status for callback in receiver.wait_for(len(expected))] == expected


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
    other_message = create_message(simulator, "+15005550011", "Hello", status_callback=receiver.url)
    assert {callback.fields["MessageSid"] for callback in receiver.wait_for(2)} == {
        other_message.sid
    }


def test_repeated_callbacks_are_identical(simulator, receiver):
    create_message(simulator, "+15005550017", "Hello", status_callback=receiver.url)
    callbacks = receiver.wait_for(4)
    assert [callback.status for callback in callbacks] == ["delivered", "delivered", "sent", "sent"]
    assert callbacks[0].fields == callbacks[1].fields
    tokens = [callback.headers["I-Twilio-Idempotency-Token"] for callback in callbacks]
    assert tokens[0] == tokens[1] != tokens[2] == tokens[3]


def test_page_shows_every_scripted_number_with_its_outcome(simulator):
    page = simulator.call("GET", "/").text
    for recipient in scripted_numbers.RECIPIENTS:
        assert f"<code>{recipient.number}</code>" in page
        assert recipient.note in page
        assert recipient.final_status in STATUS_BADGES


def test_scripted_numbers_are_unique():
    numbers = [recipient.number for recipient in scripted_numbers.RECIPIENTS]
    assert len(numbers) == len(set(numbers))
