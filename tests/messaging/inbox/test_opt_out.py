"""Conversations about not being written to: a message, STOP, a blocked send, START, a send that
works.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

import hub
from hub.connections import connections, demo
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.errors import Refused
from hub.core.vocabulary import Address, Channel, ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import replay
from hub.integrations.base import Inbound
from hub.messaging.compose import direct
from hub.messaging.contacts import opt_out_files, suppressions
from hub.messaging.inbox import inbound, opt_out
from hub.messaging.policy.policy import Policy, PolicyQuestion
from hub.messaging.send import claims as delivery
from hub.messaging.state import unreadable_rows
from hub.messaging.track import timeline
from hub.messaging.track.statuses import Origin
from hub.models import Body, Connection, Consent, Contact, Message, Receipt, Setting, Suppression
from hub.models import Inbound as Came
from hub.shared.address_keys import address_key
from tests.conftest import Browser
from tests.fake_provider import Loft, Pigeon
from tests.hub_fixtures import ERIC, a_message, call_back, count, receipts, settle_receipts, status
from tests.messaging.test_whatsapp import came_in, drafted, forget, turn
from tests.messaging.test_whatsapp import whatsapp as whatsapp

CHANNELS = [("sms", ""), ("whatsapp", "whatsapp:")]
NEXT = iter(range(10**9))


def say(app: Flask, text: str, channel: str = "whatsapp:", **more: str) -> str:
    """Let Eric write, and let the hub hear it; return the message's SID."""
    sid = f"SM{next(NEXT):032x}"
    assert came_in(app, text, sid=sid, channel=channel, **more).status_code == 200
    settle_receipts()
    db.session.rollback()
    return sid


def send(channel: str, text: str = "Your contract is ready.") -> str:
    """Queue a text to Eric and return what became of it at once."""
    return status(direct.send_message(to=ERIC, text=text, channel=channel, test=True))


def said() -> list[str]:
    """Return everything that we have queued, oldest first."""
    db.session.rollback()
    return [
        db.session.get_one(Body, one.id).content["text"]
        for one in db.session.scalars(select(Message).order_by(Message.id))
    ]


def ledger() -> list[tuple[bool, str, str]]:
    db.session.rollback()
    return [
        (one.given, one.channel, one.source)
        for one in db.session.scalars(select(Consent).order_by(Consent.id))
    ]


@pytest.mark.parametrize(("channel", "prefix"), CHANNELS)
def test_stop_closes_and_start_opens(hub_demo: Flask, channel: str, prefix: str) -> None:
    say(hub_demo, "Hello", prefix)
    assert send(channel) == "queued"
    say(hub_demo, " stop ", prefix)
    assert send(channel) == "suppressed"
    say(hub_demo, "Start", prefix)
    assert send(channel) == "queued"
    assert ledger() == [(False, channel, "keyword"), (True, channel, "keyword")]


@pytest.mark.parametrize(("prefix", "answers"), [("", []), ("whatsapp:", [opt_out.CONFIRMATION])])
def test_a_stop_is_confirmed_once_where_the_provider_does_not(
    hub_demo: Flask, whatsapp: Connection, prefix: str, answers: list[str]
) -> None:
    for _ in range(3):
        say(hub_demo, "STOP", prefix)
    assert said() == answers
    if answers:
        claim = turn(whatsapp)
        assert claim is not None, "the confirmation goes to who wants nothing else"
        assert claim.outbound.text == opt_out.CONFIRMATION
        say(hub_demo, "START", prefix)
        say(hub_demo, "STOP", prefix)
        assert said() == answers * 2


def test_what_the_provider_has_read_and_answered_wins_over_the_words(hub_demo: Flask) -> None:
    say(hub_demo, "Lasst mich in Ruhe", "", OptOutType="STOP")
    assert send("sms") == "suppressed"
    say(hub_demo, "STOP", "", OptOutType="HELP")
    say(hub_demo, "Gerne wieder", "", OptOutType="START")
    assert send("sms") == "queued"
    assert len(said()) == 2, "only what we sent ourselves"


@pytest.mark.parametrize(
    "text", ["Stop.", "please stop", "Opt-out", "STOP 🛑", "unsubscribe me", "“stop all”"]
)
def test_an_opt_out_may_be_decorated(hub_demo: Flask, text: str) -> None:
    say(hub_demo, text, "")
    assert send("sms") == "suppressed"


