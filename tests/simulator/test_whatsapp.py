"""WhatsApp behaves as at Twilio: the window, statuses, and recipients with scripted faults."""

import pytest

from hub.simulator import scripted_numbers
from hub.simulator.page import STATUS_BADGES

FROM = "whatsapp:+15005550006"
FAILING = [scripted for scripted in scripted_numbers.WHATSAPP if scripted.error]


def send_message(simulator, number, receiver, **fields):
    fields = fields or {"body": "Hello"}
    return simulator.client().messages.create(
        to=f"whatsapp:{number}", from_=FROM, status_callback=f"{receiver.url}/hook", **fields
    )


def open_window(simulator, number, hours_ago=0):
    simulator.post_json(f"/simulator/phones/{number}/window", hours_ago=hours_ago)
    return number


def test_text_in_the_window_is_sent_delivered_and_read(simulator, receiver):
    number = open_window(simulator, simulator.number())
    message = send_message(simulator, number, receiver)
    assert (message.status, message.to, message.from_, message.sid[:2]) == (
        "queued",
        f"whatsapp:{number}",
        FROM,
        "SM",
    )

    callbacks = receiver.wait_for(3)

    assert [callback.status for callback in callbacks] == ["sent", "delivered", "read"]
    assert {(callback.fields["To"], callback.fields["From"]) for callback in callbacks} == {
        (f"whatsapp:{number}", FROM)
    }
    assert {callback.fields["ChannelToAddress"] for callback in callbacks} == {number[:-4] + "XXXX"}
    assert [callback.fields.get("EventType") for callback in callbacks] == [
        None,
        "DELIVERED",
        "READ",
    ]
    assert not any("RawDlrDoneDate" in callback.fields for callback in callbacks)
    assert message.fetch().status == "read"


@pytest.mark.parametrize("hours_ago", [None, 24.01])
def test_text_outside_the_window_is_accepted_and_then_fails(simulator, receiver, hours_ago):
    number = simulator.number()
    if hours_ago:
        open_window(simulator, number, hours_ago)
    message = send_message(simulator, number, receiver)
    assert (message.status, message.error_code) == ("queued", None)

    (callback,) = receiver.wait_for(1)
    assert (callback.status, callback.fields["ErrorCode"], callback.fields["EventType"]) == (
        "undelivered",
        "63016",
        "UNDELIVERED",
    )
    assert callback.fields["ChannelStatusMessage"] == callback.fields["ErrorMessage"]
    assert message.fetch().error_code == 63016


def test_window_is_open_for_24_hours(simulator):
    number = simulator.number()
    seconds_left = simulator.post_json(f"/simulator/phones/{number}/window", hours_ago=23).json[
        "left"
    ]
    assert 3590 < seconds_left <= 3600


def test_window_survives_a_restart(restartable_simulator, receiver):
    number = open_window(restartable_simulator, restartable_simulator.number())
    restartable_simulator.stop()
    restartable_simulator.start()
    send_message(restartable_simulator, number, receiver)
    assert receiver.wait_for(1)[0].status == "sent"


def test_messaging_service_sends_from_the_whatsapp_sender(simulator, client, receiver, wait):
    number = open_window(simulator, simulator.number())
    service = simulator.credentials.messaging_service_sid
    message = client.messages.create(
        to=f"whatsapp:{number}",
        messaging_service_sid=service,
        body="Hi",
        status_callback=receiver.url,
    )
    assert (message.status, message.from_) == ("accepted", None)
    assert {callback.fields["From"] for callback in receiver.wait_for(4)} == {FROM}
    assert [
        listed_message.sid
        for listed_message in client.messages.list(from_=FROM, to=f"whatsapp:{number}")
    ] == [message.sid]


@pytest.mark.parametrize("recipient", FAILING, ids=lambda case: case.number)
def test_scripted_recipient_fails_with_its_code_inside_the_window(simulator, receiver, recipient):
    send_message(simulator, open_window(simulator, recipient.number), receiver)
    callback = receiver.wait_for(1)[0]
    assert (callback.status, callback.fields["ErrorCode"]) == (
        recipient.final_status.value,
        str(recipient.error),
    )
    assert str(recipient.error) in recipient.note


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+15005550027", ["sent", "read", "delivered"]),
        ("+15005550028", ["sent"]),
        ("+15005550016", []),
    ],
)
def test_scripted_recipient_reports_in_its_own_order(simulator, receiver, wait, number, expected):
    message = send_message(simulator, open_window(simulator, number), receiver)
    wait(
        lambda: (
            message.fetch().status
            == {"+15005550027": "read", "+15005550028": "sent"}.get(number, "delivered")
        )
    )
    assert [callback.status for callback in receiver.wait_for(len(expected))] == expected


def test_page_shows_every_scripted_whatsapp_recipient(simulator):
    page = simulator.call("GET", "/").text
    for recipient in scripted_numbers.WHATSAPP:
        assert f"<code>{recipient.number}</code>" in page
        assert recipient.note in page
        assert recipient.final_status in STATUS_BADGES
