"""WhatsApp from end to end: a running hub, the simulator, and people who reply."""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.live_hub import Hub

TEXT = "Your contract is ready."


@pytest.fixture
def hub(shared_hub: Hub) -> Hub:
    """Return the running hub, in which the demo's templates are mapped."""
    wait_until(lambda: shared_hub.call("GET", "/messages?request=agr-1001")["messages"], 10)
    return shared_hub


def on_phone(hub: Hub, number: str) -> list[dict[str, Any]]:
    """Return the messages that the provider accepted for a person, oldest first."""
    return hub.accepted_messages(f"whatsapp:{number}")


def post_event(hub: Hub, number: str, kind: str = "request.sent", **fields: Any) -> dict[str, Any]:
    """Post an event about a request of a signer who prefers WhatsApp, and return the message."""
    request_id = f"agr-{secrets.token_hex(4)}"
    signer = {
        "id": "eric",
        "name": "Eric Smith",
        "mobile_number": number,
        "preference": ["whatsapp", "sms"],
        "signing_url": f"https://sign.example/r/{request_id}/eric",
        **fields,
    }
    answer = hub.event(
        kind, {"id": request_id, "title": "Lease", "sender": {"name": "Acme HR"}}, signers=[signer]
    )
    [message] = answer["messages"]
    assert message["channel"] == "whatsapp"
    return dict(message)


# ── The window ────────────────────────────────────────────────────────────────────────────────────
def test_person_without_a_window_receives_the_template(hub: Hub) -> None:
    number = hub.number()
    message = hub.wait_for_status(post_event(hub, number)["id"], "read")
    [sent] = on_phone(hub, number)
    assert (
        sent["body"]
        == "Hello Eric Smith, Acme HR has sent you Lease to sign. Open it with the button below."
    )
    assert message["provider_id"] == sent["sid"]
    callbacks = {entry["what"] for entry in message["timeline"] if entry["source"] == "callback"}
    assert callbacks == {"sent", "delivered", "read"}  # in the order in which they arrived
    assert {"whatsapp_sent", "whatsapp_delivered", "whatsapp_read"} <= {
        entry["event"] for entry in message["timeline"]
    }


@pytest.mark.parametrize(
    ("locale", "says"), [("pt-BR", "Olá Eric Smith, "), ("de", "Hello Eric Smith, ")]
)
def test_template_has_the_signers_language_or_english(hub: Hub, locale: str, says: str) -> None:
    number = hub.number()
    hub.wait_for_status(post_event(hub, number, locale=locale)["id"], "read")
    assert on_phone(hub, number)[0]["body"].startswith(says)


def test_person_with_an_open_window_receives_free_text(hub: Hub) -> None:
    number = hub.number()
    hub.receive_text(number)
    hub.wait_for_status(post_event(hub, number)["id"], "read")
    assert on_phone(hub, number)[-1]["body"].startswith(
        'You\'ve been sent "Lease" by Acme HR. Please review & sign: https://'
    )


def test_free_text_outside_the_window_is_not_sent_and_explains_why(hub: Hub) -> None:
    number = hub.number()
    message = hub.call("GET", f"/messages/{hub.message(number, TEXT, connection='demo-whatsapp')}")
    assert (message["status"], message["code"]) == ("suppressed", "window_closed")
    assert "24 hours" in message["error"]["text"]
    assert (
        message["error"]["remedy"]
        == "Wait until the recipient messages you, then resend the message."
    ), "no template says what no event caused"
    time.sleep(0.5)
    assert on_phone(hub, number) == []


def test_refusal_outside_the_window_sends_the_template_once(hub: Hub) -> None:
    number = "+15005550021"  # 63016 for every text
    hub.receive_text(number)
    first = post_event(hub, number)["id"]
    hub.wait_for_status(first, "undelivered", "failed")
    bodies = wait_until(
        lambda: [
            phone_message["body"]
            for phone_message in on_phone(hub, number)
            if "Open it with the button" in phone_message["body"]
        ],
        20,
    )
    assert len(bodies) == 1
    time.sleep(1)
    assert (
        len(
            [
                phone_message
                for phone_message in on_phone(hub, number)
                if "Open it with the button" in phone_message["body"]
            ]
        )
        == 1
    )
    messages = [
        message
        for message in hub.call("GET", f"/messages?to={number.replace('+', '%2B')}")["messages"]
        if message["id"] != first
    ]
    assert "read" in {phone_message["status"] for phone_message in messages}


