"""Limits of keywords: opt-outs that STOP or START does not affect."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Inbound
from hub.messaging.contacts import opt_out_files, suppressions
from hub.messaging.inbox import inbound, opt_out
from hub.messaging.send import claims as delivery
from hub.messaging.track import timeline
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Message, Suppression
from hub.shared.sentences import sentence
from tests.hub_fixtures import ERIC, count, process_pending_callbacks, queue_text
from tests.messaging.inbox.opt_out_steps import NEXT, list_consents, receive_text, send
from tests.messaging.whatsapp_steps import forget_window, queue_draft, receive_whatsapp
from tests.messaging.whatsapp_steps import whatsapp as whatsapp

CONFIRMATION = sentence("opted_out", "en")


def test_start_lifts_only_opt_outs_by_keyword(hub_demo: Flask) -> None:
    receive_text(hub_demo, "Hello")
    court_order = suppressions.add_opt_out(ERIC, explanation="A court order.", test=True)
    receive_text(hub_demo, "STOP")
    receive_text(hub_demo, "START")
    assert send("whatsapp") == "suppressed"
    problem = timeline.explain_failure(
        db.session.scalars(select(Message).order_by(Message.id.desc())).first()
    )  # type: ignore[arg-type]
    assert problem is not None
    assert "was opted out manually" in problem.text
    suppressions.lift_opt_out(court_order.id, reason="It was overturned.")
    assert send("whatsapp") == "queued"


def test_start_lifts_an_opt_out_reported_by_the_provider(hub_demo: Flask) -> None:
    suppressions.suppress(queue_text(), reason="provider", code="21610")
    assert send("sms") == "suppressed"
    receive_text(hub_demo, "START", "")
    assert send("sms") == "queued"


@pytest.mark.parametrize("everywhere", [True, False])
def test_start_does_not_lift_an_opt_out_recorded_after_the_stop(
    hub_demo: Flask, everywhere: bool
) -> None:
    opt_out.save_rules({}, everywhere=everywhere)
    forget_window()
    if everywhere:
        receive_text(hub_demo, "STOP", "")
        suppressions.add_opt_out(ERIC, explanation="By letter.", test=True)
        receive_text(hub_demo, "START", "")
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
    suppressions.suppress(queue_text(), reason="provider", code="21614")
    receive_text(hub_demo, "START", "")
    assert send("sms") == "suppressed"


def test_forged_stop_changes_nothing(hub_demo: Flask) -> None:
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
    process_pending_callbacks()
    assert send("sms") == "queued"


def test_repeated_or_late_stop_does_not_undo_a_start(hub_demo: Flask) -> None:
    stop = f"SM{next(NEXT):032x}"
    receive_whatsapp(hub_demo, "STOP", sid=stop)
    receive_whatsapp(hub_demo, "STOP", sid=stop)
    process_pending_callbacks()
    receive_text(hub_demo, "START")
    receive_whatsapp(hub_demo, "STOP", sid=stop)
    process_pending_callbacks()
    assert send("whatsapp") == "queued"
    assert list_consents() == [(False, "whatsapp", "keyword"), (True, "whatsapp", "keyword")]


def test_latest_keyword_counts_in_any_order_of_processing(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    def receive(text: str, ago: int) -> None:
        inbound_message = Inbound(
            provider_id=f"SM{next(NEXT):032x}",
            channel=Channel.WHATSAPP,
            senders=(whatsapp.sender,),
            address=ERIC,
            text=text,
        )
        inbound.store_inbound(
            inbound_message, Origin("callback", [whatsapp.id]), now() - timedelta(seconds=ago)
        )

    receive("START", 10)
    receive("STOP", 20)
    forget_window()
    assert send("whatsapp") == "queued"
    receive("STOP", 5)
    receive("START", 7)
    assert send("whatsapp") == "suppressed"


def test_nothing_is_sent_after_a_stop_from_a_long_queue(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_text(hub_demo, "Hello")
    for _ in range(200):
        queue_draft(whatsapp)
    assert len(delivery.record_and_claim([], {whatsapp.id: 20})) == 20, (
        "these are being sent already"
    )
    receive_text(hub_demo, "STOP")
    claims = [
        claim for _ in range(12) for claim in delivery.record_and_claim([], {whatsapp.id: 20})
    ]
    assert [claim.outbound.text for claim in claims] == [CONFIRMATION]
    assert count(Suppression) == 1
    stopped = db.session.scalars(select(Message.status).where(Message.code == "keyword")).all()
    assert (len(stopped), set(stopped)) == (180, {"suppressed"})
