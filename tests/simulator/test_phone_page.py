"""The page shows the phones, and only its reader can use its controls."""

import re

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.conftest import tags_on_one_line

FROM = "+15005550006"


def send_and_wait(simulator, wait, body, to=""):
    to = to or simulator.number()
    message = simulator.client().messages.create(to=to, from_=FROM, body=body)
    wait(lambda: message.fetch().status in ("delivered", "undelivered"))
    return to


def phone_page(simulator, phone=""):
    return tags_on_one_line(
        simulator.call("GET", "/" + (f"?phone=%2B{phone[1:]}" if phone else "")).text
    )


def test_text_appears_on_its_phone(simulator, wait):
    to = send_and_wait(
        simulator, wait, 'You\'ve been sent "Agreement <b>" & more: http://127.0.0.1:8000/l/7Kq2vX.'
    )
    page = phone_page(simulator, to)
    assert "You&#39;ve been sent &#34;Agreement &lt;b&gt;&#34; &amp; more: " in page
    assert (
        '<a href="http://127.0.0.1:8000/l/7Kq2vX"'
        ' rel="noreferrer">http://127.0.0.1:8000/l/7Kq2vX</a>.' in page
    )
    assert "1 segment" in page
    assert "Delivered" in page
    assert f'href="/?phone=%2B{to[1:]}" aria-current="true"' in page.replace("+", "%2B")


def test_phone_with_the_latest_message_comes_first(simulator, wait):
    first = send_and_wait(simulator, wait, "One")
    last = send_and_wait(simulator, wait, "Two")
    page = phone_page(simulator)
    assert f'aria-label="Phone of {last}"' in page
    assert page.index(f">{last} <b>1</b>") < page.index(f">{first} <b>1</b>")


def test_failed_message_is_not_drawn_in_a_bubble(simulator, wait):
    send_and_wait(simulator, wait, "Unreachable text", "+15005550011")
    page = phone_page(simulator, "+15005550011")
    assert "Unreachable text" not in page
    assert "<span>30003</span>" in page


def test_page_version_changes_with_a_new_message(simulator, wait):
    before = simulator.call("GET", "/simulator/version").json["version"]
    send_and_wait(simulator, wait, "News")
    after = simulator.call("GET", "/simulator/version").json["version"]
    assert after > before
    assert f'data-version="{after}"' in phone_page(simulator)


def test_emptying_the_phones_hides_messages_but_keeps_them_in_the_api(restartable_simulator, wait):
    send_and_wait(restartable_simulator, wait, "Hello")
    answer = restartable_simulator.call(
        "POST",
        "/simulator/empty",
        {},
        Origin=restartable_simulator.url,
        Sec_Fetch_Site="same-origin",
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert restartable_simulator.received() == []
    assert "No messages yet" in phone_page(restartable_simulator)
    assert [message.body for message in restartable_simulator.client().messages.list()] == ["Hello"]


def test_emptying_the_phones_resets_numbers_that_fail_once(restartable_simulator):
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
def test_request_of_another_site_cannot_use_the_controls(simulator, path, headers):
    answer = simulator.call("POST", path, {"status": "suspended", "refuse": "5"}, **headers)
    assert answer.status == 403
    assert "Simulate failures" in phone_page(simulator)
    simulator.client().balance.fetch()


def test_foreign_host_name_is_refused(simulator):
    assert simulator.call("GET", "/", Host=f"evil.example:{simulator.port}").status == 421
    assert simulator.call("GET", "/", Host=f"localhost:{simulator.port}").status == 200


def test_form_changes_the_account(restartable_simulator):
    restartable_simulator.call(
        "POST", "/simulator/account", {"type": "Trial", "status": "suspended"}
    )
    page = phone_page(restartable_simulator)
    assert "<option selected>Trial</option>" in page
    assert '<option value="suspended" selected>Suspended</option>' in page
    restartable_simulator.stop()
    restartable_simulator.start()
    assert "<option selected>Trial</option>" in phone_page(restartable_simulator)


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


def test_page_explains_how_to_send_and_how_to_connect(simulator):
    page = phone_page(simulator)
    credentials = simulator.credentials
    assert "curl -s http://127.0.0.1:8000/api/v1/messages" in page
    assert f"$(cat {simulator.folder}/demo-key)" in page
    for value in (
        credentials.account_sid,
        credentials.auth_token,
        credentials.api_key_sid,
        credentials.api_key_secret,
        credentials.messaging_service_sid,
    ):
        assert value in page


def test_page_has_a_strict_policy_and_working_assets(simulator):
    answer = simulator.call("GET", "/")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text)
    loaded = re.findall(r'<(?:link|script)[^>]* (?:href|src)="([^"]+)"', answer.text)
    assert len(loaded) >= 5
    assert {path: simulator.call("GET", path).status for path in loaded} == dict.fromkeys(
        loaded, 200
    )
