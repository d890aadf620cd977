"""WhatsApp: inbound messages, read receipts, conversations and languages."""

from __future__ import annotations

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import render
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.inbox import conversations
from hub.models import (
    Connection,
    Conversation,
    InboundMessage,
    PlatformEvent,
    ProviderCallback,
    SessionWindow,
)
from tests.hub_fixtures import (
    ERIC,
    SigningApp,
    callbacks,
    count,
    event_body,
    event_types,
    json_of,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    signer_body,
    status,
    status_form,
)
from tests.messaging.whatsapp_steps import (
    HOUR,
    INBOUND,
    STATUS,
    TEMPLATE,
    claim_one,
    queue_draft,
    receive_whatsapp,
    record_accepted,
)
from tests.messaging.whatsapp_steps import whatsapp as whatsapp


@transaction
def remove_connection(connection_id: str) -> None:
    """Remove a connection of the demo."""
    db.session.delete(db.session.get_one(Connection, connection_id))


class TestInbound:
    def test_inbound_message_is_stored_once_and_answered_with_empty_twiml(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        for _ in range(2):
            answer = receive_whatsapp(hub_demo)
            assert (answer.status_code, answer.content_type) == (200, "text/xml")
            assert answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
        process_pending_callbacks()
        [row] = db.session.scalars(select(InboundMessage))
        assert (row.connection_id, row.provider_id, row.kind) == (
            whatsapp.id,
            "SM" + "1" * 32,
            "text",
        )
        assert count(ProviderCallback) == 1
        assert callbacks()[0].detail == "received"
        [event] = db.session.scalars(select(PlatformEvent))
        assert (event.type, event.payload["text"], event.payload["from"]) == (
            "whatsapp_received",
            "Hello",
            ERIC,
        )

    @pytest.mark.parametrize("target", [INBOUND, STATUS, "/api/rpc/webhooks/twilio/sms"])
    def test_inbound_message_is_recognized_at_any_webhook_address(
        self, hub_demo: Flask, whatsapp: Connection, target: str
    ) -> None:
        assert receive_whatsapp(hub_demo, target=target).content_type == "text/xml"
        process_pending_callbacks()
        assert [
            inbound_message.connection_id
            for inbound_message in db.session.scalars(select(InboundMessage))
        ] == [whatsapp.id]

    def test_status_at_the_inbound_address_is_processed_as_a_status(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        message_id = queue_text()
        claim = claim_one(connection)
        assert claim is not None
        record_accepted(claim)
        answer = post_callback(
            hub_demo, status_form(hub_demo, "SM" + "2" * 32, "delivered"), target=INBOUND
        )
        assert json_of(answer) == {"success": True, "processed": 1}
        process_pending_callbacks()
        assert status(message_id) == "delivered"

    def test_text_is_stored_for_the_connection_of_its_channel(
        self, hub_demo: Flask, connection: Connection, whatsapp: Connection
    ) -> None:
        receive_whatsapp(hub_demo, channel="", sid="SM" + "3" * 32)
        process_pending_callbacks()
        assert [
            inbound_message.connection_id
            for inbound_message in db.session.scalars(select(InboundMessage))
        ] == [connection.id]
        assert [event.type for event in db.session.scalars(select(PlatformEvent))] == [
            "sms_received"
        ]
        assert count(SessionWindow) == 0, "SMS has no window"

    def test_files_and_button_replies_are_stored(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        receive_whatsapp(
            hub_demo,
            "Yes",
            NumMedia="2",
            MediaUrl0="https://api.twilio.com/m/0",
            MediaContentType0="image/jpeg",
            MediaUrl1="https://api.twilio.com/m/1",
            MediaContentType1="application/pdf",
            ButtonPayload="sign-later",
            ButtonText="Yes",
        )
        process_pending_callbacks()
        [conversation] = conversations.newest_conversations(10)
        [line] = conversations.conversation_entries(conversation)
        assert line.body is not None
        assert line.body.content["button"] == "sign-later"
        assert [file["content_type"] for file in line.body.content["media"]] == [
            "image/jpeg",
            "application/pdf",
        ]

    def test_person_without_a_number_is_identified_by_id(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        receive_whatsapp(
            hub_demo, From="whatsapp:US.1349", ExternalUserId="whatsapp:US.1349", WaId=""
        )
        process_pending_callbacks()
        [conversation] = conversations.newest_conversations(10)
        assert (
            conversation.contact.kind,
            conversation.contact.address,
            conversation.contact.name,
        ) == (
            "external",
            "US.1349",
            "Ericsson",
        )
        conversations.send_reply(conversation.row.id, "Good morning")
        claim = claim_one(whatsapp)
        assert claim is not None
        assert claim.integration.render(claim.outbound)["To"] == "whatsapp:US.1349"

    def test_profile_name_does_not_replace_the_name_of_the_signing_app(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        get_or_create_contact(Address.PHONE, ERIC, test=True, name="Eric Smith")
        receive_whatsapp(hub_demo)
        process_pending_callbacks()
        assert conversations.newest_conversations(10)[0].contact.name == "Eric Smith"

    def test_message_to_an_unknown_sender_is_kept_as_a_receipt(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        remove_connection(whatsapp.id)  # there is only SMS
        receive_whatsapp(hub_demo)
        process_pending_callbacks()
        assert "No connection of this account" in callbacks()[0].error
        assert count(InboundMessage) == 0

    def test_reply_is_reported_with_the_request_it_answers(
        self, hub_demo: Flask, signing_app: SigningApp, connection: Connection
    ) -> None:
        signing_app.post("/events", event_body(signers=[signer_body("Eric", ERIC)]))
        claim = claim_one(connection)
        assert claim is not None
        record_accepted(claim)
        receive_whatsapp(hub_demo, channel="", OriginalRepliedMessageSid="SM" + "2" * 32)
        process_pending_callbacks()
        [event] = db.session.scalars(
            select(PlatformEvent).where(PlatformEvent.type == "sms_received")
        )
        assert event.message_id == claim.message_id
        assert event.request_id == message(claim.message_id).request_id


class TestStatuses:
    @pytest.mark.parametrize(
        "statuses",
        [
            ("sent", "delivered", "read"),
            ("read", "delivered", "sent"),
            ("delivered", "read", "sent"),
        ],
    )
    def test_read_receipts_in_any_order(
        self, hub_demo: Flask, whatsapp: Connection, statuses: tuple[str, ...]
    ) -> None:
        message_id = queue_draft(whatsapp, TEMPLATE)
        claim = claim_one(whatsapp)
        assert claim is not None
        record_accepted(claim)
        for reported_status in statuses:
            post_callback(
                hub_demo,
                status_form(hub_demo, "SM" + "2" * 32, reported_status),
                target=f"{STATUS}?message={message_id}&attempt=1",
            )
        process_pending_callbacks()
        assert status(message_id) == "read"
        assert event_types(message_id) == ["whatsapp_delivered", "whatsapp_read", "whatsapp_sent"]


class TestConversations:
    def test_unread_messages_are_counted(self, hub_demo: Flask, whatsapp: Connection) -> None:
        for n in range(3):
            receive_whatsapp(hub_demo, f"Message {n}", sid=f"SM{n:032x}")
        process_pending_callbacks()
        [conversation] = conversations.newest_conversations(10, unread=True)
        assert (conversation.row.unread, conversations.count_unread(), count(Conversation)) == (
            3,
            1,
            1,
        )
        conversations.mark_read(conversation.row.id)
        assert conversations.newest_conversations(10, unread=True) == []
        assert all(
            inbound_message.read_at
            for inbound_message in db.session.scalars(select(InboundMessage))
        )

    def test_reply_is_refused_after_the_window_closed(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        receive_whatsapp(hub_demo)
        process_pending_callbacks()
        [conversation] = conversations.newest_conversations(10)
        with (
            time_machine.travel(now() + 25 * HOUR, tick=False),
            pytest.raises(conversations.Conflict, match="24-hour window is closed"),
        ):
            conversations.send_reply(conversation.row.id, "Hello")

    def test_conversation_is_ordered_by_time(self, hub_demo: Flask, whatsapp: Connection) -> None:
        receive_whatsapp(hub_demo, "Hello?")
        process_pending_callbacks()
        [conversation] = conversations.newest_conversations(10)
        conversations.send_reply(conversation.row.id, "Good morning")
        db.session.rollback()
        texts = [
            line.body.content["text"]
            for line in conversations.conversation_entries(
                conversations.get_conversation(conversation.row.id)
            )
            if line.body
        ]
        assert texts == ["Hello?", "Good morning"]


class TestAnotherLanguage:
    """A hub whose default language is German."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_LOCALE": "de-AT"}

    def test_default_language_is_between_the_readers_own_and_english(self, hub_demo: Flask) -> None:
        assert render.locale_fallbacks("pt_BR") == ("pt-br", "pt", "de-at", "de", "en")
        assert render.locale_fallbacks("de") == ("de", "de-at", "en")