@pytest.mark.parametrize("text", ["Stop by at noon?", "STOP it", "Can you stop by?", ""])
def test_a_sentence_closes_nothing(hub_demo: Flask, text: str) -> None:
    say(hub_demo, text)
    assert send("whatsapp") == "queued"
    assert ledger() == []


def test_a_stop_holds_for_the_channel_it_was_written_on(hub_demo: Flask) -> None:
    say(hub_demo, "Hello")
    say(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "queued")


def test_a_stop_holds_everywhere_where_an_admin_says_so(hub_demo: Flask) -> None:
    opt_out.save_rules({}, everywhere=True)
    forget()
    say(hub_demo, "Hello")
    say(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "suppressed")
    say(hub_demo, "START", "whatsapp:")
    assert (send("sms"), send("whatsapp")) == ("queued", "queued")


@pytest.mark.parametrize(
    "words", [("ABMELDEN", "abmelden"), ("Désabonner", "DESABONNER"), ("退订", "退订")]
)
def test_more_words_are_a_setting(hub_demo: Flask, words: tuple[str, str]) -> None:
    opt_out.save_rules({"stop": {"xx": f"{words[0]}, andere"}}, everywhere=False)
    forget()
    say(hub_demo, words[1])
    assert send("whatsapp") == "suppressed"


@pytest.mark.parametrize(
    "words",
    [
        {"stop": {"de": "ENDE"}, "start": {"de": "Ende"}},
        {"stop": {"de": "🛑"}},
        {"stop": {"xx": "a-b"}, "help": {"xx": "AB"}},
        {"stop": {"de": "x" * 41}},
        {"help": {"de": "Hilfe"}, "stop": {"en": "HILFE"}},
    ],
)
def test_a_word_with_two_meanings_or_no_end_is_refused(hub_demo: Flask, words: Any) -> None:
    with pytest.raises(Refused):
        opt_out.save_rules(words, everywhere=False)


def test_help_in_a_chat_names_the_command(hub_demo: Flask) -> None:
    demo.connect_chats()
    one = db.session.scalars(select(Connection).where(Connection.slug == "demo-telegram")).one()
    assert (
        opt_out.help_text(one.id)
        == "Demo Telegram: messages about documents for you to sign. Send /stop to end that."
    )


def test_help_says_who_this_is_and_how_to_stop(hub_demo: Flask, whatsapp: Connection) -> None:
    say(hub_demo, "help")
    assert said() == [
        "Demo WhatsApp: messages about documents for you to sign. Reply STOP to opt out."
    ]

    @transaction
    def change() -> None:
        row = db.session.get_one(Connection, whatsapp.id)
        row.settings = {**row.settings, "help_text": "Acme HR, hr@acme.example. STOP ends it."}
        row.settings_version += 1

    change()
    say(hub_demo, "STOP")
    say(hub_demo, "INFO")
    assert said()[1:] == [opt_out.CONFIRMATION, "Acme HR, hr@acme.example. STOP ends it."]
    say(hub_demo, "HELP", "")
    assert len(said()) == 3, "over SMS the provider answers"


# ── What keywords may not do ──────────────────────────────────────────────────────────────────────
def test_start_lifts_only_what_a_keyword_closed(hub_demo: Flask) -> None:
    say(hub_demo, "Hello")
    closed = suppressions.add_opt_out(ERIC, why="A court order.", test=True)
    say(hub_demo, "STOP")
    say(hub_demo, "START")
    assert send("whatsapp") == "suppressed"
    problem = timeline.problem_of(
        db.session.scalars(select(Message).order_by(Message.id.desc())).first()
    )  # type: ignore[arg-type]
    assert problem is not None
    assert "was opted out manually" in problem.text
    suppressions.lift_opt_out(closed.id, why="It was overturned.")
    assert send("whatsapp") == "queued"


def test_start_lifts_what_the_provider_knew_of_a_stop(hub_demo: Flask) -> None:
    suppressions.suppress(a_message(), reason="provider", code="21610")
    assert send("sms") == "suppressed"
    say(hub_demo, "START", "")
    assert send("sms") == "queued"


