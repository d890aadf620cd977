"""Status callbacks are signed, worded and retried as Twilio does."""

import re
import signal
import time

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator, get_signature_algorithm
from werkzeug.datastructures import MultiDict

from hub.simulator.callbacks import Overrides, overrides
from hub.simulator.signing import Key, post, with_port

FROM = "+15005550006"


def is_genuine(callback, token):
    return RequestValidator(token).validate(
        callback.url, callback.fields, callback.headers["X-Twilio-Signature"]
    )


def test_callback_is_signed_over_url_and_fields(simulator, client, receiver):
    token = simulator.credentials.auth_token
    to = simulator.number()
    url = f"{receiver.url}/hook/%7Eeric?message=msg_1&attempt=2&empty=#rc=3&rp=all"
    message = client.messages.create(to=to, from_=FROM, body="Hello", status_callback=url)

    for callback, status in zip(receiver.wait_for(2), ("sent", "delivered"), strict=True):
        assert callback.url == url.partition("#")[0]
        assert callback.headers["User-Agent"] == "TwilioProxy/1.1"
        assert callback.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
        fields = dict(callback.fields)
        assert bool(re.fullmatch(r"\d{10}", fields.pop("RawDlrDoneDate", ""))) == (
            status == "delivered"
        )
        assert fields == {
            "AccountSid": simulator.credentials.account_sid,
            "ApiVersion": "2010-04-01",
            "From": FROM,
            "To": to,
            "MessageSid": message.sid,
            "SmsSid": message.sid,
            "MessageStatus": status,
            "SmsStatus": status,
        }
        assert is_genuine(callback, token)
        callback.fields["MessageStatus"] = "failed"
        assert not is_genuine(callback, token)


def test_callback_names_the_messaging_service(simulator, client, receiver):
    service = simulator.credentials.messaging_service_sid
    client.messages.create(
        to=simulator.number(),
        messaging_service_sid=service,
        body="Hello",
        status_callback=receiver.url,
    )
    callbacks = receiver.wait_for(3)
    assert [callback.status for callback in callbacks] == ["queued", "sent", "delivered"]
    assert {
        (callback.fields["MessagingServiceSid"], callback.fields["From"]) for callback in callbacks
    } == {(service, FROM)}


def test_all_callbacks_arrive_within_a_second(simulator, client, receiver):
    began = time.monotonic()
    client.messages.create(
        to=simulator.number(), from_=FROM, body="Hello", status_callback=receiver.url
    )
    receiver.wait_for(2)
    assert 0.3 < time.monotonic() - began < 1


def test_failed_callback_is_retried_if_the_url_says_so(simulator, client, receiver):
    receiver.answers = {"sent": [500, 404]}
    client.messages.create(
        to=simulator.number(),
        from_=FROM,
        body="Hello",
        status_callback=f"{receiver.url}/#rc=5&rp=all",
    )
    callbacks = [callback for callback in receiver.wait_for(4) if callback.status == "sent"]
    assert len(callbacks) == 3
    assert len({callback.headers["I-Twilio-Idempotency-Token"] for callback in callbacks}) == 1
    assert all(is_genuine(callback, simulator.credentials.auth_token) for callback in callbacks)


@pytest.mark.parametrize("answer", [500, 302])
def test_failed_or_redirected_callback_is_not_retried_by_default(
    simulator, client, receiver, answer
):
    receiver.answers = {"sent": [answer]}
    client.messages.create(
        to=simulator.number(), from_=FROM, body="Hello", status_callback=receiver.url
    )
    assert [callback.status for callback in receiver.wait_for(2)] == ["sent", "delivered"]
    time.sleep(0.5)
    assert [callback.url for callback in receiver.received] == [f"{receiver.url}/"] * 2


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("", Overrides()),
        ("rc=3&rp=ct,5xx&ct=2000&rt=3000&tt=9000", Overrides(2, 3, 9, 3, frozenset({"ct", "5xx"}))),
        ("rc=6&ct=50&rt=20000&rp=sometimes", Overrides()),
    ],
)
def test_connection_overrides_are_read_from_the_fragment(fragment, expected):
    assert overrides(f"http://127.0.0.1/x#{fragment}") == expected


