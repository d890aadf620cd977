"""WhatsApp: free text is sent while a person's window is open, and expires with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.errors import TemplateRequired
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import FilledTemplate
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy import session_windows
from hub.messaging.send import calls
from hub.messaging.send import claims as delivery
from hub.models import Attempt, Connection, Message, SessionWindow
from tests.hub_fixtures import (
    ERIC,
    callbacks,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
)
from tests.messaging.whatsapp_steps import (
    HOUR,
    STATUS,
    TEMPLATE,
    claim_one,
    queue_draft,
    receive_whatsapp,
    record_accepted,
)
from tests.messaging.whatsapp_steps import whatsapp as whatsapp


class TestWindow:
    def test_inbound_message_opens_the_window_for_a_day(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        receive_whatsapp(hub_demo)
        process_pending_callbacks()
        [row] = db.session.scalars(select(SessionWindow))
        assert row.sender == whatsapp.sender
        assert row.closes_at - callbacks()[0].received_at == 24 * HOUR

    def test_latest_inbound_message_counts_in_any_order(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
        moment = now()
        for at in (moment, moment - 2 * HOUR, moment - HOUR):
            session_windows.open_window(whatsapp.sender, contact.id, at, 24)
        assert session_windows.closing_times(whatsapp.sender, [contact.id]) == {
            contact.id: moment + 24 * HOUR
        }

    def test_free_text_is_sent_while_the_window_is_open(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        receive_whatsapp(hub_demo)
        process_pending_callbacks()
        message_id = queue_draft(whatsapp, TEMPLATE)
        claim = claim_one(whatsapp)
        assert claim is not None
        payload = claim.integration.render(claim.outbound)
        assert (claim.message_id, payload["Body"], "ContentSid" in payload) == (
            message_id,
            "Please sign: https://sign.example/r/1",
            False,
        )

    def test_approved_template_is_sent_outside_the_window(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        queue_draft(whatsapp, TEMPLATE)
        claim = claim_one(whatsapp)
        assert claim is not None
        payload = claim.integration.render(claim.outbound)
        assert payload["ContentSid"] == TEMPLATE.id
        assert (
            payload["ContentVariables"]
            == '{"1": "Employment Agreement", "2": "https://sign.example/r/1"}'
        )
        assert not {"Body", "MediaUrl"} & payload.keys()
        assert db.session.get_one(Attempt, (claim.message_id, 1)).template == TEMPLATE.id

    def test_message_without_a_template_is_not_sent_and_explains_why(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        message_id = queue_draft(whatsapp)
        assert (status(message_id), message(message_id).code) == ("suppressed", "window_closed")
        assert claim_one(whatsapp) is None

    def test_window_that_closes_while_a_message_waits_is_noticed(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        receive_whatsapp(hub_demo)
        process_pending_callbacks()
        message_id = queue_draft(whatsapp)
        assert status(message_id) == "queued"
        with time_machine.travel(now() + timedelta(hours=23, minutes=59), tick=False):
            assert claim_one(whatsapp) is not None
        late = queue_draft(whatsapp)
        with time_machine.travel(now() + timedelta(hours=24, minutes=1), tick=False):
            outcome = claim_one(whatsapp)
        assert outcome is None
        assert status(late) in ("suppressed", "expired")

    def test_sms_has_no_window(self, hub_demo: Flask, connection: Connection) -> None:
        queue_text()
        assert claim_one(connection) is not None


class TestTooLate:
    """Free text that the provider refuses with 63016, because the window is closed."""

    @pytest.fixture
    def sent_text(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> Callable[[FilledTemplate | None], str]:
        def send(template: FilledTemplate | None) -> str:
            receive_whatsapp(hub_demo)
            process_pending_callbacks()
            message_id = queue_draft(whatsapp, template)
            claim = claim_one(whatsapp)
            assert claim is not None
            record_accepted(claim)
            return message_id

        return send

    def report_refusal(self, app: Flask, message_id: str) -> None:
        form = status_form(
            app,
            "SM" + "2" * 32,
            "failed",
            ErrorCode="63016",
            From="whatsapp:+15005550006",
            To=f"whatsapp:{ERIC}",
        )
        assert (
            post_callback(app, form, target=f"{STATUS}?message={message_id}&attempt=1").status_code
            == 200
        )
        process_pending_callbacks()

    def successors(self, message_id: str) -> list[Message]:
        db.session.rollback()
        return list(db.session.scalars(select(Message).where(Message.after_id == message_id)))

    def test_template_is_sent_instead_once(
        self, hub_demo: Flask, whatsapp: Connection, sent_text: Callable[..., str]
    ) -> None:
        message_id = sent_text(TEMPLATE)
        self.report_refusal(hub_demo, message_id)
        self.report_refusal(hub_demo, message_id)
        [successor] = self.successors(message_id)
        assert (status(message_id), successor.status) == ("failed", "queued")
        claim = claim_one(whatsapp)
        assert claim is not None
        assert (claim.message_id, claim.integration.render(claim.outbound)["ContentSid"]) == (
            successor.id,
            TEMPLATE.id,
        )
        record_accepted(claim, "SM" + "4" * 32)
        form = status_form(hub_demo, "SM" + "4" * 32, "failed", ErrorCode="63016")
        post_callback(hub_demo, form, target=f"{STATUS}?message={successor.id}&attempt=1")
        process_pending_callbacks()
        assert self.successors(successor.id) == [], (
            "a template that fails is not tried as a template again"
        )

    def test_message_without_a_template_stays_failed(
        self, hub_demo: Flask, whatsapp: Connection, sent_text: Callable[..., str]
    ) -> None:
        message_id = sent_text(None)
        self.report_refusal(hub_demo, message_id)
        assert (status(message_id), message(message_id).code, self.successors(message_id)) == (
            "failed",
            "63016",
            [],
        )

    def test_immediate_refusal_sends_the_template_too(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        receive_whatsapp(hub_demo)
        process_pending_callbacks()
        message_id = queue_draft(whatsapp, TEMPLATE)
        claim = claim_one(whatsapp)
        assert claim is not None
        delivery.record_and_claim(
            [calls.Outcome(claim, None, TemplateRequired("Too late.", "63016"), now(), 5, 400)],
            {},
        )
        assert [successor.status for successor in self.successors(message_id)] == ["queued"]
