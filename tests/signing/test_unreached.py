"""A signer whom no step of a route reached is reported to the app, the admins and the team."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts import suppressions
from hub.models import Connection, Message, MessageBody, PlatformEvent, Signer
from hub.signing import unreached
from tests.endpoints.event_steps import bodies, listen
from tests.hub_fixtures import update_message
from tests.signing.ladder_steps import (
    SMS_EMAIL,
    SMS_WHATSAPP,
    eric,
    escalate,
    invite,
    legs,
    let_time_end,
    lose,
    post,
    report_status,
    set_route,
)

pytestmark = pytest.mark.usefixtures("ladder")


def reports() -> list[str]:
    db.session.rollback()
    query = select(PlatformEvent.message_id).where(PlatformEvent.type == "signer_not_reached")
    return [str(message_id) for message_id in db.session.scalars(query)]


def test_ladder_that_reaches_nobody_is_reported_once() -> None:
    endpoint = listen()
    set_route(("whatsapp", None, None), ("sms", "delivered", 30))
    post()
    lose(legs()[0], code="30003")
    assert reports() == []
    lose(legs()[1], code="30003")
    assert reports() == [legs()[1].id]
    escalate()
    [body] = [item for item in bodies(endpoint) if item["type"] == "signer_not_reached"]
    assert (body["signer"], body["message"]) == ("eric", legs()[1].id)
    assert (body["channel"], body["code"]) == ("sms", "30003")
    assert unreached.list_unreached(now() - timedelta(days=1), 10) == [legs()[1].id]


def test_message_that_is_due_again_is_not_reported_twice() -> None:
    set_route(*SMS_WHATSAPP)
    post()
    lose(legs()[0])
    lose(legs()[1])
    update_message(legs()[1].id, escalate_at=now())
    assert escalate() == 1
    assert len(reports()) == 1


def test_signer_who_has_signed_no_longer_needs_attention() -> None:
    set_route(*SMS_WHATSAPP)
    post(signers=[eric(), {"id": "anna", "name": "Anna"}])
    lose(legs()[0])
    lose(legs()[1])
    post("request.signed", signer="eric")
    assert unreached.list_unreached(now() - timedelta(days=1), 10) == []


@pytest.mark.parametrize(
    "values", [{"role": "observer"}, {"removed_at": now()}], ids=["observer", "removed"]
)
def test_overview_lists_only_signers_of_the_request(values: dict[str, Any]) -> None:
    set_route(*SMS_WHATSAPP)
    post()
    lose(legs()[0])
    lose(legs()[1])
    assert len(unreached.list_unreached(now() - timedelta(days=1), 10)) == 1
    change_signer(values)
    assert unreached.list_unreached(now() - timedelta(days=1), 10) == []


@transaction
def change_signer(values: dict[str, Any]) -> None:
    db.session.execute(update(Signer).values(values))


def test_signer_who_opted_out_everywhere_is_reported_once() -> None:
    for address in ("+13175551234", "eric@example.com"):
        suppressions.add_opt_out(address, test=True)
    post()
    escalate()
    escalate()
    assert [(leg.channel, leg.status) for leg in legs()] == [
        ("whatsapp", "suppressed"),
        ("email", "suppressed"),
    ]
    assert len(reports()) == 1


def test_time_without_a_further_step_is_reported() -> None:
    set_route(*SMS_EMAIL)
    invite(signers=[eric(email=None)])
    let_time_end(legs()[0])
    assert reports() == [legs()[0].id]


def test_delivered_message_that_was_not_opened_is_no_failure_to_reach() -> None:
    set_route(("sms", None, None), ("email", "opened", 30))
    invite(signers=[eric(email=None)])
    report_status(legs()[0], Status.DELIVERED)
    let_time_end(legs()[0])
    assert reports() == []


def test_team_reads_who_was_not_reached(connect_team: Callable[..., Connection]) -> None:
    team = connect_team("T1")
    set_route(*SMS_WHATSAPP)
    post()
    lose(legs()[0])
    lose(legs()[1])
    query = select(Message).where(Message.connection_id == team.id).order_by(Message.id.desc())
    db.session.rollback()
    newest = db.session.scalars(query).first()
    body = db.session.get_one(MessageBody, newest.id.partition("_")[2]).content
    text = body["text"].replace("\u2068", "").replace("\u2069", "")
    assert "Eric could not be reached about “Employment Agreement”." in text
    assert "Demo SMS: undelivered, Demo WhatsApp: undelivered" in body["text"]
