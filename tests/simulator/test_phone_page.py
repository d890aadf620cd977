"""The page shows the phones, and nobody but its reader works its switches."""

import re

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.conftest import tags_on_one_line

FROM = "+15005550006"


def deliver(simulator, wait, body, to=""):
    to = to or simulator.number()
    message = simulator.client().messages.create(to=to, from_=FROM, body=body)
    wait(lambda: message.fetch().status in ("delivered", "undelivered"))
    return to


def page(simulator, phone=""):
    return tags_on_one_line(
        simulator.call("GET", "/" + (f"?phone=%2B{phone[1:]}" if phone else "")).text
    )


def test_a_text_appears_on_its_phone(simulator, wait):
    to = deliver(
        simulator, wait, 'You\'ve been sent "Agreement <b>" & more: http://127.0.0.1:8000/l/7Kq2vX.'
    )
    shown = page(simulator, to)
    assert "You&#39;ve been sent &#34;Agreement &lt;b&gt;&#34; &amp; more: " in shown
    assert (
        '<a href="http://127.0.0.1:8000/l/7Kq2vX"'
        ' rel="noreferrer">http://127.0.0.1:8000/l/7Kq2vX</a>.' in shown
    )
    assert "1 segment" in shown
    assert "Delivered" in shown
    assert f'href="/?phone=%2B{to[1:]}" aria-current="true"' in shown.replace("+", "%2B")


def test_the_phone_written_to_last_comes_first(simulator, wait):
    first = deliver(simulator, wait, "One")
    last = deliver(simulator, wait, "Two")
    shown = page(simulator)
    assert f'aria-label="Phone of {last}"' in shown
    assert shown.index(f">{last} <b>1</b>") < shown.index(f">{first} <b>1</b>")


def test_failed_message_is_not_drawn_in_a_bubble(simulator, wait):
    deliver(simulator, wait, "Unreachable text", "+15005550011")
    shown = page(simulator, "+15005550011")
    assert "Unreachable text" not in shown
    assert "<span>30003</span>" in shown


def test_the_page_knows_when_something_arrived(simulator, wait):
    before = simulator.call("GET", "/simulator/version").json["version"]
    deliver(simulator, wait, "News")
    after = simulator.call("GET", "/simulator/version").json["version"]
    assert after > before
    assert f'data-version="{after}"' in page(simulator)


def test_emptying_the_phones_hides_messages_but_the_provider_still_has_them(
    restartable_simulator, wait
):
    deliver(restartable_simulator, wait, "Hello")
    answer = restartable_simulator.call(
        "POST",
        "/simulator/empty",
        {},
        Origin=restartable_simulator.url,
        Sec_Fetch_Site="same-origin",
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert restartable_simulator.received() == []
    assert "No messages yet" in page(restartable_simulator)
    assert [message.body for message in restartable_simulator.client().messages.list()] == ["Hello"]


def test_emptying_the_phones_lets_numbers_stumble_again(restartable_simulator):
    client = restartable_simulator.client()
    for _ in range(2):
        with pytest.raises(TwilioRestException):
            client.messages.create(to="+15005550012", from_=FROM, body="Hello")
        client.messages.create(to="+15005550012", from_=FROM, body="Hello")
        restartable_simulator.call("POST", "/simulator/empty", {})


@pytest.mark.parametrize("path", ["/simulator/empty", "/simulator/account", "/simulator/faults"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_site_cannot_work_the_switches(simulator, path, headers):
    answer = simulator.call("POST", path, {"status": "suspended", "refuse": "5"}, **headers)
    assert answer.status == 403
    assert "Simulate failures" in page(simulator)
    simulator.client().balance.fetch()


def test_a_name_that_only_points_at_this_machine_is_not_answered(simulator):
    assert simulator.call("GET", "/", Host=f"evil.example:{simulator.port}").status == 421
    assert simulator.call("GET", "/", Host=f"localhost:{simulator.port}").status == 200


def test_the_form_switches_the_account(restartable_simulator):
    restartable_simulator.call(
        "POST", "/simulator/account", {"type": "Trial", "status": "suspended"}
    )
    shown = page(restartable_simulator)
    assert "<option selected>Trial</option>" in shown
    assert '<option value="suspended" selected>Suspended</option>' in shown
    restartable_simulator.stop()
    restartable_simulator.start()
    assert "<option selected>Trial</option>" in page(restartable_simulator)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("account", {"type": "Gold"}),
        ("account", {"status": "closed"}),
        ("faults", {"refuse": -1}),
        ("faults", {"latency_ms": "x"}),
    ],
)
def test_switch_refuses_an_unknown_value(simulator, path, values):
    assert simulator.post_json(f"/simulator/{path}", **values).status == 400


def test_the_page_says_how_to_send_and_how_to_connect(simulator):
    shown = page(simulator)
    known = simulator.credentials
    assert "curl -s http://127.0.0.1:8000/api/v1/messages" in shown
    assert f"$(cat {simulator.folder}/demo-key)" in shown
    for value in (
        known.account_sid,
        known.auth_token,
        known.api_key_sid,
        known.api_key_secret,
        known.messaging_service_sid,
    ):
        assert value in shown


def test_the_page_is_strict_about_what_it_loads_and_all_of_it_is_there(simulator):
    answer = simulator.call("GET", "/")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text)
    loaded = re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', answer.text)
    assert len(loaded) >= 5
    assert {path: simulator.call("GET", path).status for path in loaded} == dict.fromkeys(
        loaded, 200
    )
