"""The main path from end to end with real processes: an event is posted, and an SMS is delivered.

Everything is started as by `hub up`: gunicorn, RQ workers, cron, the queue server, and the
simulator in place of Twilio.
"""

from __future__ import annotations

import http.client
import json
import re
import shlex
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from datetime import timedelta

import pytest

from tests.conftest import wait_until
from tests.hub_fixtures import OPT_OUT_LINE
from tests.live_hub import Hub, split_posts
from tests.story_hub import ANNA, ERIC, RAVI, Agreement, texts_on_phone
from tests.story_hub import agreement as agreement
from tests.story_hub import hub as hub


def test_sample_request_is_delivered(hub: Hub) -> None:
    listed = wait_until(
        lambda: [
            message
            for message in hub.call("GET", "/messages?request=agr-1001")["messages"]
            if message["signer"]
        ],
        5,
    )
    # the sample names both addresses, so an email is sent too
    assert {message["channel"] for message in listed} == {"whatsapp", "email"}
    [message] = [message for message in listed if message["channel"] == "whatsapp"]
    wait_until(lambda: hub.read_message(message["id"])["status"] == "read", 5)
    assert texts_on_phone(hub, f"whatsapp:{ERIC}") == [
        "Hello Eric Smith, Acme HR has sent you Employment Agreement to sign. Open it with the"
        " button below."
    ]


def test_printed_command_sends_a_message_that_is_delivered_within_3_seconds(hub: Hub) -> None:
    printed = hub.printed[hub.printed.index("curl ") : hub.printed.index("Ctrl-C")]
    command = re.sub(r"│ ?", "", printed).strip()
    arguments = shlex.split(command.replace("\\\n", " "))
    body = json.loads(arguments[arguments.index("-d") + 1])
    ran = subprocess.run(
        ["sh", "-c", command], cwd=hub.folder, capture_output=True, text=True, check=False
    )
    began = time.monotonic()
    [brief] = split_posts(json.loads(ran.stdout))["messages"]
    message = hub.wait_for_status(brief["id"], within=3)
    assert time.monotonic() - began < 3
    link = body["signers"][0]["signing_url"]
    assert f'You\'ve been sent "Employment Agreement" by Acme HR. Please review & sign: {link}' in [
        text.removesuffix(OPT_OUT_LINE) for text in texts_on_phone(hub, ERIC)
    ]
    assert message["provider_id"].startswith("SM")
    assert [entry["what"] for entry in message["timeline"]][:2] == ["planned", "accepted"]
    assert {"sent", "delivered"} <= {
        entry["what"] for entry in message["timeline"] if entry["source"] == "callback"
    }
    assert {"sms_sent", "sms_delivered"} <= {entry["event"] for entry in message["timeline"]}
    assert message["error"] is None
    times = [entry["at"] for entry in message["timeline"]]
    assert times == sorted(times)


def test_app_is_notified_with_a_genuine_webhook(hub: Hub) -> None:
    def notified() -> bool:
        url = f"{hub.simulator_url}/simulator/receiver.json"
        with urllib.request.urlopen(url, timeout=5) as answer:
            requests = json.load(answer)["requests"]
        return any(
            request["verified"] and request["event"]["type"] == "whatsapp_read"
            for request in requests
        )

    wait_until(notified, 10)


def test_request_is_followed_from_the_first_text_to_the_document(agreement: Agreement) -> None:
    title = agreement.title
    post = agreement.post_event
    people = [
        agreement.signer(name, number)
        for name, number in (("Eric", ERIC), ("Anna", ANNA), ("Ravi", RAVI))
    ]
    agreement.wait_until_delivered(post("request.sent", signers=people))
    for name, number in (("Eric", ERIC), ("Anna", ANNA), ("Ravi", RAVI)):
        [first] = agreement.texts(number)
        assert first.removesuffix(OPT_OUT_LINE) == (
            f'You\'ve been sent "{title}" by Acme HR. Please review & sign: {agreement.link(name)}'
        )

    agreement.wait_until_delivered(post("request.signed", signer="eric"))
    assert agreement.texts(ERIC)[1:] == [f'Your signature on "{title}" has been recorded.']
    # while several signatures are missing, the others are notified by email only
    assert agreement.texts(ANNA)[1:] == agreement.texts(RAVI)[1:] == []

    agreement.wait_until_delivered(post("request.reminder", id="r1"))
    assert len(agreement.texts(ERIC)) == 2, "who has signed is not reminded"
    assert (
        agreement.texts(ANNA)[-1]
        == f'Reminder: "{title}" is waiting for your signature: {agreement.link("Anna")}'
    )

    agreement.wait_until_delivered(post("request.signed", signer="anna"))
    one_missing = (
        f'Anna has signed "{title}". One more signature is needed to complete the document.'
    )
    assert agreement.texts(RAVI)[-1] == agreement.texts(ERIC)[-1] == one_missing

    last = post("request.signed", signer="ravi")
    own = [message for message in last["messages"] if message["signer"] == "ravi"]
    agreement.wait_until_delivered({"messages": own})
    replaced = {message["id"] for message in last["messages"] if message not in own}
    url = "https://sign.example/d/1"
    agreement.wait_until_delivered(post("request.completed", download_url=url))
    is_delivered = f'"{title}" has been accepted by all parties. Download your document here: {url}'
    assert [agreement.texts(number)[-1] for number in (ERIC, ANNA, RAVI)] == [is_delivered] * 3
    request = agreement.hub.call("GET", f"/requests/{agreement.id}")
    assert request["state"] == "completed"
    assert {signer["state"] for signer in request["signers"]} == {"signed"}
    ends = agreement.statuses(request)
    assert {ends.pop(message_id) for message_id in replaced} == {"canceled"}
    assert set(ends.values()) == {"delivered"}