def test_addresses_outside_loopback_are_not_called(restartable_simulator, capfd, wait):
    restartable_simulator.stop()
    restartable_simulator.start()
    client = restartable_simulator.client()
    message = client.messages.create(
        to=restartable_simulator.number(),
        from_=FROM,
        body="x",
        status_callback="http://192.0.2.1/x?secret",
    )
    wait(lambda: message.fetch().status == "delivered")
    restartable_simulator.stop()
    output = capfd.readouterr().err
    assert "192.0.2.1 is not on this machine" in output
    assert "secret" not in output


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_callback_pending_at_a_restart_is_sent_after_it(restartable_simulator, receiver, how):
    receiver.answers = {"sent": [503] * 9, "delivered": [503] * 9}
    url = f"{receiver.url}/#rc=5&rp=all"
    message = restartable_simulator.client().messages.create(
        to=restartable_simulator.number(), from_=FROM, body="Hello", status_callback=url
    )
    receiver.wait_for(1)
    restartable_simulator.stop(how)
    receiver.received.clear()
    receiver.answers.clear()

    restartable_simulator.start()
    callbacks = receiver.wait_for(2)
    assert {(callback.fields["MessageSid"], callback.status) for callback in callbacks} == {
        (message.sid, "sent"),
        (message.sid, "delivered"),
    }
    assert all(
        is_genuine(callback, restartable_simulator.credentials.auth_token) for callback in callbacks
    )
    assert restartable_simulator.client().messages(message.sid).fetch().status == "delivered"


def test_shared_key_signs_with_its_name_and_sha256(restartable_simulator, receiver):
    account = restartable_simulator.post_json("/simulator/account", signing="SharedKey").json
    restartable_simulator.client().messages.create(
        to=restartable_simulator.number(),
        from_=FROM,
        body="Hello",
        status_callback=f"{receiver.url}/x?a=1",
    )
    for callback in receiver.wait_for(2):
        settings_header = callback.headers["X-Twilio-Webhooks-Signature-Settings"]
        signature = callback.headers["X-Twilio-Signature"]
        assert settings_header == f"key={account['shared_key_id']},algorithm=HMAC_SHA256"
        assert RequestValidator(account["shared_key"]).validate(
            callback.url, callback.fields, signature, get_signature_algorithm(settings_header)
        )
        assert not is_genuine(callback, restartable_simulator.credentials.auth_token)


def test_secondary_token_signs_callbacks_only_after_promotion(restartable_simulator, receiver):
    first = restartable_simulator.credentials.auth_token
    assert restartable_simulator.post_json("/simulator/account", promote=True).status == 400
    second = restartable_simulator.post_json("/simulator/account", secondary=True).json["secondary"]
    for token in (first, second):
        restartable_simulator.client(password=token).balance.fetch()
    send = {"from_": FROM, "body": "Hello", "status_callback": f"{receiver.url}/x"}
    restartable_simulator.client().messages.create(to=restartable_simulator.number(), **send)
    assert all(is_genuine(callback, first) for callback in receiver.wait_for(2))
    assert (
        restartable_simulator.post_json("/simulator/account", promote=True).json["auth_token"]
        == second
    )
    restartable_simulator.client().messages.create(to=restartable_simulator.number(), **send)
    assert [is_genuine(callback, second) for callback in receiver.wait_for(4)] == [
        False,
        False,
        True,
        True,
    ]
    with pytest.raises(TwilioRestException, match="401"):
        restartable_simulator.client(password=first).balance.fetch()


@pytest.mark.parametrize(
    ("url", "expected"),
    [("https://h.example/x", "https://h.example:443/x"), ("http://h:8/x?", "http://h:8/x?")],
)
def test_signature_may_include_the_port(url, expected):
    assert with_port(url) == expected
    fields = [("B", "2"), ("A", "1"), ("B", "1"), ("B", "2")]
    signature = post(url, fields, Key("secret"), "port").headers["X-Twilio-Signature"]
    assert signature == RequestValidator("secret").compute_signature(expected, MultiDict(fields))


def test_json_body_is_hashed_into_the_address():
    request = post("https://h.example/x", [("A", "1")], Key("secret"), "json")
    assert RequestValidator("secret").validate(
        request.url, request.body.decode(), request.headers["X-Twilio-Signature"]
    )
    assert not RequestValidator("secret").validate(
        request.url, request.body.decode() + " ", request.headers["X-Twilio-Signature"]
    )
