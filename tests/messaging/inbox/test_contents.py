"""Contents other than text: parsed, stored, shown, and reported in events."""

from __future__ import annotations

import html
import json

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from hub.integrations.twilio.kinds import CONTENT, OTHER_PRODUCTS, SIDS, Kind, classify_webhook
from hub.messaging.inbox import conversations
from hub.models import Contact, InboundMessage, PlatformEvent, SessionWindow, Suppression
from tests.conftest import Browser
from tests.hub_fixtures import (
    ERIC,
    callbacks,
    count,
    credentials,
    post_callback,
    process_pending_callbacks,
)
from tests.messaging.inbox.content_forms import INBOUND, last_payload, sent

FLOW = json.dumps(
    {"nfm_reply": {"response_json": json.dumps({"name": "Ann", "slot": {"day": "Monday"}})}}
)


# ── Twilio ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("fields", "kind", "expected"),
    [
        (
            {
                "NumMedia": "1",
                "MediaUrl0": "https://api.twilio.com/m/0",
                "MediaContentType0": "image/jpeg",
            },
            "media",
            "Image",
        ),
        (
            {
                "NumMedia": "1",
                "MediaUrl0": "https://api.twilio.com/m/0",
                "MediaContentType0": "audio/ogg",
                "Body": "",
            },
            "media",
            "Audio",
        ),
        (
            {
                "NumMedia": "1",
                "MediaUrl0": "https://api.twilio.com/m/0",
                "MediaContentType0": "text/vcard",
            },
            "media",
            "Contact card",
        ),
        (
            {
                "Latitude": "-33.8568",
                "Longitude": "151.2153",
                "Label": "Opera House",
                "Address": "Bennelong Point",
            },
            "location",
            "Location: Opera House, Bennelong Point (-33.8568, 151.2153)",
        ),
        (
            {"Latitude": "0", "Longitude": "0", "MessageType": "location"},
            "location",
            "Location: 0, 0",
        ),
        (
            {
                "MessageType": "sticker",
                "NumMedia": "1",
                "MediaUrl0": "https://api.twilio.com/m/0",
                "MediaContentType0": "image/webp",
            },
            "media",
            "Sticker",
        ),
        (
            {"ButtonText": "Sign later", "ButtonPayload": "later", "MessageType": "button"},
            "button",
            "Sign later",
        ),
        ({"ButtonPayload": "later"}, "button", "later"),
        (
            {"ListId": "row-2", "ListTitle": "Tuesday", "MessageType": "interactive"},
            "button",
            "Tuesday",
        ),
        (
            {"InteractiveData": FLOW, "MessageType": "interactive"},
            "form",
            "Form: name: Ann, slot.day: Monday",
        ),
        (
            {"MessageType": "reaction", "Body": "👍", "OriginalRepliedMessageSid": "SM" + "7" * 32},
            "reaction",
            "Reaction: 👍",
        ),
        (
            {"MediaUrl0": "https://api.twilio.com/m/0", "MediaContentType0": "video/mp4"},
            "media",
            "Video",
        ),
        (
            {
                "NumMedia": "0",
                "MediaUrl0": "https://api.twilio.com/m/0",
                "MediaContentType0": "image/png",
            },
            "media",
            "Image",
        ),
        (
            {"Latitude": "91", "Longitude": "12"},
            "other",
            "cannot show this kind of message: location",
        ),
        ({"MessageType": "location"}, "other", "cannot show this kind of message: location"),
        ({"Body": "", "NumMedia": "0"}, "text", "Empty message"),
        ({}, "text", "Empty message"),
        ({"MessageType": "order"}, "other", "cannot show this kind of message: order"),
        (
            {
                "Body": "Hi",
                "ReferralHeadline": "Sign faster",
                "ReferralSourceType": "ad",
                "ReferralSourceId": "1",
            },
            "referral",
            "Hi",
        ),
    ],
)
def test_message_without_a_text_is_recognized_by_its_content(
    hub_demo: Flask, admin: Browser, fields: dict[str, str], kind: str, expected: str
) -> None:
    [row] = sent(hub_demo, **fields)
    assert row.kind == kind
    assert (callbacks()[0].error, callbacks()[0].due_at) == ("", None)
    [conversation] = conversations.newest_conversations(9)
    for path in ("/inbox", f"/inbox/{conversation.row.id}"):
        page = html.unescape(admin.get(path).text)
        assert expected in page
        assert "File" not in page
    assert last_payload()["from"] == ERIC
    assert count(SessionWindow) == 1


