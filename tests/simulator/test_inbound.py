"""People reply: signed webhooks to the configured or observed address, over both channels."""

from base64 import b64encode

import pytest
from twilio.request_validator import RequestValidator

NUMBER = "+15005550006"


def reply(simulator, phone, **fields):
    return simulator.post_json(f"/simulator/phones/{phone}/reply", **fields)


def set_inbound_url(simulator, receiver):
    """Set the receiver as the inbound webhook of the account's number."""
    number = simulator.client().incoming_phone_numbers.list(phone_number=NUMBER)[0]
    url = f"{receiver.url}/in?x=1"
    assert number.update(sms_url=url + "#rc=2&rp=all").sms_url == url + "#rc=2&rp=all"
    return url


def test_text_is_posted_signed_with_the_fields_of_an_sms(simulator, receiver):
    url = set_inbound_url(simulator, receiver)
    phone = simulator.number()

    answer = reply(simulator, phone, text="Hello, who is this?")

    (post,) = receiver.wait_for(1)
    assert (post.url, answer.json["answer"]) == (url, "204")
    signature = post.headers["X-Twilio-Signature"]
    assert RequestValidator(simulator.credentials.auth_token).validate(
        post.url, post.fields, signature
    )
    sid = answer.json["sid"]
    assert post.fields == {
        "AccountSid": simulator.credentials.account_sid,
        "ApiVersion": "2010-04-01",
        "Body": "Hello, who is this?",
        "From": phone,
        "MessageSid": sid,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "To": NUMBER,
    }
    stored = simulator.client().messages(sid).fetch()
    assert (stored.direction, stored.status, stored.from_, stored.to) == (
        "inbound",
        "received",
        phone,
        NUMBER,
    )
    assert simulator.received(phone) == []


def test_failed_inbound_webhook_is_retried_as_the_url_says(simulator, receiver):
    set_inbound_url(simulator, receiver)
    receiver.answers = {"received": [503]}
    assert reply(simulator, simulator.number(), text="Hello").json["answer"] == "204"
    first, second = receiver.wait_for(2)
    assert (
        first.headers["I-Twilio-Idempotency-Token"] == second.headers["I-Twilio-Idempotency-Token"]
    )


def test_whatsapp_message_opens_the_window_and_names_the_person(simulator, client, receiver, wait):
    set_inbound_url(simulator, receiver)
    phone = simulator.number()
    reply(simulator, phone, channel="whatsapp", text="Hello", external_id="US.1349")
    fields = receiver.wait_for(1)[0].fields
    assert (fields["From"], fields["To"], fields["WaId"]) == (
        f"whatsapp:{phone}",
        f"whatsapp:{NUMBER}",
        phone[1:],
    )
    assert (fields["ProfileName"], fields["MessageType"], fields["ExternalUserId"]) == (
        "Ada Byron",
        "text",
        "whatsapp:US.1349",
    )

    message = client.messages.create(
        to=f"whatsapp:{phone}", from_=f"whatsapp:{NUMBER}", body="Hello"
    )
    wait(lambda: message.fetch().status == "read")


def test_person_without_a_number_has_an_external_id(simulator, client, receiver, wait):
    set_inbound_url(simulator, receiver)
    reply(simulator, "-", channel="whatsapp", text="Hello", external_id="US.13491208655302741918")
    fields = receiver.wait_for(1)[0].fields
    assert fields["From"] == fields["ExternalUserId"] == "whatsapp:US.13491208655302741918"
    assert "WaId" not in fields
    message = client.messages.create(to=fields["From"], from_=f"whatsapp:{NUMBER}", body="Hello")
    wait(lambda: message.fetch().status == "read")


