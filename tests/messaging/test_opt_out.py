"""Conversations about not being written to: a message, STOP, a blocked send, START, a send that works."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.accounts import demo
from hub.errors import Refused
from hub.extensions import db
from hub.messaging import delivery, direct, opt_out, suppressions, timeline
from hub.models import Body, Connection, Consent, Message, Suppression
from hub.models.types import now
from hub.store import transaction
from tests.messaging.test_whatsapp import came_in, drafted, forget, turn
from tests.messaging.test_whatsapp import whatsapp as whatsapp
from tests.stage import ERIC, a_message, count, settle_receipts, status

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
    return status(direct.send(to=ERIC, text=text, channel=channel, test=True))


def said() -> list[str]:
    """Return everything that we have queued, oldest first."""
    db.session.rollback()
    return [db.session.get_one(Body, one.id).content["text"] for one in db.session.scalars(select(Message).order_by(Message.id))]


def ledger() -> list[tuple[bool, str, str]]:
    db.session.rollback()
    return [(one.given, one.channel, one.source) for one in db.session.scalars(select(Consent).order_by(Consent.id))]


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


@pytest.mark.parametrize("text", ["Please stop", "STOP it", "Can you stop by?", ""])
def test_a_sentence_closes_nothing(hub_demo: Flask, text: str) -> None:
    say(hub_demo, text)
    assert send("whatsapp") == "queued"
    assert ledger() == []


def test_a_stop_holds_for_the_channel_it_was_written_on(hub_demo: Flask) -> None:
    say(hub_demo, "Hello")
    say(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "queued")


def test_a_stop_holds_everywhere_where_an_admin_says_so(hub_demo: Flask) -> None:
    opt_out.save({}, everywhere=True)
    forget()
    say(hub_demo, "Hello")
    say(hub_demo, "STOP", "")
    assert (send("sms"), send("whatsapp")) == ("suppressed", "suppressed")
    say(hub_demo, "START", "whatsapp:")
    assert (send("sms"), send("whatsapp")) == ("queued", "queued")


@pytest.mark.parametrize("words", [("ABMELDEN", "abmelden"), ("Désabonner", "DESABONNER"), ("退订", "退订")])
def test_more_words_are_a_setting(hub_demo: Flask, words: tuple[str, str]) -> None:
    opt_out.save({"stop": {"xx": f"{words[0]}, andere"}}, everywhere=False)
    forget()
    say(hub_demo, words[1])
    assert send("whatsapp") == "suppressed"


@pytest.mark.parametrize(
    "words",
    [{"stop": {"de": "ENDE"}, "start": {"de": "Ende"}}, {"stop": {"de": "x" * 41}}, {"help": {"de": "Hilfe"}, "stop": {"en": "HILFE"}}],
)
def test_a_word_with_two_meanings_or_no_end_is_refused(hub_demo: Flask, words: Any) -> None:
    with pytest.raises(Refused):
        opt_out.save(words, everywhere=False)


def test_help_in_a_chat_names_the_command(hub_demo: Flask) -> None:
    demo.connect_chats()
    one = db.session.scalars(select(Connection).where(Connection.slug == "demo-telegram")).one()
    assert opt_out.help_text(one.id) == "Demo Telegram: messages about documents for you to sign. Send /stop to end that."


def test_help_says_who_this_is_and_how_to_stop(hub_demo: Flask, whatsapp: Connection) -> None:
    say(hub_demo, "help")
    assert said() == ["Demo WhatsApp: messages about documents for you to sign. Reply STOP to opt out."]

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


# ── What keywords may not do ────────────────────────────────────────────────────────────────────────────────
def test_start_lifts_only_what_a_keyword_closed(hub_demo: Flask) -> None:
    say(hub_demo, "Hello")
    closed = suppressions.add(ERIC, why="A court order.", test=True)
    say(hub_demo, "STOP")
    say(hub_demo, "START")
    assert send("whatsapp") == "suppressed"
    problem = timeline.problem(db.session.scalars(select(Message).order_by(Message.id.desc())).first())  # type: ignore[arg-type]
    assert problem is not None
    assert "Somebody here closed" in problem.text
    suppressions.lift(closed.id, why="It was overturned.")
    assert send("whatsapp") == "queued"


def test_start_lifts_what_the_provider_knew_of_a_stop(hub_demo: Flask) -> None:
    suppressions.suppress(a_message(), reason="provider", code="21610")
    assert send("sms") == "suppressed"
    say(hub_demo, "START", "")
    assert send("sms") == "queued"


def test_start_does_not_make_a_landline_a_mobile(hub_demo: Flask) -> None:
    suppressions.suppress(a_message(), reason="provider", code="21614")
    say(hub_demo, "START", "")
    assert send("sms") == "suppressed"


def test_a_forged_stop_changes_nothing(hub_demo: Flask) -> None:
    from tests.stage import credentials

    account = credentials(hub_demo)
    form = {"AccountSid": account.account_sid, "From": ERIC, "To": account.phone_number, "Body": "STOP", "MessageSid": "SM" + "f" * 32,
            "SmsStatus": "received"}  # fmt: skip
    answer = hub_demo.test_client().post("/api/rpc/webhooks/twilio/inbound", data=form, headers={"X-Twilio-Signature": "x" * 28})
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


def test_settled_in_the_wrong_order_the_last_word_counts(hub_demo: Flask, whatsapp: Connection) -> None:
    from hub.integrations.base import Inbound
    from hub.messaging import inbound
    from hub.messaging.statuses import Origin
    from hub.vocabulary import Channel

    def told(text: str, ago: int) -> None:
        came = Inbound(provider_id=f"SM{next(NEXT):032x}", channel=Channel.WHATSAPP, senders=(whatsapp.sender,), address=ERIC, text=text)
        inbound.take(came, Origin("callback", [whatsapp.id]), now() - timedelta(seconds=ago))

    told("START", 10)
    told("STOP", 20)
    forget()
    assert send("whatsapp") == "queued"
    told("STOP", 5)
    told("START", 7)
    assert send("whatsapp") == "suppressed"


def test_nothing_goes_after_a_stop_however_much_is_queued(hub_demo: Flask, whatsapp: Connection) -> None:
    say(hub_demo, "Hello")
    for _ in range(200):
        drafted(whatsapp)
    assert len(delivery.turn([], {whatsapp.id: 20})) == 20, "these are being handed over already"
    say(hub_demo, "STOP")
    claims = [claim for _ in range(12) for claim in delivery.turn([], {whatsapp.id: 20})]
    assert [claim.outbound.text for claim in claims] == [opt_out.CONFIRMATION]
    assert count(Suppression) == 1
    stopped = db.session.scalars(select(Message.status).where(Message.code == "keyword")).all()
    assert (len(stopped), set(stopped)) == (180, {"suppressed"})