def test_repeated_event_sends_no_second_message(agreement: Agreement) -> None:
    people = [agreement.signer("Eric", ERIC), agreement.signer("Anna", ANNA)]
    answers = [agreement.post_event("request.sent", signers=people) for _ in range(3)]
    assert answers[0]["messages"] != []
    assert [message["id"] for message in answers[2]["messages"]] == [
        message["id"] for message in answers[0]["messages"]
    ]
    agreement.wait_until_delivered(answers[0])
    assert (len(agreement.texts(ERIC)), len(agreement.texts(ANNA))) == (1, 1)


def test_signer_added_later_is_notified_alone(agreement: Agreement) -> None:
    eric = agreement.signer("Eric", ERIC)
    agreement.wait_until_delivered(agreement.post_event("request.sent", signers=[eric]))
    agreement.wait_until_delivered(
        agreement.post_event("request.sent", signers=[eric, agreement.signer("Anna", ANNA)])
    )
    assert (len(agreement.texts(ERIC)), len(agreement.texts(ANNA))) == (1, 1)


def test_events_may_arrive_in_any_order(agreement: Agreement) -> None:
    eric = agreement.signer("Eric", ERIC)
    anna = agreement.signer("Anna", ANNA)
    agreement.post_event("request.signed", signer=eric)
    agreement.clock -= timedelta(minutes=5)
    late = agreement.post_event("request.sent", signers=[eric, anna])
    assert [message["to"] for message in late["messages"]] == [ANNA], (
        "who has signed is not asked to sign"
    )
    assert [
        (skipped_step["signer"], skipped_step["reason"]) for skipped_step in late["skipped"]
    ] == [("eric", "already_signed")]
    agreement.wait_until_delivered(late)
    request = agreement.hub.call("GET", f"/requests/{agreement.id}")
    assert {signer["id"]: signer["state"] for signer in request["signers"]} == {
        "eric": "signed",
        "anna": "pending",
    }


def test_admin_sees_why_a_message_failed(hub: Hub) -> None:
    [brief] = hub.post_event(
        {
            "type": "request.sent",
            "request": {"id": "agr-story-failed"},
            "signers": [{"id": "x", "mobile_number": "+15005550011"}],
        }
    )["messages"]
    wait_until(lambda: hub.read_message(brief["id"])["status"] == "undelivered", 5)
    message = hub.read_message(brief["id"])
    assert message["error"]["code"] == "30003"
    assert message["error"]["remedy"]
    assert "sms_undelivered" in {entry["event"] for entry in message["timeline"]}


def test_concurrent_events_are_all_delivered_once(hub: Hub) -> None:
    answers = [
        hub.post_event(
            {
                "type": "request.sent",
                "request": {"id": f"agr-many-{n}", "title": f"Many {n}"},
                "signers": [
                    {"id": "anna", "mobile_number": ANNA, "signing_url": "https://sign.example/r/x"}
                ],
            }
        )
        for n in range(40)
    ]
    for answer in answers:
        hub.wait_for_status(answer["messages"][0]["id"], within=10)
    counter = Counter(
        re.search(r"Many \d+", text)[0] for text in texts_on_phone(hub, ANNA) if "Many" in text
    )  # type: ignore[index]
    assert counter == Counter(f"Many {n}" for n in range(40))


def test_oversized_chunked_body_is_refused(hub: Hub) -> None:
    # only a real server shows it: the body came through cut off, and what was left of it was valid
    # JSON
    event = json.dumps({"type": "request.sent", "request": {"id": "agr-long"}}).encode()
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=10)
    headers = {"Authorization": f"Bearer {hub.key}", "Content-Type": "application/json"}
    connection.request(
        "POST", "/api/v1/events", iter([event, *[b" " * 8192] * 40]), headers
    )  # an iterator is sent in chunks
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["code"]) == (413, "too_large")
    connection.close()


def test_forged_callback_changes_nothing(hub: Hub, agreement: Agreement) -> None:
    answer = agreement.post_event(
        "request.sent", signers=[agreement.signer("Eric", "+15005550016")]
    )  # its callbacks get lost
    message_id = answer["messages"][0]["id"]
    wait_until(lambda: hub.read_message(message_id)["provider_id"], 5)
    sid = hub.read_message(message_id)["provider_id"]
    account = hub.credentials.account_sid
    form = f"AccountSid={account}&MessageSid={sid}&MessageStatus=delivered".encode()
    for headers in ({}, {"X-Twilio-Signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(
                urllib.request.Request(f"{hub.url}/api/rpc/webhooks/twilio/sms", form, headers),
                timeout=10,
            )
        assert refused.value.code == 403
        refused.value.close()
    time.sleep(0.3)
    assert hub.read_message(message_id)["status"] == "accepted"


def test_job_of_a_killed_worker_is_not_lost(hub: Hub, agreement: Agreement) -> None:
    workers = [process for process in hub.family() if "worker" in process.name()]
    assert workers, [process.name() for process in hub.family()]
    for process in workers:
        process.kill()
    answer = agreement.post_event("request.sent", signers=[agreement.signer("Ravi", RAVI)])
    hub.wait_for_status(answer["messages"][0]["id"])
    assert len(agreement.texts(RAVI)) == 1