@pytest.mark.parametrize("everywhere", [True, False])
def test_start_lifts_no_opt_out_that_was_recorded_after_the_stop(
    hub_demo: Flask, everywhere: bool
) -> None:
    opt_out.save_rules({}, everywhere=everywhere)
    forget()
    if everywhere:
        say(hub_demo, "STOP", "")
        suppressions.add_opt_out(ERIC, why="By letter.", test=True)
        say(hub_demo, "START", "")
    else:
        opt_out.process_unassigned_keyword(
            Inbound(channel=Channel.SMS, address=ERIC, text="STOP"), now()
        )
        opt_out_files.import_opt_outs(f"address,channel\r\n{ERIC},sms\r\n", test=False)
        opt_out.process_unassigned_keyword(
            Inbound(channel=Channel.SMS, address=ERIC, text="START"), now()
        )
    assert send("sms") == "suppressed"
    [row] = db.session.scalars(select(Suppression).where(Suppression.lifted_at.is_(None)))
    assert row.reason == ("admin" if everywhere else "import")


def test_start_does_not_make_a_landline_a_mobile(hub_demo: Flask) -> None:
    suppressions.suppress(a_message(), reason="provider", code="21614")
    say(hub_demo, "START", "")
    assert send("sms") == "suppressed"


def test_a_forged_stop_changes_nothing(hub_demo: Flask) -> None:
    from tests.hub_fixtures import credentials

    account = credentials(hub_demo)
    form = {
        "AccountSid": account.account_sid,
        "From": ERIC,
        "To": account.phone_number,
        "Body": "STOP",
        "MessageSid": "SM" + "f" * 32,
        "SmsStatus": "received",
    }
    answer = hub_demo.test_client().post(
        "/api/rpc/webhooks/twilio/inbound", data=form, headers={"X-Twilio-Signature": "x" * 28}
    )
    assert answer.status_code == 403
    settle_receipts()
    assert send("sms") == "queued"


def test_told_twice_or_late_a_stop_undoes_no_start(hub_demo: Flask) -> None:
    stop = f"SM{next(NEXT):032x}"
    came_in(hub_demo, "STOP", sid=stop)
    came_in(hub_demo, "STOP", sid=stop)
    settle_receipts()
    say(hub_demo, "START")
    came_in(hub_demo, "STOP", sid=stop)
    settle_receipts()
    assert send("whatsapp") == "queued"
    assert ledger() == [(False, "whatsapp", "keyword"), (True, "whatsapp", "keyword")]


