"""Accounts of the simulated Twilio: credentials, balance, suspended and trial accounts."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.simulator.twilio_rest import FROM, account_path, refusal, request


def test_account_its_number_and_its_balance_are_shown(simulator, client):
    credentials = simulator.credentials
    account = client.api.accounts(credentials.account_sid).fetch()
    assert (account.sid, account.type, account.status, account.auth_token) == (
        credentials.account_sid,
        "Full",
        "active",
        credentials.auth_token,
    )
    assert [listed_account.sid for listed_account in client.api.accounts.list()] == [
        credentials.account_sid
    ]
    assert client.balance.fetch().currency == "USD"
    (number,) = client.incoming_phone_numbers.list(phone_number=FROM)
    assert number.capabilities == {"voice": True, "sms": True, "mms": True, "fax": False}
    assert client.incoming_phone_numbers.list(phone_number="+13175551234") == []
    service = client.messaging.v1.services(credentials.messaging_service_sid)
    assert service.fetch().sid == credentials.messaging_service_sid
    assert [listed_account.phone_number for listed_account in service.phone_numbers.list()] == [
        FROM
    ]


def test_api_key_is_accepted(simulator):
    credentials = simulator.credentials
    client = simulator.client(user=credentials.api_key_sid, password=credentials.api_key_secret)
    assert (
        client.messages.create(to=simulator.number(), from_=FROM, body="Hello").status == "queued"
    )


@pytest.mark.parametrize("user", ["account_sid", "api_key_sid", "phone_number"])
def test_wrong_secret_is_refused(simulator, user):
    client = simulator.client(user=getattr(simulator.credentials, user), password="wrong")
    problem = refusal(lambda: client.api.accounts(simulator.credentials.account_sid).fetch())
    assert (problem.status, problem.code, problem.msg.endswith("Authenticate")) == (
        401,
        20003,
        True,
    )


def test_credentials_are_required(simulator):
    answer = simulator.call("GET", account_path(simulator))
    assert (answer.status, answer.json["code"]) == (401, 20003)
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/2010-04-01/Accounts/AC00000000000000000000000000000000.json", 404, 20404),
        ("GET", "/Messages/SM0.json", 404, 20404),
        ("GET", "/Fridges.json", 404, 20404),
        ("PUT", "/Messages.json", 405, 20004),
        ("DELETE", "/Balance.json", 405, 20004),
        ("GET", "/v1/Services/MG0", 404, 20404),
        ("GET", "/v1/Fridges", 404, 20404),
    ],
)
def test_missing_page_of_the_api_is_a_json_error(simulator, method, path, status, code):
    answer = request(
        simulator,
        path if path.startswith(("/20", "/v1")) else account_path(simulator, path),
        method,
    )
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Twilio-Request-Id"].startswith("RQ")


def test_every_response_has_its_own_request_id(simulator):
    ids = {
        request(simulator, account_path(simulator)).headers["Twilio-Request-Id"] for _ in range(3)
    }
    assert len(ids) == 3
    assert all(len(message_id) == 34 for message_id in ids)


def test_suspended_account_is_shown_and_sends_nothing(simulator, client):
    simulator.post_json("/simulator/account", status="suspended")
    assert client.api.accounts(simulator.credentials.account_sid).fetch().status == "suspended"
    problem = refusal(
        lambda: client.messages.create(to=simulator.number(), from_=FROM, body="Hello")
    )
    assert (problem.status, problem.code) == (403, 20403)


def test_trial_account_marks_its_texts(simulator, client):
    simulator.post_json("/simulator/account", type="Trial")
    assert client.api.accounts(simulator.credentials.account_sid).fetch().type == "Trial"
    message = client.messages.create(to=simulator.number(), from_=FROM, body="Hello")
    assert message.body == "Sent from your Twilio trial account - Hello"


def test_rotated_token_is_refused(restartable_simulator):
    old = restartable_simulator.client()
    old.balance.fetch()
    token = restartable_simulator.post_json("/simulator/account", rotate=True).json["auth_token"]

    assert refusal(lambda: old.balance.fetch()).code == 20003
    assert restartable_simulator.client(password=token).balance.fetch().balance == "20.00"
    restartable_simulator.stop()
    restartable_simulator.start()
    assert restartable_simulator.credentials.auth_token == token
    assert refusal(lambda: old.balance.fetch()).code == 20003


def test_simulated_rate_limit_refuses_this_many_requests(simulator, client):
    simulator.post_json("/simulator/faults", refuse=2)
    codes = [refusal(lambda: client.balance.fetch()).code for _ in range(2)]
    assert codes == [20429, 20429]
    assert client.balance.fetch().currency == "USD"


def test_simulated_failure_fails_this_many_requests(simulator, client):
    simulator.post_json("/simulator/faults", fail=1)
    assert refusal(lambda: client.balance.fetch()).status == 500
    assert client.balance.fetch().currency == "USD"


def test_messages_above_the_simulated_rate_are_refused(simulator, client):
    simulator.post_json("/simulator/faults", per_second=2)
    number = simulator.number()
    for text in ("one", "two"):
        client.messages.create(to=number, from_=FROM, body=text)
    assert (
        refusal(lambda: client.messages.create(to=number, from_=FROM, body="three")).code == 20429
    )


def test_simulated_latency_delays_responses(simulator, client):
    simulator.post_json("/simulator/faults", latency_ms=300)
    began = datetime.now(UTC)
    client.messages.create(to=simulator.number(), from_=FROM, body="Hello")
    assert datetime.now(UTC) - began >= timedelta(milliseconds=300)
