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


def number(one):
    return one.number


def create(simulator, to, body, **more):
    return simulator.client(timeout=more.pop("timeout", 5)).messages.create(
        to=to, from_=FROM, body=body, **more
    )


def texts(simulator, to, body):
    return [message for message in simulator.received(to) if message["body"] == body]


@pytest.mark.parametrize("one", REFUSED, ids=number)
def test_a_refused_recipient_gets_nothing(simulator, one):
    with pytest.raises(TwilioRestException) as refusal:
        create(simulator, one.number, "Hello")
    assert (refusal.value.status, refusal.value.code) == (400, one.refuses)
    assert str(one.refuses) in one.note
    assert simulator.received(one.number) == []


@pytest.mark.parametrize("one", STUMBLING, ids=number)
def test_a_text_stumbles_once_and_is_then_fine(simulator, one, receiver):
    for body in ("First", "Second"):
        with pytest.raises(TwilioRestException) as refusal:
            create(simulator, one.number, body)
        assert (refusal.value.status, refusal.value.code) == (
            one.fails_once - 20000,
            one.fails_once,
        )
        assert texts(simulator, one.number, body) == []
        assert create(simulator, one.number, body, status_callback=receiver.url).status == "queued"
        assert create(simulator, one.number, body).status == "queued"
    assert {callback.status for callback in receiver.wait_for(4)} == {"sent", "delivered"}


def test_being_too_busy_says_when_to_come_back(simulator):
    known = simulator.credentials
    basic = b64encode(f"{known.account_sid}:{known.auth_token}".encode()).decode()
    path = f"/2010-04-01/Accounts/{known.account_sid}/Messages.json"
    form = {"To": "+15005550012", "From": FROM, "Body": "When?"}
    answer = simulator.call("POST", path, form, Authorization=f"Basic {basic}")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize("one", ACCEPTED, ids=number)
def test_a_message_ends_as_the_table_says(simulator, one, receiver, wait):
    message = create(simulator, one.number, "Hello", status_callback=receiver.url)
    final = one.steps[-1].status or one.steps[-2].status
    ended = wait(lambda: (now := message.fetch()).status == final and now)

    assert ended.error_code == (one.error or None)
    told = [word for step in one.steps for word in step.callbacks]
    assert [callback.status for callback in receiver.wait_for(len(told))] == told


def test_the_handset_out_of_reach_is_reported_with_its_code(simulator, receiver):
    create(simulator, "+15005550011", "Hello", status_callback=receiver.url)
    sent, undelivered = receiver.wait_for(2)
    assert (sent.status, undelivered.status) == ("sent", "undelivered")
    assert (undelivered.fields["ErrorCode"], undelivered.fields["ErrorMessage"]) == (
        "30003",
        "Unreachable destination handset",
    )
    assert "ErrorCode" not in sent.fields


def test_breaking_after_accepting_delivers_all_the_same(simulator, receiver):
    with pytest.raises(TwilioRestException) as refusal:
        create(simulator, "+15005550014", "Hello", status_callback=receiver.url)
    assert (refusal.value.status, refusal.value.code) == (500, 20500)
    assert [callback.status for callback in receiver.wait_for(2)] == ["sent", "delivered"]
    assert [message["status"] for message in texts(simulator, "+15005550014", "Hello")] == [
        "delivered"
    ]


def test_never_answering_delivers_all_the_same(simulator, receiver):
    with pytest.raises(requests.exceptions.ReadTimeout):
        create(simulator, "+15005550015", "Hello", status_callback=receiver.url, timeout=0.5)
    assert [callback.status for callback in receiver.wait_for(2)] == ["sent", "delivered"]
    assert [message["status"] for message in texts(simulator, "+15005550015", "Hello")] == [
        "delivered"
    ]


def test_a_lost_callback_never_comes_but_a_question_is_answered(simulator, receiver, wait):
    message = create(simulator, "+15005550016", "Hello", status_callback=receiver.url)
    wait(lambda: message.fetch().status == "delivered")
    other = create(simulator, "+15005550011", "Hello", status_callback=receiver.url)
    assert {callback.fields["MessageSid"] for callback in receiver.wait_for(2)} == {other.sid}


def test_a_repeated_callback_is_the_same_callback(simulator, receiver):
    create(simulator, "+15005550017", "Hello", status_callback=receiver.url)
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


def test_numbers_are_listed_once():
    numbers = [one.number for one in scripted_numbers.RECIPIENTS]
    assert len(numbers) == len(set(numbers))
