"""WhatsApp: free text while a person's window is open, an approved template outside it, and nothing
otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask, current_app
from sqlalchemy import select

from hub.core.errors import TemplateRequired
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted, FilledTemplate, TemplateInfo
from hub.messaging.compose import outbox, provider_templates, render, template_sync
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.inbox import conversations
from hub.messaging.policy import session_windows
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.models import (
    Attempt,
    Audit,
    Connection,
    Conversation,
    Inbound,
    Message,
    PlatformEvent,
    ProviderTemplate,
    Receipt,
    Window,
)
from tests.hub_fixtures import (
    ERIC,
    SigningApp,
    a_form,
    a_message,
    a_signer,
    an_event,
    body,
    call_back,
    count,
    credentials,
    message,
    receipts,
    settle_receipts,
    status,
    told,
)

INBOUND = "/api/rpc/webhooks/twilio/inbound"
STATUS = "/api/rpc/webhooks/twilio/whatsapp"
HOUR = timedelta(hours=1)


@pytest.fixture
def whatsapp(hub_demo: Flask) -> Connection:
    """Give the demo's WhatsApp connection."""
    return db.session.scalars(select(Connection).where(Connection.slug == "demo-whatsapp")).one()


@transaction
def drop(connection_id: str) -> None:
    """Let the demo have no such connection, as if it had never been made."""
    db.session.delete(db.session.get_one(Connection, connection_id))


def came_in(
    app: Flask,
    text: str = "Hello",
    *,
    sid: str = "SM" + "1" * 32,
    channel: str = "whatsapp:",
    target: str = INBOUND,
    **more: str,
) -> Any:
    """Let a person write to us, as Twilio posts it."""
    account = credentials(app)
    form = {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "From": channel + ERIC,
        "To": channel + account.phone_number,
        "MessageSid": sid,
        "SmsMessageSid": sid,
        "SmsSid": sid,
        "SmsStatus": "received",
        "Body": text,
        "NumMedia": "0",
        "NumSegments": "1",
        **({"ProfileName": "Ericsson", "WaId": ERIC[1:]} if channel else {}),
        **more,
    }
    return call_back(app, form, target=target)


def turn(connection: Connection) -> calls.Claim | None:
    claims = delivery.record_and_claim([], {connection.id: 1})
    return claims[0] if claims else None


def accepted(claim: calls.Claim, sid: str = "SM" + "2" * 32) -> None:
    delivery.record_and_claim([calls.Outcome(claim, Accepted(sid), None, now(), 5, 201)], {})


def drafted(connection: Connection, template: FilledTemplate | None = None) -> str:
    """Queue a message of an event over WhatsApp, with an approved template or without."""
    contact = contact_for(Address.PHONE, ERIC, test=True)
    text = "Please sign: https://sign.example/r/1"
    return outbox.add(
        outbox.Draft(connection=connection, contact=contact, text=text, template=template)
    ).id


def forget() -> None:
    """Let what is remembered for a moment be read anew."""
    db.session.rollback()
    current_app.extensions.pop("hub.remembered", None)


TEMPLATE = FilledTemplate(
    "HX" + "a" * 32, {"1": "Employment Agreement", "2": "https://sign.example/r/1"}
)