def test_settled_in_the_wrong_order_the_last_word_counts(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    def told(text: str, ago: int) -> None:
        came = Inbound(
            provider_id=f"SM{next(NEXT):032x}",
            channel=Channel.WHATSAPP,
            senders=(whatsapp.sender,),
            address=ERIC,
            text=text,
        )
        inbound.store_inbound(
            came, Origin("callback", [whatsapp.id]), now() - timedelta(seconds=ago)
        )

    told("START", 10)
    told("STOP", 20)
    forget()
    assert send("whatsapp") == "queued"
    told("STOP", 5)
    told("START", 7)
    assert send("whatsapp") == "suppressed"


def test_nothing_goes_after_a_stop_however_much_is_queued(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    say(hub_demo, "Hello")
    for _ in range(200):
        drafted(whatsapp)
    assert len(delivery.record_and_claim([], {whatsapp.id: 20})) == 20, (
        "these are being handed over already"
    )
    say(hub_demo, "STOP")
    claims = [
        claim for _ in range(12) for claim in delivery.record_and_claim([], {whatsapp.id: 20})
    ]
    assert [claim.outbound.text for claim in claims] == [opt_out.CONFIRMATION]
    assert count(Suppression) == 1
    stopped = db.session.scalars(select(Message.status).where(Message.code == "keyword")).all()
    assert (len(stopped), set(stopped)) == (180, {"suppressed"})


# ── Connections without a sender ──────────────────────────────────────────────────────────────────
def a_pigeon_post(slug: str, integration: str = "pigeon") -> Connection:
    """Connect another product that has no sender, on the same channel."""

    @transaction
    def make() -> str:
        made = lock_connection(connections.create(integration, slug, test=True))
        made.settings = {}
        made.settings_version = 1
        set_state(made, ConnectionState.ENABLED)
        return made.id

    return db.session.get_one(Connection, make())


def by(one: Connection, to: str = "roof") -> str:
    return status(direct.send_message(to=to, text="Coo.", connection_slug=one.slug, test=True))


def test_a_refusal_holds_for_the_connection_without_sender_that_met_it(
    pigeons: Connection, loft: Loft
) -> None:
    other = a_pigeon_post("another loft", "many_pigeons")
    refused = direct.send_message(to="roof", text="Coo.", connection_slug=pigeons.slug, test=True)
    suppressions.suppress(refused, reason="provider", code="p8")
    assert (by(pigeons), by(other)) == ("suppressed", "queued")
    suppressions.lift_for_sender(refused)
    assert by(pigeons) == "queued"


def test_a_stop_to_a_connection_without_sender_stays_with_it(
    pigeons: Connection, loft: Loft
) -> None:
    other = a_pigeon_post("another loft", "many_pigeons")
    told_pigeon(pigeons, "STOP", 30)
    assert (by(pigeons), by(other)) == ("suppressed", "queued")
    told_pigeon(other, "START", 20)
    assert (by(pigeons), by(other)) == ("suppressed", "queued"), "it was said to another"
    told_pigeon(pigeons, "START", 10)
    assert by(pigeons) == "queued"
    told_pigeon(pigeons, "STOP", 15)
    assert by(pigeons) == "queued", "what came late undoes nothing"


def told_pigeon(one: Connection, text: str, ago: int) -> None:
    came = Inbound(
        provider_id=f"p{next(NEXT)}",
        channel=Channel.CHAT,
        kind=Address.CHAT,
        address="roof",
        text=text,
    )
    inbound.store_inbound(came, Origin("callback", [one.id]), now() - timedelta(seconds=ago))


def test_a_window_without_sender_is_open_for_its_connection_alone(
    pigeons: Connection, loft: Loft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pigeon, "session_window", 24)
    other = a_pigeon_post("another loft", "many_pigeons")
    came = Inbound(
        provider_id="p1",
        channel=Channel.CHAT,
        senders=("",),
        kind=Address.CHAT,
        address="roof",
        text="Hello",
    )
    inbound.store_inbound(came, Origin("callback", [pigeons.id]), now())
    contact = db.session.scalars(select(Contact)).one()
    wanted = PolicyQuestion(contact.id, contact.address, contact.address_key)
    free = [Policy(one, [wanted]).allows_free_text(contact.id) for one in (pigeons, other)]
    assert free == [True, False]


@pytest.mark.parametrize("reason", ["admin", "import", "api"])
def test_what_an_admin_closes_holds_for_every_sender_and_those_without_one(
    pigeons: Connection, loft: Loft, reason: str
) -> None:
    @transaction
    def close() -> None:
        key = address_key("chat", "roof")
        db.session.add(
            Suppression(address_key=key, channel="chat", sender="", test=True, reason=reason)
        )

    close()
    assert (by(pigeons), by(a_pigeon_post("another loft"))) == ("suppressed", "suppressed")


# ── What the provider knows of ────────────────────────────────────────────────────────────────────
def test_which_codes_say_that_somebody_replied_stop_is_for_the_integration(
    pigeons: Connection, loft: Loft
) -> None:
    Pigeon.stop_codes = frozenset({"shooed"})
    try:
        for code, then in (("shooed", "queued"), ("21610", "suppressed")):
            refused = direct.send_message(
                to=f"roof {code}", text="Coo.", connection_slug=pigeons.slug, test=True
            )
            suppressions.suppress(refused, reason="provider", code=code)
            came = Inbound(
                provider_id=code,
                channel=Channel.CHAT,
                kind=Address.CHAT,
                address=f"roof {code}",
                text="START",
            )
            inbound.store_inbound(came, Origin("callback", [pigeons.id]), now())
            assert by(pigeons, f"roof {code}") == then
    finally:
        Pigeon.stop_codes = frozenset()


def test_the_core_names_no_code_of_a_provider() -> None:
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
class TestElsewhere:
    """A hub that knows a token for accounts which belong to no connection."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"TWILIO_WEBHOOK_AUTH_TOKEN": "stray-token"}

    def say(self, app: Flask, text: str, prefix: str = "", to: str = "+15005550099") -> None:
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
            call_back(
                app, form, target="/api/rpc/webhooks/twilio/inbound", token="stray-token"
            ).status_code
            == 200
        )
        settle_receipts()
        db.session.rollback()
        assert [one.error for one in receipts()] == [""] * count(Receipt)

    @pytest.mark.parametrize(
        ("channel", "prefix", "other"), [("sms", "", "whatsapp:"), ("whatsapp", "whatsapp:", "")]
    )
    def test_a_stop_holds_for_the_whole_channel(
        self, hub_demo: Flask, channel: str, prefix: str, other: str
    ) -> None:
        say(hub_demo, "Hello")
        self.say(hub_demo, "STOP", other)
        assert send(channel) == "queued", "the other channel"
        self.say(hub_demo, "Stop!", prefix)
        assert send(channel) == "suppressed"
        assert count(Message) == 2, "nobody can answer for an account that is not ours"
        assert (False, channel, "keyword") in ledger()
        self.say(hub_demo, "START", prefix)
        assert send(channel) == "queued"

    def test_a_start_lifts_no_stop_that_was_said_to_a_connection(self, hub_demo: Flask) -> None:
        say(hub_demo, "STOP", "")
        self.say(hub_demo, "STOP")
        self.say(hub_demo, "START")
        assert send("sms") == "suppressed"
        say(hub_demo, "START", "")
        assert send("sms") == "queued"

    def test_a_start_said_to_a_live_connection_lifts_it(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        self.say(hub_demo, "STOP")
        say(hub_demo, "START", "")
        assert send("sms") == "suppressed", (
            "what is said to a test connection changes nothing that is live"
        )

        @transaction
        def make_live() -> None:
            db.session.get_one(Connection, connection.id).test = False

        make_live()
        say(hub_demo, "START", "")
        assert db.session.scalars(select(Suppression.lifted_at)).one() is not None

    def test_the_last_word_counts_in_any_order(self, hub_demo: Flask) -> None:
        def heard(text: str, ago: int) -> None:
            opt_out.process_unassigned_keyword(
                Inbound(channel=Channel.SMS, address=ERIC, text=text),
                now() - timedelta(seconds=ago),
            )

        heard("START", 10)
        heard("STOP", 20)
        assert send("sms") == "queued"
        heard("STOP", 5)
        heard("START", 7)
        assert send("sms") == "suppressed"

    def test_a_start_there_lifts_no_stop_to_ours_that_holds_everywhere(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        @transaction
        def make_live() -> None:
            db.session.get_one(Connection, connection.id).test = False

        make_live()
        opt_out.save_rules({}, everywhere=True)
        forget()
        self.say(hub_demo, "STOP")
        say(hub_demo, "STOP", "")
        self.say(hub_demo, "START")
        standing = select(Suppression.id).where(Suppression.lifted_at.is_(None))
        assert len(db.session.scalars(standing).all()) == 1
        say(hub_demo, "START", "")
        assert not db.session.scalars(standing).all()

    def test_a_replay_closes_nothing_again(self, hub_demo: Flask) -> None:
        self.say(hub_demo, "STOP")
        [row] = db.session.scalars(select(Suppression)).all()
        suppressions.lift_opt_out(row.id, why="They called us.")
        replay.replay(replay.Selection(since=now() - timedelta(hours=1)))
        assert send("sms") == "queued"
        assert ledger() == [(False, "sms", "keyword")]

    @pytest.mark.parametrize("text", ["Hello", "HELP", "Stop by at noon", ""])
    def test_anything_else_is_kept_and_changes_nothing(self, hub_demo: Flask, text: str) -> None:
        before = count(Contact)
        self.say(hub_demo, text)
        assert (count(Contact), count(Suppression), count(Came)) == (before, 0, 0)

    def test_it_holds_everywhere_where_an_admin_says_so(self, hub_demo: Flask) -> None:
        opt_out.save_rules({}, everywhere=True)
        forget()
        say(hub_demo, "Hello")
        self.say(hub_demo, "STOP")
        assert (send("sms"), send("whatsapp")) == ("suppressed", "suppressed")


def test_damaged_words_hold_back_no_message_and_no_stop(hub_demo: Flask, admin: Browser) -> None:
    words = {"stop": {"de": "ABMELDEN"}, "start": {}, "help": {}}
    opt_out.save_rules(words, everywhere=False)

    @transaction
    def damage() -> None:
        db.session.get_one(Setting, opt_out.SETTING)._value = b"\x00"

    damage()
    forget()
    say(hub_demo, "Hello")
    say(hub_demo, "STOP")
    assert [send(channel) for channel in ("whatsapp", "sms")] == ["suppressed", "suppressed"]
    say(hub_demo, "START")
    assert ledger() == [(False, "", "keyword"), (True, "whatsapp", "keyword")]
    assert [(one.kind, one.row) for one in unreadable_rows.list_rows()] == [("settings", "opt_out")]
    assert admin.get("/settings/opt-out-words").status_code == 200
    opt_out.save_rules(words, everywhere=False)
    assert unreadable_rows.list_rows() == []