def test_media_of_a_message_is_reported_with_its_fields(hub_demo: Flask, admin: Browser) -> None:
    sent(hub_demo, Latitude="48.2082", Longitude="16.3738", Label="Vienna")
    assert last_payload()["contents"] == [
        {
            "kind": "location",
            "latitude": 48.2082,
            "longitude": 16.3738,
            "label": "Vienna",
            "address": "",
        }
    ]
    [conversation] = conversations.newest_conversations(9)
    assert "https://www.openstreetmap.org/?mlat=48.2082&mlon=16.3738" in html.unescape(
        admin.get(f"/inbox/{conversation.row.id}").text
    )


def test_referral_is_stored_beside_the_text(hub_demo: Flask, admin: Browser) -> None:
    sent(hub_demo, Body="Is it free?", ReferralHeadline="Sign faster", ReferralSourceType="ad")
    [conversation] = conversations.newest_conversations(9)
    page = html.unescape(admin.get(f"/inbox/{conversation.row.id}").text)
    assert "Is it free?" in page
    assert "From the ad “Sign faster”" in page


def test_stop_button_opts_out(hub_demo: Flask) -> None:
    sent(hub_demo, ButtonText="STOP", ButtonPayload="stop")
    assert count(Suppression) == 1


OUTGOING = st.sampled_from(
    ["queued", "sent", "delivered", "read", "failed", "undelivered", "flibbertigibbet", ""]
)
SOME = st.dictionaries(st.sampled_from(sorted(CONTENT)), st.text(max_size=5), min_size=1)
NAMED = st.sampled_from(SIDS).map(lambda name: {name: "SM1"})


@given(SOME, NAMED, st.sampled_from(["received", "Received", "receiving"]))
def test_received_content_is_a_message(
    stored: dict[str, str], named: dict[str, str], status: str
) -> None:
    for fields in (
        {"SmsStatus": status},
        {"MessageStatus": status},
        {"SmsStatus": status, "MessageStatus": status},
    ):
        assert classify_webhook({**stored, **named, **fields}) == Kind.INBOUND
    assert classify_webhook({**stored, **named}) == Kind.INBOUND


@given(st.dictionaries(st.sampled_from(sorted(CONTENT)), st.text(max_size=5)), NAMED, OUTGOING)
def test_status_of_an_outbound_message_is_recognized_with_any_fields(
    content: dict[str, str], named: dict[str, str], status: str
) -> None:
    assert classify_webhook({**content, **named, "MessageStatus": status}) == Kind.STATUS
    assert (
        classify_webhook({**content, **named, "MessageStatus": status, "SmsStatus": status})
        == Kind.STATUS
    )


@pytest.mark.parametrize("name", sorted(OTHER_PRODUCTS))
def test_webhook_of_another_product_is_set_aside_and_shown(
    hub_demo: Flask, admin: Browser, name: str
) -> None:
    account = credentials(hub_demo).account_sid
    fields = {
        "AccountSid": account,
        name: "XX" + "1" * 32,
        "From": ERIC,
        "To": "+13175550100",
        "CallStatus": "ringing",
    }
    assert post_callback(hub_demo, fields, target=INBOUND).status_code == 200
    process_pending_callbacks()
    [row] = callbacks()
    assert row.due_at is None
    assert OTHER_PRODUCTS[name] in row.error
    assert html.escape(row.error) in admin.get("/receipts").text or row.error in html.unescape(
        admin.get("/receipts").text
    )
    assert (count(InboundMessage), count(PlatformEvent), count(Contact)) == (0, 0, 0)