def test_inbound_address_is_derived_from_the_status_callbacks(restartable_simulator, receiver):
    assert (
        restartable_simulator.call("GET", "/simulator/inbound.json").json["url"]
        == "http://127.0.0.1:8000/api/rpc/webhooks/twilio/inbound"
    )
    phone = restartable_simulator.number()
    service = restartable_simulator.credentials.messaging_service_sid
    restartable_simulator.client().messages.create(
        to=phone,
        messaging_service_sid=service,
        body="Hi",
        status_callback=f"{receiver.url}/hooks/twilio/sms?message=1#rc=5",
    )
    receiver.wait_for(3)
    restartable_simulator.stop()
    restartable_simulator.start()

    answer = reply(restartable_simulator, phone, text="Hello")

    assert answer.json["url"] == f"{receiver.url}/hooks/twilio/inbound#rc=5"
    post = receiver.wait_for(4)[3]
    assert (post.url, post.fields["MessagingServiceSid"]) == (
        f"{receiver.url}/hooks/twilio/inbound",
        service,
    )


def test_button_of_the_last_template_can_be_pressed(simulator, client, receiver):
    set_inbound_url(simulator, receiver)
    phone = simulator.number()
    template = next(
        listed_template
        for listed_template in client.content.v1.contents.list()
        if "twilio/quick-reply" in listed_template.types
    )
    sent = client.messages.create(
        to=f"whatsapp:{phone}", from_=f"whatsapp:{NUMBER}", content_sid=template.sid
    )
    reply(simulator, phone, channel="whatsapp", button="resend")
    fields = receiver.wait_for(1)[0].fields
    assert (fields["ButtonText"], fields["ButtonPayload"], fields["Body"]) == (
        "Send it again",
        "resend",
        "Send it again",
    )
    assert (fields["MessageType"], fields["OriginalRepliedMessageSid"]) == ("button", sent.sid)
    assert reply(simulator, phone, channel="whatsapp", button="no such button").status == 400


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_image_is_attached_and_requires_credentials(simulator, client, receiver, channel):
    set_inbound_url(simulator, receiver)
    sid = reply(simulator, simulator.number(), channel=channel, media=True).json["sid"]
    fields = receiver.wait_for(1)[0].fields
    assert (sid[:2], fields["NumMedia"], fields["MediaContentType0"]) == ("MM", "1", "image/png")
    path = fields["MediaUrl0"].removeprefix(simulator.url)
    assert path.startswith(
        f"/2010-04-01/Accounts/{simulator.credentials.account_sid}/Messages/{sid}/Media/ME"
    )
    assert simulator.call("GET", path).status == 401
    credentials = simulator.credentials
    basic = b64encode(f"{credentials.account_sid}:{credentials.auth_token}".encode()).decode()
    answer = simulator.call("HEAD", path, Authorization=f"Basic {basic}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert [file.content_type for file in client.messages(sid).media.list()] == ["image/png"]


@pytest.mark.parametrize(
    ("twiml", "texts"),
    [
        (b"<Response/>", []),
        (b"not TwiML", []),
        (
            b"<Response><Message>Thanks</Message><Message><Body>Bye</Body></Message></Response>",
            ["Thanks", "Bye"],
        ),
    ],
)
def test_text_of_the_webhook_response_is_sent(simulator, client, receiver, wait, twiml, texts):
    set_inbound_url(simulator, receiver)
    receiver.twiml = twiml
    phone = simulator.number()
    reply(simulator, phone, text="Hello")
    assert [callback["body"] for callback in simulator.received(phone)] == texts
    assert {message.direction for message in client.messages.list(to=phone)} == (
        {"outbound-reply"} if texts else set()
    )


@pytest.mark.parametrize("fields", [{}, {"text": "x", "channel": "fax"}, {"button": "Yes"}])
def test_impossible_date_is_refused(simulator, fields):
    assert reply(simulator, simulator.number(), **fields).status == 400


def test_person_without_a_number_cannot_send_an_sms(simulator):
    assert reply(simulator, "US.1349", text="x").status == 400


def test_request_of_another_site_cannot_write_from_a_phone(simulator):
    phone = simulator.number()
    answer = simulator.call(
        "POST", f"/simulator/phones/{phone}/reply", {"text": "x"}, Origin="http://evil.example"
    )
    assert answer.status == 403