class TestInbound:
    def test_a_person_s_message_is_kept_once_and_answered_with_empty_twiml(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        for _ in range(2):
            answer = came_in(hub_demo)
            assert (answer.status_code, answer.content_type) == (200, "text/xml")
            assert answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
        settle_receipts()
        [row] = db.session.scalars(select(Inbound))
        assert (row.connection_id, row.provider_id, row.kind) == (
            whatsapp.id,
            "SM" + "1" * 32,
            "text",
        )
        assert count(Receipt) == 1
        assert receipts()[0].detail == "received"
        [event] = db.session.scalars(select(PlatformEvent))
        assert (event.type, event.payload["text"], event.payload["from"]) == (
            "whatsapp_received",
            "Hello",
            ERIC,
        )

    @pytest.mark.parametrize("target", [INBOUND, STATUS, "/api/rpc/webhooks/twilio/sms"])
    def test_it_is_treated_as_what_it_is_wherever_it_arrives(
        self, hub_demo: Flask, whatsapp: Connection, target: str
    ) -> None:
        assert came_in(hub_demo, target=target).content_type == "text/xml"
        settle_receipts()
        assert [one.connection_id for one in db.session.scalars(select(Inbound))] == [whatsapp.id]

    def test_a_status_at_the_inbound_address_is_a_status(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        message_id = a_message()
        claim = turn(connection)
        assert claim is not None
        accepted(claim)
        answer = call_back(hub_demo, a_form(hub_demo, "SM" + "2" * 32, "delivered"), target=INBOUND)
        assert body(answer) == {"success": True, "processed": 1}
        settle_receipts()
        assert status(message_id) == "delivered"

    def test_a_text_goes_to_the_connection_of_its_channel(
        self, hub_demo: Flask, connection: Connection, whatsapp: Connection
    ) -> None:
        came_in(hub_demo, channel="", sid="SM" + "3" * 32)
        settle_receipts()
        assert [one.connection_id for one in db.session.scalars(select(Inbound))] == [connection.id]
        assert [one.type for one in db.session.scalars(select(PlatformEvent))] == ["sms_received"]
        assert count(Window) == 0, "SMS has no window"

    def test_files_and_buttons_are_kept(self, hub_demo: Flask, whatsapp: Connection) -> None:
        came_in(
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
        settle_receipts()
        [talk] = conversations.newest_conversations(10)
        [line] = conversations.conversation_entries(talk)
        assert line.body is not None
        assert line.body.content["button"] == "sign-later"
        assert [file["content_type"] for file in line.body.content["media"]] == [
            "image/jpeg",
            "application/pdf",
        ]

    def test_a_person_without_a_number_is_known_by_their_id(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        came_in(hub_demo, From="whatsapp:US.1349", ExternalUserId="whatsapp:US.1349", WaId="")
        settle_receipts()
        [talk] = conversations.newest_conversations(10)
        assert (talk.contact.kind, talk.contact.address, talk.contact.name) == (
            "external",
            "US.1349",
            "Ericsson",
        )
        conversations.send_reply(talk.row.id, "Good morning")
        claim = turn(whatsapp)
        assert claim is not None
        assert claim.integration.render(claim.outbound)["To"] == "whatsapp:US.1349"

    def test_a_name_that_people_give_themselves_does_not_replace_the_signing_app_s(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        contact_for(Address.PHONE, ERIC, test=True, name="Eric Smith")
        came_in(hub_demo)
        settle_receipts()
        assert conversations.newest_conversations(10)[0].contact.name == "Eric Smith"

    def test_a_sender_that_no_connection_has_stays_with_its_receipt(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        drop(whatsapp.id)  # there is only SMS
        came_in(hub_demo)
        settle_receipts()
        assert "no connection" in receipts()[0].error
        assert count(Inbound) == 0

    def test_an_answer_tells_of_which_request_it_is(
        self, hub_demo: Flask, signing_app: SigningApp, connection: Connection
    ) -> None:
        signing_app.post("/events", an_event(signers=[a_signer("Eric", ERIC)]))
        claim = turn(connection)
        assert claim is not None
        accepted(claim)
        came_in(hub_demo, channel="", OriginalRepliedMessageSid="SM" + "2" * 32)
        settle_receipts()
        [event] = db.session.scalars(
            select(PlatformEvent).where(PlatformEvent.type == "sms_received")
        )
        assert event.message_id == claim.message_id
        assert event.request_id == message(claim.message_id).request_id


class TestWindow:
    def test_a_person_s_message_opens_it_for_a_day(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        came_in(hub_demo)
        settle_receipts()
        [row] = db.session.scalars(select(Window))
        assert row.sender == whatsapp.sender
        assert row.closes_at - receipts()[0].received_at == 24 * HOUR

    def test_the_latest_counts_in_whatever_order_they_are_told(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        contact = contact_for(Address.PHONE, ERIC, test=True)
        moment = now()
        for at in (moment, moment - 2 * HOUR, moment - HOUR):
            session_windows.open_window(whatsapp.sender, contact.id, at, 24)
        assert session_windows.closing_times(whatsapp.sender, [contact.id]) == {
            contact.id: moment + 24 * HOUR
        }

    def test_free_text_goes_while_it_is_open(self, hub_demo: Flask, whatsapp: Connection) -> None:
        came_in(hub_demo)
        settle_receipts()
        message_id = drafted(whatsapp, TEMPLATE)
        claim = turn(whatsapp)
        assert claim is not None
        payload = claim.integration.render(claim.outbound)
        assert (claim.message_id, payload["Body"], "ContentSid" in payload) == (
            message_id,
            "Please sign: https://sign.example/r/1",
            False,
        )

    def test_outside_it_the_approved_template_goes(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        drafted(whatsapp, TEMPLATE)
        claim = turn(whatsapp)
        assert claim is not None
        payload = claim.integration.render(claim.outbound)
        assert payload["ContentSid"] == TEMPLATE.id
        assert (
            payload["ContentVariables"]
            == '{"1": "Employment Agreement", "2": "https://sign.example/r/1"}'
        )
        assert not {"Body", "MediaUrl"} & payload.keys()
        assert db.session.get_one(Attempt, (claim.message_id, 1)).template == TEMPLATE.id

    def test_without_a_template_it_is_not_sent_and_says_why(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        message_id = drafted(whatsapp)
        assert (status(message_id), message(message_id).code) == ("suppressed", "window_closed")
        assert turn(whatsapp) is None

    def test_a_window_that_closes_while_it_waits_is_seen(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        came_in(hub_demo)
        settle_receipts()
        message_id = drafted(whatsapp)
        assert status(message_id) == "queued"
        with time_machine.travel(now() + timedelta(hours=23, minutes=59), tick=False):
            assert turn(whatsapp) is not None
        late = drafted(whatsapp)
        with time_machine.travel(now() + timedelta(hours=24, minutes=1), tick=False):
            outcome = turn(whatsapp)
        assert outcome is None
        assert status(late) in ("suppressed", "expired")

    def test_sms_has_none(self, hub_demo: Flask, connection: Connection) -> None:
        a_message()
        assert turn(connection) is not None


class TestTooLate:
    """Free text that the provider turns down because the window is closed all the same: 63016."""

    @pytest.fixture
    def sent(self, hub_demo: Flask, whatsapp: Connection) -> Callable[[FilledTemplate | None], str]:
        def send(template: FilledTemplate | None) -> str:
            came_in(hub_demo)
            settle_receipts()
            message_id = drafted(whatsapp, template)
            claim = turn(whatsapp)
            assert claim is not None
            accepted(claim)
            return message_id

        return send

    def failed(self, app: Flask, message_id: str) -> None:
        form = a_form(
            app,
            "SM" + "2" * 32,
            "failed",
            ErrorCode="63016",
            From="whatsapp:+15005550006",
            To=f"whatsapp:{ERIC}",
        )
        assert (
            call_back(app, form, target=f"{STATUS}?message={message_id}&attempt=1").status_code
            == 200
        )
        settle_receipts()

    def successors(self, message_id: str) -> list[Message]:
        db.session.rollback()
        return list(db.session.scalars(select(Message).where(Message.after_id == message_id)))

    def test_the_template_goes_out_instead_once(
        self, hub_demo: Flask, whatsapp: Connection, sent: Callable[..., str]
    ) -> None:
        message_id = sent(TEMPLATE)
        self.failed(hub_demo, message_id)
        self.failed(hub_demo, message_id)
        [again] = self.successors(message_id)
        assert (status(message_id), again.status) == ("failed", "queued")
        claim = turn(whatsapp)
        assert claim is not None
        assert (claim.message_id, claim.integration.render(claim.outbound)["ContentSid"]) == (
            again.id,
            TEMPLATE.id,
        )
        accepted(claim, "SM" + "4" * 32)
        form = a_form(hub_demo, "SM" + "4" * 32, "failed", ErrorCode="63016")
        call_back(hub_demo, form, target=f"{STATUS}?message={again.id}&attempt=1")
        settle_receipts()
        assert self.successors(again.id) == [], (
            "a template that fails is not tried as a template again"
        )

    def test_without_a_template_it_stays_failed(
        self, hub_demo: Flask, whatsapp: Connection, sent: Callable[..., str]
    ) -> None:
        message_id = sent(None)
        self.failed(hub_demo, message_id)
        assert (status(message_id), message(message_id).code, self.successors(message_id)) == (
            "failed",
            "63016",
            [],
        )

    def test_an_answer_at_once_leads_there_too(self, hub_demo: Flask, whatsapp: Connection) -> None:
        came_in(hub_demo)
        settle_receipts()
        message_id = drafted(whatsapp, TEMPLATE)
        claim = turn(whatsapp)
        assert claim is not None
        delivery.record_and_claim(
            [calls.Outcome(claim, None, TemplateRequired("Too late.", "63016"), now(), 5, 400)],
            {},
        )
        assert [one.status for one in self.successors(message_id)] == ["queued"]


class TestStatuses:
    @pytest.mark.parametrize(
        "words",
        [
            ("sent", "delivered", "read"),
            ("read", "delivered", "sent"),
            ("delivered", "read", "sent"),
        ],
    )
    def test_read_receipts_in_any_order(
        self, hub_demo: Flask, whatsapp: Connection, words: tuple[str, ...]
    ) -> None:
        message_id = drafted(whatsapp, TEMPLATE)
        claim = turn(whatsapp)
        assert claim is not None
        accepted(claim)
        for word in words:
            call_back(
                hub_demo,
                a_form(hub_demo, "SM" + "2" * 32, word),
                target=f"{STATUS}?message={message_id}&attempt=1",
            )
        settle_receipts()
        assert status(message_id) == "read"
        assert told(message_id) == ["whatsapp_delivered", "whatsapp_read", "whatsapp_sent"]


class TestTemplates:
    def found(self, state: str = "approved", **more: Any) -> list[TemplateInfo]:
        samples = {"1": "A", "2": "B"}
        return [
            TemplateInfo(
                "HX" + "a" * 32,
                "signing_request",
                "en_US",
                state,
                text="{{1}}: {{2}}",
                variables=samples,
                **more,
            )
        ]

    def mapped(self, connection: Connection, locale: str = "en", **variables: str) -> None:
        template_sync.store_templates(connection.id, self.found())
        row = db.session.scalars(select(ProviderTemplate)).one()
        chosen = {"1": "title", "2": "link"} | {name[1:]: ours for name, ours in variables.items()}
        provider_templates.save_mapping(connection.id, "request_sent", locale, row.id, chosen)
        forget()

    def test_an_event_goes_out_as_its_approved_template(
        self, hub_demo: Flask, signing_app: SigningApp, whatsapp: Connection
    ) -> None:
        self.mapped(whatsapp)
        answer = body(
            signing_app.post(
                "/events", an_event(signers=[a_signer("Eric", ERIC, preference=["whatsapp"])])
            )
        )
        assert [(one["channel"], one["status"]) for one in answer["messages"]] == [
            ("whatsapp", "queued")
        ]
        claim = turn(whatsapp)
        assert claim is not None
        assert claim.outbound.template == FilledTemplate(
            "HX" + "a" * 32, {"1": "Employment Agreement", "2": "https://sign.example/r/eric"}
        )

    def test_without_one_the_answer_says_so(
        self, hub_demo: Flask, signing_app: SigningApp, whatsapp: Connection
    ) -> None:
        answer = body(
            signing_app.post(
                "/events", an_event(signers=[a_signer("Eric", ERIC, preference=["whatsapp"])])
            )
        )
        assert [(one["channel"], one["status"], one["code"]) for one in answer["messages"]] == [
            ("whatsapp", "suppressed", "window_closed")
        ]

    @pytest.mark.parametrize(
        ("wanted", "mapped"),
        [("pt-BR", "pt_BR"), ("pt-BR", "pt"), ("pt-BR", "en"), ("pt-BR", "en_US")],
    )
    def test_locales_fall_back(
        self, hub_demo: Flask, whatsapp: Connection, wanted: str, mapped: str
    ) -> None:
        self.mapped(whatsapp, mapped)
        assert (
            provider_templates.fill_mapped(
                whatsapp.id, "request_sent", wanted, {"title": "T", "link": "L"}
            )
            is not None
        )
        assert provider_templates.fill_mapped(whatsapp.id, "request_reminder", wanted, {}) is None

    def test_one_that_is_not_approved_cannot_be_mapped(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        template_sync.store_templates(whatsapp.id, self.found("pending"))
        row = db.session.scalars(select(ProviderTemplate)).one()
        with pytest.raises(provider_templates.Refused, match="pending"):
            provider_templates.save_mapping(
                whatsapp.id, "request_sent", "en", row.id, {"1": "title", "2": "link"}
            )

    def test_every_variable_must_stand_for_something(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        template_sync.store_templates(whatsapp.id, self.found())
        row = db.session.scalars(select(ProviderTemplate)).one()
        with pytest.raises(provider_templates.Refused) as caught:
            provider_templates.save_mapping(
                whatsapp.id, "request_sent", "en", row.id, {"1": "title", "2": "nonsense"}
            )
        assert caught.value.field == "variable-2"

    @pytest.mark.parametrize("lost", ["paused", "gone"])
    def test_one_that_is_lost_is_told_and_not_sent_any_more(
        self, hub_demo: Flask, whatsapp: Connection, lost: str
    ) -> None:
        self.mapped(whatsapp)
        template_sync.store_templates(whatsapp.id, [] if lost == "gone" else self.found(lost))
        [row] = db.session.scalars(select(Audit).where(Audit.action == "template.lost"))
        assert row.detail["state"] == lost
        forget()
        assert provider_templates.fill_mapped(whatsapp.id, "request_sent", "en", {}) is None

    @pytest.mark.parametrize(
        ("value", "clean"),
        [
            ("two\nlines", "two lines"),
            ("a\t\tb     c", "a b c"),
            ("", "–"),
            (None, "–"),
            (2, "2"),
            ("  x ", "x"),
        ],
    )
    def test_values_are_cleaned_as_whatsapp_wants_them(self, value: Any, clean: str) -> None:
        assert provider_templates.clean_values(value) == clean


class TestConversations:
    def test_what_is_new_is_counted_until_it_is_read(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        for n in range(3):
            came_in(hub_demo, f"Message {n}", sid=f"SM{n:032x}")
        settle_receipts()
        [talk] = conversations.newest_conversations(10, unread=True)
        assert (talk.row.unread, conversations.count_unread(), count(Conversation)) == (3, 1, 1)
        conversations.mark_read(talk.row.id)
        assert conversations.newest_conversations(10, unread=True) == []
        assert all(one.read_at for one in db.session.scalars(select(Inbound)))

    def test_an_answer_is_refused_once_the_window_is_closed(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        came_in(hub_demo)
        settle_receipts()
        [talk] = conversations.newest_conversations(10)
        with (
            time_machine.travel(now() + 25 * HOUR, tick=False),
            pytest.raises(conversations.Conflict, match="24 hours"),
        ):
            conversations.send_reply(talk.row.id, "Hello")

    def test_both_sides_stand_in_the_order_in_which_they_were_said(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        came_in(hub_demo, "Hello?")
        settle_receipts()
        [talk] = conversations.newest_conversations(10)
        conversations.send_reply(talk.row.id, "Good morning")
        db.session.rollback()
        said = [
            line.body.content["text"]
            for line in conversations.conversation_entries(conversations.get(talk.row.id))
            if line.body
        ]
        assert said == ["Hello?", "Good morning"]


class TestAnotherLanguage:
    """A hub most of whose readers read German."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_LOCALE": "de-AT"}

    def test_it_stands_between_the_readers_own_and_english(self, hub_demo: Flask) -> None:
        assert render.locale_fallbacks("pt_BR") == ["pt-br", "pt", "de-at", "de", "en"]
        assert render.locale_fallbacks("de") == ["de", "de-at", "en"]
