"""Twilio's SDK and other clients of its REST API work with the simulator."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.simulator.twilio_rest import FROM, account_path, refusal, request

# the documented properties and their types, from Twilio's OpenAPI document twilio_api_v2010; all
# may be null
MESSAGE = {
    "account_sid": str,
    "api_version": str,
    "body": str,
    "date_created": str,
    "date_sent": str,
    "date_updated": str,
    "direction": str,
    "error_code": int,
    "error_message": str,
    "from": str,
    "messaging_service_sid": str,
    "num_media": str,
    "num_segments": str,
    "price": str,
    "price_unit": str,
    "sid": str,
    "status": str,
    "subresource_uris": dict,
    "to": str,
    "uri": str,
}
ACCOUNT = {
    "auth_token": str,
    "date_created": str,
    "date_updated": str,
    "friendly_name": str,
    "owner_account_sid": str,
    "sid": str,
    "status": str,
    "subresource_uris": dict,
    "type": str,
    "uri": str,
}
NUMBER = dict.fromkeys(
    (
        "account_sid",
        "address_requirements",
        "address_sid",
        "api_version",
        "bundle_sid",
        "date_created",
        "date_updated",
        "emergency_address_sid",
        "emergency_address_status",
        "emergency_status",
        "friendly_name",
        "identity_sid",
        "origin",
        "phone_number",
        "sid",
        "sms_application_sid",
        "sms_fallback_method",
        "sms_fallback_url",
        "sms_method",
        "sms_url",
        "status",
        "status_callback",
        "status_callback_method",
        "trunk_sid",
        "type",
        "uri",
        "voice_application_sid",
        "voice_fallback_method",
        "voice_fallback_url",
        "voice_method",
        "voice_receive_mode",
        "voice_url",
    ),
    str,
) | {"beta": bool, "capabilities": dict, "voice_caller_id_lookup": bool}
SERVICE = (
    dict.fromkeys(
        (
            "account_sid",
            "date_created",
            "date_updated",
            "fallback_method",
            "fallback_url",
            "friendly_name",
            "inbound_method",
            "inbound_request_url",
            "scan_message_content",
            "sid",
            "status_callback",
            "url",
            "usecase",
        ),
        str,
    )
    | dict.fromkeys(
        (
            "area_code_geomatch",
            "fallback_to_long_code",
            "mms_converter",
            "smart_encoding",
            "sticky_sender",
            "synchronous_validation",
            "us_app_to_person_registered",
            "use_inbound_webhook_on_number",
        ),
        bool,
    )
    | {"links": dict, "validity_period": int}
)


def test_message_is_accepted_and_delivered(simulator, client, wait):
    to = simulator.number()
    message = client.messages.create(to=to, from_=FROM, body="Hello")

    assert (message.status, message.to, message.from_, message.body) == (
        "queued",
        to,
        FROM,
        "Hello",
    )
    assert (message.num_segments, message.num_media, message.price, message.date_sent) == (
        "1",
        "0",
        None,
        None,
    )
    assert message.sid.startswith("SM")
    delivered = wait(lambda: (now := message.fetch()).status == "delivered" and now)
    assert (delivered.price, delivered.price_unit) == ("-0.00790", "USD")
    assert abs(delivered.date_sent - datetime.now(UTC)) < timedelta(seconds=10)
    assert [callback["body"] for callback in simulator.received(to)] == ["Hello"]


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        ("/Messages/{sid}.json", MESSAGE),
        (".json", ACCOUNT),
        ("/IncomingPhoneNumbers/{number}.json", NUMBER),
        ("service", SERVICE),
    ],
)
def test_every_documented_property_exists_with_its_type(simulator, client, path, properties):
    sid = client.messages.create(to=simulator.number(), from_=FROM, body="Hello").sid
    number = client.incoming_phone_numbers.list()[0].sid
    service = f"/v1/Services/{simulator.credentials.messaging_service_sid}"
    path = (
        service
        if path == "service"
        else account_path(simulator, path.format(sid=sid, number=number))
    )

    shown_properties = request(simulator, path).json

    assert set(shown_properties) == set(properties)
    wrong = {
        name: value
        for name, value in shown_properties.items()
        if value is not None and type(value) is not properties[name]
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("code", "change"),
    [
        (21604, {"To": ""}),
        (21603, {"From": ""}),
        (21602, {"Body": ""}),
        (21617, {"Body": "x" * 1601}),
        (21211, {"To": "0171 123456"}),
        (21211, {"To": "+123"}),
        (21211, {"To": "+10000"}),
        (21266, {"To": FROM}),
        (21606, {"From": "+13175550000"}),
        (21659, {"From": "Signpost"}),
        (21212, {"From": "+15005550001"}),
        (21606, {"From": "+15005550007"}),
        (21611, {"From": "+15005550008"}),
        (21701, {"MessagingServiceSid": "MG" + "0" * 32}),
        (21705, {"MessagingServiceSid": "MG1"}),
        (21609, {"StatusCallback": "not a url"}),
        (21609, {"StatusCallback": "http://my_host/x"}),
        (21609, {"StatusCallback": "ftp://127.0.0.1/x"}),
        (21609, {"StatusCallback": "http://127.0.0.1:99999/"}),
        (21624, {"ValidityPeriod": "0"}),
        (21624, {"ValidityPeriod": "36001"}),
        (21624, {"ValidityPeriod": "soon"}),
        (21655, {"ContentSid": "HX" + "0" * 32}),
        (21654, {"ContentVariables": "{}"}),
        (21620, {"MediaUrl": "picture.png"}),
        (30016, {"To": "whatsapp:+13175551234"}),
        (30016, {"From": f"whatsapp:{FROM}"}),
        (30015, {"To": "viber:+13175551234"}),
        (63007, {"To": "whatsapp:+13175551234", "From": "whatsapp:+13175550000"}),
        (21211, {"To": "whatsapp:0171", "From": f"whatsapp:{FROM}"}),
        (20001, {"ScheduleType": "later"}),
        (35111, {"ScheduleType": "fixed"}),
        (35118, {"ScheduleType": "fixed", "SendAt": "2030-01-01T00:00:00Z"}),
    ],
)
def test_message_problem_is_identified_by_its_code(simulator, code, change):
    to = simulator.number()
    answer = request(
        simulator,
        account_path(simulator, "/Messages.json"),
        "POST",
        {"To": to, "From": FROM, "Body": "Hello"} | change,
    )

    assert (answer.json["code"], answer.json["status"]) == (code, answer.status)
    assert answer.json["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert 400 <= answer.status < 500
    assert answer.json["message"]
    assert simulator.received(to) == []


def test_longest_body_and_validity_are_accepted(simulator, client):
    message = client.messages.create(
        to=simulator.number(), from_=FROM, body="x" * 1600, validity_period=36_000
    )
    assert message.num_segments == "11"


def test_messaging_service_chooses_the_sender_after_acceptance(simulator, client, wait):
    service = simulator.credentials.messaging_service_sid
    message = client.messages.create(
        to=simulator.number(), messaging_service_sid=service, body="Hello"
    )

    assert (message.status, message.from_, message.num_segments) == ("accepted", None, "0")
    later = wait(lambda: (now := message.fetch()).status == "delivered" and now)
    assert (later.from_, later.num_segments, later.messaging_service_sid) == (FROM, "1", service)


def test_message_with_media_is_an_mms(simulator, client):
    message = client.messages.create(
        to=simulator.number(), from_=FROM, media_url=["https://example.com/a.png"] * 2
    )
    assert (message.sid[:2], message.num_media, message.media.list()) == ("MM", "2", [])


def test_messages_are_filtered_by_recipient_sender_and_time(simulator, client):
    to = simulator.number()
    before = datetime.now(UTC) - timedelta(seconds=1)
    sids = [client.messages.create(to=to, from_=FROM, body=f"{n}").sid for n in range(2)][::-1]
    day = timedelta(days=1)
    hour = timedelta(hours=1)

    def list_sids(**filters):
        return [message.sid for message in client.messages.list(to=to, **filters)]

    assert list_sids() == list_sids(from_=FROM) == list_sids(date_sent_after=before) == sids
    assert list_sids(date_sent_after=before, date_sent_before=datetime.now(UTC) + hour) == sids
    assert list_sids(date_sent=datetime.now(UTC).date()) == sids
    assert (
        list_sids(from_="+13175550000")
        == list_sids(date_sent_after=before + hour)
        == list_sids(date_sent_before=before - hour)
        == []
    )
    assert list_sids(date_sent=(datetime.now(UTC) - 2 * day).date()) == []


def test_message_of_a_service_is_found_by_its_assigned_sender(simulator, client, wait):
    to = simulator.number()
    service = simulator.credentials.messaging_service_sid
    sid = client.messages.create(to=to, messaging_service_sid=service, body="Hello").sid
    assert wait(lambda: [message.sid for message in client.messages.list(to=to, from_=FROM)]) == [
        sid
    ]


def test_long_list_is_paged_in_both_directions(simulator, client):
    to = simulator.number()
    sids = [client.messages.create(to=to, from_=FROM, body=f"{n}").sid for n in range(5)][::-1]

    assert [message.sid for message in client.messages.list(to=to, page_size=2)] == sids
    first = client.messages.page(to=to, page_size=2)
    assert [message.sid for message in first] == sids[:2]
    second = first.next_page()
    third = second.next_page()
    assert [message.sid for message in third] == sids[4:]
    assert third.next_page() is None
    assert [message.sid for message in third.previous_page()] == sids[2:4]


def test_new_message_does_not_shift_pages(simulator, client):
    to = simulator.number()
    sids = [client.messages.create(to=to, from_=FROM, body=f"{n}").sid for n in range(4)][::-1]
    first = client.messages.page(to=to, page_size=2)
    client.messages.create(to=to, from_=FROM, body="late")
    assert [message.sid for message in first] == sids[:2]
    assert [message.sid for message in first.next_page()] == sids[2:]


@pytest.mark.parametrize(
    "query", ["PageSize=many", "Page=99999999999999999999", "PageToken=PAx", "DateSent=2026-13-01"]
)
def test_invalid_list_query_is_refused(simulator, query):
    assert (
        request(simulator, account_path(simulator, f"/Messages.json?{query}")).json["code"] == 20001
    )


def test_final_message_can_be_redacted_and_deleted(simulator, client, wait):
    message = client.messages.create(to=simulator.number(), from_=FROM, body="Secret")
    assert refusal(lambda: message.update(body="")).code == 20009
    wait(lambda: message.fetch().status == "delivered")

    assert message.update(body="").body == ""
    assert message.fetch().body == ""
    assert refusal(lambda: message.update(status="canceled")).code == 30409
    assert message.delete()
    assert refusal(message.fetch).code == 20404


def test_scheduled_message_waits_and_can_be_canceled(simulator, client):
    service = simulator.credentials.messaging_service_sid
    to = simulator.number()

    def schedule(when):
        return client.messages.create(
            to=to, messaging_service_sid=service, body="Later", schedule_type="fixed", send_at=when
        )

    message = schedule(datetime.now(UTC) + timedelta(hours=1))
    assert message.status == "scheduled"
    assert message.update(status="canceled").status == "canceled"
    assert refusal(lambda: schedule(datetime.now(UTC) + timedelta(minutes=5))).code == 35114
    assert refusal(lambda: schedule(datetime.now(UTC) + timedelta(days=36))).code == 35114
