"""The policy: consents, countries, caps and quiet hours are checked before each message."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose import outbox, resend
from hub.messaging.contacts import consents
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.inbox import opt_out
from hub.messaging.policy import policy as policies
from hub.messaging.policy import session_windows, spending
from hub.messaging.send import claims
from hub.messaging.send.calls import Outcome
from hub.messaging.send.dispatcher import Dispatcher
from hub.models import Attempt, Connection, Message
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    deliver,
    event_body,
    message,
    process_pending_callbacks,
    signer_body,
    status,
    texts_at_provider,
    update_message,
)
from tests.messaging.policy.policy_steps import (
    CHEAP,
    claim,
    post_message,
    receive_text,
    save_rules,
    status_and_code,
)
from tests.messaging.whatsapp_steps import TEMPLATE, receive_whatsapp
from tests.messaging.whatsapp_steps import whatsapp as whatsapp


def queue_template_message(connection: Connection, to: str = ERIC) -> str:
    """Queue a message of an event over WhatsApp with an approved template."""
    contact = get_or_create_contact(Address.PHONE, to, test=True)
    return outbox.add_message(
        outbox.Draft(
            connection=connection.info, recipient=contact, text="Please sign.", template=TEMPLATE
        )
    )


# ── Consent ───────────────────────────────────────────────────────────────────────────────────────
def test_required_consent_is_enforced(whatsapp: Connection) -> None:
    save_rules(whatsapp, consent=True)
    assert status_and_code(queue_template_message(whatsapp)) == ("suppressed", "consent_missing")
    receive_text(True, "sms")
    assert status_and_code(queue_template_message(whatsapp)) == (
        "suppressed",
        "consent_missing",
    ), "a yes to texts is none to WhatsApp"
    receive_text(True)
    message_id = queue_template_message(whatsapp)
    assert status_and_code(message_id) == ("queued", "")
    assert message(message_id).consent_id is not None, (
        "the message names the yes that it rests upon"
    )
    assert [claimed.message_id for claimed in claim(whatsapp)] == [message_id]


def test_refusal_is_respected_with_and_without_consent_rule_up_to_sending(
    connection: Connection,
) -> None:
    waits = post_message()
    receive_text(False, "")
    assert status_and_code(post_message()) == ("suppressed", "consent_no")
    assert claim(connection) == []
    assert status_and_code(waits) == ("suppressed", "consent_no")
    receive_text(True, "sms")
    assert status_and_code(post_message()) == ("queued", ""), "what was said last counts"


def test_consent_expires_where_rules_say_so(whatsapp: Connection) -> None:
    save_rules(whatsapp, consent=True, consent_days=30)
    receive_text(True, at=now() - timedelta(days=31))
    assert status_and_code(queue_template_message(whatsapp)) == ("suppressed", "consent_old")
    receive_text(True, at=now() - timedelta(days=29))
    assert status_and_code(queue_template_message(whatsapp)) == ("queued", "")


def test_consents_for_other_purposes_do_not_count(
    whatsapp: Connection, connection: Connection
) -> None:
    save_rules(whatsapp, consent=True)
    receive_text(True, purpose="marketing")
    assert status_and_code(queue_template_message(whatsapp)) == ("suppressed", "consent_missing")
    receive_text(False, "sms", purpose="marketing")
    assert status_and_code(post_message()) == ("queued", "")
    receive_text(True, purpose="signing")
    assert status_and_code(queue_template_message(whatsapp)) == ("queued", "")


def test_reply_to_an_inbound_message_needs_no_consent(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    save_rules(whatsapp, consent=True)
    receive_whatsapp(hub_demo)
    process_pending_callbacks()
    message_id = post_message(channel="whatsapp")
    assert status_and_code(message_id) == ("queued", "")
    assert len(claim(whatsapp)) == 1


def test_stop_applies_only_to_its_sender(hub_demo: Flask, connection: Connection) -> None:
    receive_whatsapp(hub_demo, "STOP", channel="")
    process_pending_callbacks()
    assert status_and_code(post_message()) == ("suppressed", "keyword")
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    other_sender = replace(connection.info, sender="+15005550099")
    question = policies.PolicyQuestion(contact)
    assert policies.Policy(other_sender, [question]).decide(question).code == ""


def test_start_neither_undoes_a_recorded_objection_nor_counts_as_consent(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    save_rules(whatsapp, consent=True)
    for n, keyword in enumerate(("STOP", "START")):
        receive_whatsapp(hub_demo, keyword, sid=f"SM{n:032x}")
        process_pending_callbacks()
    session_windows.close_window(
        db.session.get_one(Connection, whatsapp.id).sender,
        get_or_create_contact(Address.PHONE, ERIC, test=True).id,
    )
    assert status_and_code(queue_template_message(whatsapp)) == ("suppressed", "consent_missing")
    consents.record_consent(ConsentEntry(ERIC, False), source="admin", test=True)
    for n, keyword in enumerate(("STOP", "START")):
        receive_whatsapp(hub_demo, keyword, sid=f"SM{n + 7:032x}")
        process_pending_callbacks()
    assert status_and_code(queue_template_message(whatsapp)) == ("suppressed", "consent_no")


def test_whatsapp_requires_consent_by_default_and_sms_does_not(
    whatsapp: Connection, connection: Connection
) -> None:
    assert policies.get_rules(replace(whatsapp.info, rules="")).consent
    assert not policies.get_rules(replace(connection.info, rules="")).consent


# ── Countries ─────────────────────────────────────────────────────────────────────────────────────
def test_unlisted_country_is_refused_at_queueing_and_before_sending(
    connection: Connection,
) -> None:
    early = post_message(ANNA)
    save_rules(connection, countries=frozenset({"US"}))
    assert status_and_code(post_message(ANNA)) == ("suppressed", "country_not_allowed")
    assert status_and_code(post_message(ERIC)) == ("queued", "")
    assert [claimed.outbound.to for claimed in claim(connection)] == [ERIC]
    assert status_and_code(early) == (
        "suppressed",
        "country_not_allowed",
    ), "the rule is younger than the message"


def test_response_to_an_event_names_the_rule(
    signing_app: SigningApp, connection: Connection
) -> None:
    save_rules(connection, countries=frozenset({"US"}))
    answer = signing_app.post(
        "/events", event_body(signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    )
    assert answer.status_code == 202
    codes = {
        message["to"]: (message["status"], message["code"])
        for message in answer.json["messages"]
        if message["channel"] == "sms"
    }
    assert codes == {ERIC: ("queued", None), ANNA: ("suppressed", "country_not_allowed")}


# ── Caps ──────────────────────────────────────────────────────────────────────────────────────────
def test_recipient_receives_no_more_than_the_hourly_cap(
    connection: Connection, simulator: Any
) -> None:
    save_rules(connection, per_hour=2)
    ids = [post_message(text=f"{n}") for n in range(4)]
    assert [status_and_code(message_id) for message_id in ids] == [
        ("queued", ""),
        ("queued", ""),
        ("suppressed", "cap_hour"),
        ("suppressed", "cap_hour"),
    ]
    assert status_and_code(post_message(ANNA)) == ("queued", ""), "others are not concerned"
    deliver()
    assert status_and_code(post_message()) == ("suppressed", "cap_hour")
    _backdate(ids[0], timedelta(minutes=61))
    assert status_and_code(post_message()) == ("queued", "")


def test_daily_cap_is_enforced_separately(connection: Connection, simulator: Any) -> None:
    save_rules(connection, per_hour=2, per_day=3)
    first = [post_message(text=f"{n}") for n in range(2)]
    deliver()
    for message_id in first:
        _backdate(message_id, timedelta(hours=2))
    assert [status_and_code(post_message(text=f"later {n}"))[1] for n in range(2)] == [
        "",
        "cap_day",
    ]


def test_undelivered_message_does_not_count_towards_limits(
    connection: Connection, simulator: Any
) -> None:
    save_rules(connection, per_hour=1)
    message_id = post_message("+15005550009")  # no mobile number: refused by the provider
    deliver()
    assert status(message_id) == "failed"
    db.session.rollback()
    contact = get_or_create_contact(Address.PHONE, "+15005550009", test=True)
    question = policies.PolicyQuestion(replace(contact, address_key=b"other"))
    connection_info = db.session.get_one(Connection, connection.id).info
    assert policies.Policy(connection_info, [question]).decide(question).code == ""


@transaction
def _backdate(message_id: str, how_long: timedelta) -> None:
    for attempt in db.session.scalars(select(Attempt).where(Attempt.message_id == message_id)):
        attempt.started_at -= how_long


def test_fallback_message_is_not_counted_with_the_original(whatsapp: Connection) -> None:
    save_rules(whatsapp, per_hour=1)
    first = queue_template_message(whatsapp)
    [claimed] = claim(whatsapp)
    claims.record_and_claim([Outcome(claimed, Accepted("SM" + "1" * 32), None, now(), 5, 201)], {})
    update_message(first, status="failed", due_at=None)
    assert status_and_code(resend.resend(first).id) == ("queued", "")


def test_help_is_answered_up_to_a_cap_and_only_in_allowed_countries(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    for n in range(6):
        receive_whatsapp(hub_demo, "HELP", sid=f"SM{n:032x}")
        process_pending_callbacks()
    db.session.rollback()
    assert (
        db.session.scalar(
            select(func.count()).select_from(Message).where(Message.status == "queued")
        )
        == opt_out.MAX_HELP_REPLIES
    )
    save_rules(whatsapp, countries=frozenset({"DE"}), prices=CHEAP)
    assert claim(whatsapp) == []
    assert spending.read_spending(whatsapp.id, now()).day == 0


@pytest.mark.parametrize("limit_name", ["per_hour", "spend_day"])
def test_sixty_four_concurrent_senders_never_exceed_a_limit(
    hub_demo: Flask, connection: Connection, simulator: Any, limit_name: str
) -> None:
    for n in range(200):
        post_message(text=f"text {n}")
    limit: dict[str, Any] = (
        {"per_hour": 17}
        if limit_name == "per_hour"
        else {"spend_day": Decimal("0.17"), "prices": CHEAP}
    )
    save_rules(connection, **limit)

    def work() -> None:
        with hub_demo.app_context():
            Dispatcher(ShutdownSignal(20)).run(linger=0.3)

    # each with as many as 64 calls at once
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(texts_at_provider(simulator)) == 17
    db.session.rollback()
    refused = db.session.scalar(
        select(func.count()).select_from(Message).where(Message.status == "suppressed")
    )
    assert refused == 183
