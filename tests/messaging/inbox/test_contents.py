"""Contents other than text: read by what a webhook declares, stored, shown, passed on."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.errors import Conflict
from hub.core.vocabulary import Address, Channel, ContentKind
from hub.db.engine import db
from hub.db.types import now
from hub.intake import process_callbacks
from hub.integrations import inbound_contents
from hub.integrations.base import ChatLinked, ChatPermission
from hub.integrations.base import Inbound as Came
from hub.integrations.twilio.kinds import CONTENT, SIDS, STRANGERS, Kind, kind_of
from hub.messaging.inbox import contents, conversations, inbound
from hub.messaging.track.statuses import Origin
from hub.models import (
    Connection,
    Contact,
    Conversation,
    Inbound,
    PlatformEvent,
    Suppression,
    Window,
)
from tests.conftest import Browser
from tests.hub_fixtures import ERIC, call_back, count, credentials, receipts, settle_receipts

INBOUND = "/api/rpc/webhooks/twilio/inbound"
FLOW = json.dumps(
    {"nfm_reply": {"response_json": json.dumps({"name": "Ann", "slot": {"day": "Monday"}})}}
)


def form(app: Flask, **fields: str) -> dict[str, str]:
    """Return what Twilio posts for a WhatsApp message, without a text."""
    account = credentials(app)
    sid = "MM" + f"{abs(hash(tuple(sorted(fields.items())))):032x}"[:32]
    known = {
        "AccountSid": account.account_sid,
        "From": "whatsapp:" + ERIC,
        "To": "whatsapp:" + account.phone_number,
        "MessageSid": sid,
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "ApiVersion": "2010-04-01",
        "ReferralNumMedia": "0",
    }
    return {name: value for name, value in {**known, **fields}.items() if value != "-"}


def sent(app: Flask, **fields: str) -> list[Inbound]:
    answer = call_back(app, form(app, **fields), target=INBOUND)
    assert (answer.status_code, answer.mimetype) == (200, "text/xml")
    settle_receipts()
    return list(db.session.scalars(select(Inbound)))


def payload() -> dict[str, Any]:
    [event] = db.session.scalars(select(PlatformEvent))
    found: dict[str, Any] = event.payload
    return found


# ── Twilio ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("fields", "kind", "shown"),
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
def test_a_message_without_a_text_is_read_for_what_it_is(
    hub_demo: Flask, admin: Browser, fields: dict[str, str], kind: str, shown: str
) -> None:
    [row] = sent(hub_demo, **fields)
    assert row.kind == kind
    assert (receipts()[0].error, receipts()[0].due_at) == ("", None)
    [talk] = conversations.newest_conversations(9)
    for path in ("/inbox", f"/inbox/{talk.row.id}"):
        page = html.unescape(admin.get(path).text)
        assert shown in page
        assert "File" not in page
    assert payload()["from"] == ERIC
    assert count(Window) == 1


def test_what_was_sent_is_passed_on_with_its_fields(hub_demo: Flask, admin: Browser) -> None:
    sent(hub_demo, Latitude="48.2082", Longitude="16.3738", Label="Vienna")
    assert payload()["contents"] == [
        {
            "kind": "location",
            "latitude": 48.2082,
            "longitude": 16.3738,
            "label": "Vienna",
            "address": "",
        }
    ]
    [talk] = conversations.newest_conversations(9)
    assert "https://www.openstreetmap.org/?mlat=48.2082&mlon=16.3738" in html.unescape(
        admin.get(f"/inbox/{talk.row.id}").text
    )


def test_a_referral_stands_beside_the_text(hub_demo: Flask, admin: Browser) -> None:
    sent(hub_demo, Body="Is it free?", ReferralHeadline="Sign faster", ReferralSourceType="ad")
    [talk] = conversations.newest_conversations(9)
    page = html.unescape(admin.get(f"/inbox/{talk.row.id}").text)
    assert "Is it free?" in page
    assert "From the ad “Sign faster”" in page


def test_a_button_that_says_stop_closes(hub_demo: Flask) -> None:
    sent(hub_demo, ButtonText="STOP", ButtonPayload="stop")
    assert count(Suppression) == 1


OUTGOING = st.sampled_from(
    ["queued", "sent", "delivered", "read", "failed", "undelivered", "flibbertigibbet", ""]
)
SOME = st.dictionaries(st.sampled_from(CONTENT), st.text(max_size=5), min_size=1)
NAMED = st.sampled_from(SIDS).map(lambda name: {name: "SM1"})


@given(SOME, NAMED, st.sampled_from(["received", "Received", "receiving"]))
def test_whatever_says_received_and_holds_something_is_a_message(
    held: dict[str, str], named: dict[str, str], word: str
) -> None:
    for fields in (
        {"SmsStatus": word},
        {"MessageStatus": word},
        {"SmsStatus": word, "MessageStatus": word},
    ):
        assert kind_of({**held, **named, **fields}) == Kind.INBOUND
    assert kind_of({**held, **named}) == Kind.INBOUND


@given(st.dictionaries(st.sampled_from(CONTENT), st.text(max_size=5)), NAMED, OUTGOING)
def test_the_status_of_a_message_of_ours_is_none_whatever_else_it_holds(
    held: dict[str, str], named: dict[str, str], word: str
) -> None:
    assert kind_of({**held, **named, "MessageStatus": word}) == Kind.STATUS
    assert kind_of({**held, **named, "MessageStatus": word, "SmsStatus": word}) == Kind.STATUS


@pytest.mark.parametrize("name", sorted(STRANGERS))
def test_a_webhook_of_another_product_is_set_aside_and_shown(
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
    assert call_back(hub_demo, fields, target=INBOUND).status_code == 200
    settle_receipts()
    [row] = receipts()
    assert row.due_at is None
    assert STRANGERS[name] in row.error
    assert html.escape(row.error) in admin.get("/receipts").text or row.error in html.unescape(
        admin.get("/receipts").text
    )
    assert (count(Inbound), count(PlatformEvent), count(Contact)) == (0, 0, 0)


# ── Unknown senders ───────────────────────────────────────────────────────────────────────────────
UNUSABLE = [
    "",
    "-",
    "anonymous",
    "Restricted",
    "+266696687",
    "+86282452253",
    "AMAZON",
    "22395",
    "whatsapp:",
    "whatsapp:anonymous",
    " ",
    "+",
    "sip:ann@pbx.example",
    "x" * 500,
]


@pytest.mark.parametrize("sender", UNUSABLE)
def test_a_message_without_a_usable_sender_makes_no_contact(
    hub_demo: Flask, admin: Browser, sender: str
) -> None:
    account = credentials(hub_demo)
    fields = form(hub_demo, From=sender, To=account.phone_number, Body="Where do I sign?")
    assert call_back(hub_demo, fields, target=INBOUND).status_code == 200
    settle_receipts()
    assert (count(Contact), count(Window), count(Suppression)) == (0, 0, 0)
    if sender.startswith("sip:"):
        assert "sip" in receipts()[0].error
        return
    [talk] = conversations.newest_conversations(9)
    for path in ("/inbox", f"/inbox/{talk.row.id}"):
        page = admin.get(path).text
        assert "Unknown sender" in page
        assert "Where do I sign?" in page
        assert "Erased" not in page
    assert payload()["from"] == ""
    assert "You cannot reply to this message" in admin.get(f"/inbox/{talk.row.id}").text
    with pytest.raises(Conflict, match="you cannot reply"):
        conversations.send_reply(talk.row.id, "Here")
    conversations.mark_read(talk.row.id)
    assert conversations.count_unread() == 0


def test_two_unknown_senders_are_two_conversations(hub_demo: Flask, admin: Browser) -> None:
    for n, text in enumerate(("First", "Second")):
        account = credentials(hub_demo)
        call_back(
            hub_demo,
            form(hub_demo, From="", To=account.phone_number, Body=text, MessageSid=f"SM{n:032x}"),
            target=INBOUND,
        )
    settle_receipts()
    talks = conversations.newest_conversations(9)
    assert len(talks) == 2
    for talk, (said, other) in zip(talks, (("Second", "First"), ("First", "Second")), strict=True):
        page = admin.get(f"/inbox/{talk.row.id}").text
        assert said in page
        assert other not in page


def test_a_stop_of_nobody_closes_nothing(hub_demo: Flask) -> None:
    sent(hub_demo, From="anonymous", To=credentials(hub_demo).phone_number, Body="STOP")
    assert (count(Suppression), count(Contact)) == (0, 0)


def test_what_names_nobody_and_holds_nothing_is_set_aside(hub_demo: Flask) -> None:
    call_back(
        hub_demo,
        form(hub_demo, From="", To=credentials(hub_demo).phone_number, NumMedia="0"),
        target=INBOUND,
    )
    settle_receipts()
    [row] = receipts()
    assert (row.due_at, "no sender" in row.error, count(Conversation)) == (None, True, 0)


def test_the_user_id_that_whatsapp_gives_is_a_usable_sender(hub_demo: Flask) -> None:
    sent(hub_demo, From="whatsapp:DE.4411223344", Body="Hello")
    [one] = db.session.scalars(select(Contact))
    assert (one.kind, one.address) == (Address.EXTERNAL, "DE.4411223344")


@pytest.mark.parametrize(
    "fact",
    [
        ChatLinked(address="", token="x"),
        ChatPermission(address=" "),
        ChatLinked(address="", team=True),
    ],
)
def test_no_fact_without_an_address_makes_a_contact(hub_demo: Flask, fact: Any) -> None:
    held = process_callbacks.CallbackRow(
        "rcp_x", None, b"", now(), now(), 0, "", came=[(fact, Origin("callback", ["con_x"]))]
    )
    process_callbacks._take_in(held)
    assert (held.error, held.final) == ("This webhook contains no address.", True)
    assert count(Contact) == 0


# ── Contents in words ─────────────────────────────────────────────────────────────────────────────
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)
CONTENTS = st.one_of(
    st.builds(inbound_contents.location, JSON, JSON, st.text(max_size=9), st.text(max_size=9)),
    st.builds(
        inbound_contents.contact, st.text(max_size=9), st.lists(st.text(max_size=9), max_size=3)
    ),
    st.builds(inbound_contents.reaction, st.text(max_size=3), st.text(max_size=9)),
    st.builds(inbound_contents.sticker, st.text(max_size=3)),
    st.builds(inbound_contents.form, JSON.map(json.dumps) | st.text(max_size=30)),
    st.builds(
        inbound_contents.poll, st.text(max_size=9), st.lists(st.text(max_size=9), max_size=30)
    ),
    st.builds(inbound_contents.dice, st.text(max_size=3), st.none() | st.integers()),
    st.builds(inbound_contents.referral, *[st.text(max_size=9)] * 5),
    st.builds(inbound_contents.edit, st.text(max_size=9)),
    st.builds(inbound_contents.other, st.text(max_size=200)),
).filter(lambda one: one is not None)


@given(CONTENTS)
def test_every_content_is_said_in_words_and_can_be_stored_as_json(content: Any) -> None:
    stored = {"kind": content.kind.value, **content.fields}
    text = json.dumps(stored, allow_nan=False)
    words = contents.describe_content(json.loads(text))
    assert words
    assert words != contents.UNKNOWN
    assert contents.coordinates(stored).count(",") in (0, 1)


@pytest.mark.parametrize("kind", list(ContentKind))
def test_every_kind_has_words_and_names_its_fields(kind: ContentKind) -> None:
    assert kind in contents.WORDS
    assert kind.meaning


@given(st.dictionaries(st.sampled_from(["kind", "emoji", "latitude", "answers", "phones"]), JSON))
def test_a_content_that_another_version_stored_breaks_no_page(stored: dict[str, Any]) -> None:
    assert contents.describe_content(stored)


def test_content_and_coordinates_of_a_package_are_stored_too(hub_demo: Flask) -> None:
    one = db.session.scalars(select(Connection).where(Connection.slug == "demo-whatsapp")).one()
    came = Came(
        provider_id="x" * 5000,
        channel=Channel.WHATSAPP,
        senders=(one.sender,),
        address=ERIC,
        contents=(inbound_contents.sticker("🎉"),),
    )
    for _ in range(2):
        assert inbound.store_inbound(came, Origin("callback", [one.id]), now())
    assert count(Inbound) == 1


def test_an_unknown_kind_is_not_tried_again(hub_demo: Flask) -> None:
    answer = call_back(
        hub_demo,
        {"AccountSid": credentials(hub_demo).account_sid, "Hello": "there"},
        target=INBOUND,
    )
    assert answer.status_code == 200
    settle_receipts()
    [row] = receipts()
    assert (row.tries, row.due_at) == (1, None)
    assert row.error == "This webhook is neither a message nor a message status."