@pytest.mark.parametrize(
    ("number", "final_status"),
    [("+15005550022", "63028"), ("+15005550023", "63027"), ("+15005550026", "63024")],
)
def test_whatsapp_refusals_are_explained(hub: Hub, number: str, final_status: str) -> None:
    message = hub.wait_for_status(post_event(hub, number)["id"], "undelivered", "failed")
    assert message["error"]["code"] == final_status
    assert message["error"]["remedy"]


def test_read_before_delivered_stays_read(hub: Hub) -> None:
    message_id = post_event(hub, "+15005550027")["id"]
    hub.wait_for_status(message_id, "read")

    def all_reported() -> Any:
        message = hub.call("GET", f"/messages/{message_id}")
        return (
            message
            if {"read", "delivered"} <= {entry["what"] for entry in message["timeline"]}
            else None
        )

    assert wait_until(all_reported, 10)["status"] == "read"


# ── What people write ─────────────────────────────────────────────────────────────────────────────
def test_template_button_reply_is_stored(hub: Hub) -> None:
    number = hub.number()
    request_id = f"agr-{secrets.token_hex(4)}"
    signer = {
        "id": "eric",
        "name": "Eric Smith",
        "mobile_number": number,
        "preference": ["whatsapp"],
        "signing_url": "https://sign.example/r/1",
    }
    request = {"id": request_id, "title": "Lease"}
    hub.wait_for_status(
        hub.event("request.sent", request, signers=[signer])["messages"][0]["id"], "read"
    )
    hub.wait_for_status(hub.event("request.reminder", request)["messages"][0]["id"], "read")
    answer = hub.use_phone(number, "reply", channel="whatsapp", button="resend")
    assert answer["answer"] == "200"
    hub.receive_text(number)  # and the window is open


def test_message_of_a_person_known_by_id_alone_is_stored(hub: Hub) -> None:
    answer = hub.use_phone(
        "-", "reply", channel="whatsapp", text="Hello", external_id="US.13491208655302741918"
    )
    assert answer["answer"] == "200"
    assert hub.use_phone(hub.number(), "reply", channel="sms", text="Hello")["answer"] == "200"


# ── Files ─────────────────────────────────────────────────────────────────────────────────────────
def test_signed_document_is_delivered_to_the_phone(hub: Hub) -> None:
    number = hub.number()
    pdf = b"%PDF-1.7 " + secrets.token_bytes(300_000)
    hub.receive_text(number)
    file = hub.upload(pdf, "lease-signed.pdf", "application/pdf")
    sent = hub.call(
        "POST",
        "/messages",
        {"connection": "demo-whatsapp", "to": number, "text": TEXT, "media": file["id"]},
    )
    message = hub.wait_for_status(sent["id"], "read", "failed", "undelivered")
    assert message["status"] == "read", message
    assert on_phone(hub, number)[-1]["num_media"] == "1"
    with urllib.request.urlopen(
        f"{hub.simulator_url}/?phone=%2B{number[1:]}&channel=whatsapp", timeout=10
    ) as page:
        assert "lease-signed.pdf" in page.read().decode()


def test_file_in_a_private_network_is_not_attached(hub: Hub) -> None:
    number = hub.number()
    hub.receive_text(number)
    sent = hub.call(
        "POST",
        "/messages",
        {"connection": "demo-whatsapp", "to": number, "media_url": "https://10.0.0.7/lease.pdf"},
    )
    message = hub.wait_for_status(sent["id"], "failed")
    assert message["code"] == "media_not_allowed"
    assert message["error"]["remedy"]
    assert on_phone(hub, number) == []


def test_file_that_no_channel_supports_is_refused(hub: Hub) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        hub.upload(b"MZ", "setup.exe", "application/x-msdownload")
    assert refused.value.code == 422
    assert json.load(refused.value)["code"] == "media_type"
    refused.value.close()
