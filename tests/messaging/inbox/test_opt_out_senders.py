"""Opt-outs of connections without a sender, and of accounts without a connection."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

import hub
from hub.connections import connections
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.vocabulary import Address, Channel, ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import replay
from hub.integrations.base import Inbound
from hub.messaging.compose import direct
from hub.messaging.contacts import suppressions
from hub.messaging.inbox import inbound, opt_out
from hub.messaging.policy.policy import Policy, PolicyQuestion
from hub.messaging.state import unreadable_rows
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Contact, Message, ProviderCallback, Setting, Suppression
from hub.models import InboundMessage as Came
from hub.shared.address_keys import address_key
from tests.conftest import Browser
from tests.fake_provider import FakeChat, FakeProvider
from tests.hub_fixtures import (
    ERIC,
    callbacks,
    count,
    post_callback,
    process_pending_callbacks,
    status,
)
from tests.messaging.inbox.opt_out_steps import NEXT, list_consents, receive_text, send
from tests.messaging.whatsapp_steps import forget_window


# ── Connections without a sender ──────────────────────────────────────────────────────────────────
def connect_fake_chat(slug: str, integration: str = "fake_chat") -> Connection:
    """Connect another integration without a sender on the same channel."""

    @transaction
    def make() -> str:
        connection = lock_connection(connections.create(integration, slug, test=True))
        connection.settings = {}
        connection.settings_version = 1
        set_state(connection, ConnectionState.ENABLED)
        return connection.id

    return db.session.get_one(Connection, make())


def send_by(connection: Connection, to: str = "room") -> str:
    return status(
        direct.send_message(to=to, text="Hello.", connection_slug=connection.slug, test=True)
    )


def test_refusal_applies_to_its_connection_without_a_sender(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    other_chat = connect_fake_chat("another account", "resending_chat")
    refused = direct.send_message(
        to="room", text="Hello.", connection_slug=fake_chat.slug, test=True
    )
    suppressions.suppress(refused, reason="provider", code="p8")
    assert (send_by(fake_chat), send_by(other_chat)) == (
        "suppressed",
        "queued",
    )
    suppressions.lift_opt_outs_of_message(refused)
    assert send_by(fake_chat) == "queued"


def test_stop_to_a_connection_without_a_sender_stays_with_it(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    other_chat = connect_fake_chat("another account", "resending_chat")
    receive_chat_text(fake_chat, "STOP", 30)
    assert (send_by(fake_chat), send_by(other_chat)) == (
        "suppressed",
        "queued",
    )
    receive_chat_text(other_chat, "START", 20)
    assert (send_by(fake_chat), send_by(other_chat)) == (
        "suppressed",
        "queued",
    ), "it was said to another"
    receive_chat_text(fake_chat, "START", 10)
    assert send_by(fake_chat) == "queued"
    receive_chat_text(fake_chat, "STOP", 15)
    assert send_by(fake_chat) == "queued", "what came late undoes nothing"


def receive_chat_text(connection: Connection, text: str, ago: int) -> None:
    inbound_message = Inbound(
        provider_id=f"p{next(NEXT)}",
        channel=Channel.CHAT,
        kind=Address.CHAT,
        address="room",
        text=text,
    )
    inbound.store_inbound(
        inbound_message, Origin("callback", [connection.id]), now() - timedelta(seconds=ago)
    )


def test_window_without_a_sender_belongs_to_its_connection(
    fake_chat: Connection, fake_provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeChat, "session_window", 24)
    other_chat = connect_fake_chat("another account", "resending_chat")
    inbound_message = Inbound(
        provider_id="p1",
        channel=Channel.CHAT,
        senders=("",),
        kind=Address.CHAT,
        address="room",
        text="Hello",
    )
    inbound.store_inbound(inbound_message, Origin("callback", [fake_chat.id]), now())
    contact = db.session.scalars(select(Contact)).one()
    question = PolicyQuestion(contact.recipient)
    free = [
        Policy(chat.info, [question]).allows_free_text(contact.id)
        for chat in (fake_chat, other_chat)
    ]
    assert free == [True, False]


@pytest.mark.parametrize("reason", ["admin", "import", "api"])
def test_opt_out_added_by_an_admin_applies_to_every_sender(
    fake_chat: Connection, fake_provider: FakeProvider, reason: str
) -> None:
    @transaction
    def add() -> None:
        key = address_key("chat", "room")
        db.session.add(
            Suppression(address_key=key, channel="chat", sender="", test=True, reason=reason)
        )

    add()
    assert (
        send_by(fake_chat),
        send_by(connect_fake_chat("another account")),
    ) == ("suppressed", "suppressed")


# ── What the provider knows of ────────────────────────────────────────────────────────────────────
def test_stop_codes_are_declared_by_the_integration(
    fake_chat: Connection, fake_provider: FakeProvider
) -> None:
    FakeChat.stop_codes = frozenset({"refused"})
    try:
        for code, then in (("refused", "queued"), ("21610", "suppressed")):
            refused = direct.send_message(
                to=f"room {code}", text="Hello.", connection_slug=fake_chat.slug, test=True
            )
            suppressions.suppress(refused, reason="provider", code=code)
            inbound_message = Inbound(
                provider_id=code,
                channel=Channel.CHAT,
                kind=Address.CHAT,
                address=f"room {code}",
                text="START",
            )
            inbound.store_inbound(inbound_message, Origin("callback", [fake_chat.id]), now())
            assert send_by(fake_chat, f"room {code}") == then
    finally:
        FakeChat.stop_codes = frozenset()


def test_core_contains_no_error_code_of_a_provider() -> None:
    rooms = [
        path for path in Path(hub.__file__).parent.rglob("*.py") if "integrations" not in path.parts
    ]
    named = [
        str(path)
        for path in rooms
        if "simulator" not in path.parts and "21610" in path.read_text("utf-8")
    ]
    assert named == []


# ── For an account that belongs to no connection ──────────────────────────────────────────────────
class TestUnassigned:
    """A hub with a token for accounts that have no connection."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"TWILIO_WEBHOOK_AUTH_TOKEN": "stray-token"}

    def receive(self, app: Flask, text: str, prefix: str = "", to: str = "+15005550099") -> None:
        form = {
            "AccountSid": "AC" + "d" * 32,
            "From": prefix + ERIC,
            "To": prefix + to,
            "Body": text,
            "NumMedia": "0",
            "MessageSid": f"SM{next(NEXT):032x}",
            "SmsStatus": "received",
        }
        assert (
            post_callback(
                app, form, target="/api/rpc/webhooks/twilio/inbound", token="stray-token"
            ).status_code
            == 200
        )
        process_pending_callbacks()
        db.session.rollback()
        assert [callback.error for callback in callbacks()] == [""] * count(ProviderCallback)

    @pytest.mark.parametrize(
        ("channel", "prefix", "other_prefix"),
        [("sms", "", "whatsapp:"), ("whatsapp", "whatsapp:", "")],
    )
    def test_stop_applies_to_the_whole_channel(
        self, hub_demo: Flask, channel: str, prefix: str, other_prefix: str
    ) -> None:
        receive_text(hub_demo, "Hello")
        self.receive(hub_demo, "STOP", other_prefix)
        assert send(channel) == "queued", "the other channel"
        self.receive(hub_demo, "Stop!", prefix)
        assert send(channel) == "suppressed"
        assert count(Message) == 2, "nobody can answer for an account that is not ours"
        assert (False, channel, "keyword") in list_consents()
        self.receive(hub_demo, "START", prefix)
        assert send(channel) == "queued"

    def test_start_does_not_lift_a_stop_sent_to_a_connection(self, hub_demo: Flask) -> None:
        receive_text(hub_demo, "STOP", "")
        self.receive(hub_demo, "STOP")
        self.receive(hub_demo, "START")
        assert send("sms") == "suppressed"
        receive_text(hub_demo, "START", "")
        assert send("sms") == "queued"

    def test_start_sent_to_a_live_connection_lifts_it(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        self.receive(hub_demo, "STOP")
        receive_text(hub_demo, "START", "")
        assert send("sms") == "suppressed", (
            "what is said to a test connection changes nothing that is live"
        )

        @transaction
        def make_live() -> None:
            db.session.get_one(Connection, connection.id).test = False

        make_live()
        receive_text(hub_demo, "START", "")
        assert db.session.scalars(select(Suppression.lifted_at)).one() is not None

    def test_latest_keyword_counts_in_any_order(self, hub_demo: Flask) -> None:
        def process_keyword(text: str, ago: int) -> None:
            opt_out.process_unassigned_keyword(
                Inbound(channel=Channel.SMS, address=ERIC, text=text),
                now() - timedelta(seconds=ago),
            )

        process_keyword("START", 10)
        process_keyword("STOP", 20)
        assert send("sms") == "queued"
        process_keyword("STOP", 5)
        process_keyword("START", 7)
        assert send("sms") == "suppressed"

    def test_start_does_not_lift_a_global_stop_sent_to_a_connection(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        @transaction
        def make_live() -> None:
            db.session.get_one(Connection, connection.id).test = False

        make_live()
        opt_out.save_rules({}, everywhere=True)
        forget_window()
        self.receive(hub_demo, "STOP")
        receive_text(hub_demo, "STOP", "")
        self.receive(hub_demo, "START")
        standing = select(Suppression.id).where(Suppression.lifted_at.is_(None))
        assert len(db.session.scalars(standing).all()) == 1
        receive_text(hub_demo, "START", "")
        assert not db.session.scalars(standing).all()

    def test_replay_does_not_add_the_opt_out_again(self, hub_demo: Flask) -> None:
        self.receive(hub_demo, "STOP")
        [row] = db.session.scalars(select(Suppression)).all()
        suppressions.lift_opt_out(row.id, reason="They called us.")
        replay.replay(replay.Selection(since=now() - timedelta(hours=1)))
        assert send("sms") == "queued"
        assert list_consents() == [(False, "sms", "keyword")]

    @pytest.mark.parametrize("text", ["Hello", "HELP", "Stop by at noon", ""])
    def test_other_texts_are_stored_and_change_nothing(self, hub_demo: Flask, text: str) -> None:
        before = count(Contact)
        self.receive(hub_demo, text)
        assert (count(Contact), count(Suppression), count(Came)) == (before, 0, 0)

    def test_stop_applies_everywhere_if_an_admin_chooses_so(self, hub_demo: Flask) -> None:
        opt_out.save_rules({}, everywhere=True)
        forget_window()
        receive_text(hub_demo, "Hello")
        self.receive(hub_demo, "STOP")
        assert (send("sms"), send("whatsapp")) == ("suppressed", "suppressed")


def test_damaged_keywords_block_neither_messages_nor_stops(hub_demo: Flask, admin: Browser) -> None:
    keywords = {"stop": {"de": "ABMELDEN"}, "start": {}, "help": {}}
    opt_out.save_rules(keywords, everywhere=False)

    @transaction
    def damage() -> None:
        db.session.get_one(Setting, opt_out.SETTING)._value = b"\x00"

    damage()
    forget_window()
    receive_text(hub_demo, "Hello")
    receive_text(hub_demo, "STOP")
    assert [send(channel) for channel in ("whatsapp", "sms")] == ["suppressed", "suppressed"]
    receive_text(hub_demo, "START")
    assert list_consents() == [(False, "", "keyword"), (True, "whatsapp", "keyword")]
    assert [(row.table_name, row.row_id) for row in unreadable_rows.list_rows()] == [
        ("settings", "opt_out")
    ]
    assert admin.get("/settings/opt-out-words").status_code == 200
    opt_out.save_rules(keywords, everywhere=False)
    assert unreadable_rows.list_rows() == []
