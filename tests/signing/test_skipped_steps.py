"""Steps that cannot act are skipped with a reason, and the next one follows at once."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from flask import current_app
from sqlalchemy import select, update

from hub.core.vocabulary import Channel, ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Connection, Message, MessageBody, RouteStep, StatusEvent, Template
from hub.models.template import TemplateVersion
from hub.signing import ladders
from tests.endpoints.event_steps import bodies, listen
from tests.hub_fixtures import OPT_OUT_LINE, copy_connection, event_body, set_connection_state
from tests.messaging.inbox.opt_out_steps import receive_text
from tests.messaging.policy.policy_steps import CHEAP, save_rules
from tests.signing.ladder_steps import (
    SMS_EMAIL,
    WHATSAPP_SMS_EMAIL,
    channels,
    connection_of,
    eric,
    escalate,
    invite,
    legs,
    let_time_end,
    lose,
    post,
    refuse_claim,
    set_route,
)

pytestmark = pytest.mark.usefixtures("ladder")


def skipped() -> list[tuple[str, str]]:
    """Return the code and the text of each fact about skipped steps."""
    query = select(StatusEvent).where(StatusEvent.provider_status == "skipped")
    db.session.rollback()
    return [(fact.code, fact.reason) for fact in db.session.scalars(query.order_by(StatusEvent.id))]


def skipped_in(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the steps that an answer of the API lists for Eric, with their reasons."""
    return [
        (item["step"], item["reason"]) for item in answer["skipped"] if item["signer"] == "eric"
    ]


def text_of(message: Message) -> str:
    text: str = db.session.get_one(MessageBody, message.id).content["text"]
    return text.removesuffix(OPT_OUT_LINE)


# ── Connections ───────────────────────────────────────────────────────────────────────────────────
def test_ladder_without_a_connection_that_sends_is_reported_to_the_app() -> None:
    endpoint = listen()
    post()
    for channel in ("sms", "email"):
        set_connection_state(connection_of(channel).id, ConnectionState.DISABLED)
    lose(legs()[0])
    [(code, reason)] = skipped()
    assert code == "no_connection"
    assert "SMS: No enabled connection" in reason
    assert "Email: No enabled connection" in reason
    assert [item["type"] for item in bodies(endpoint)][-1] == "signer_not_reached"


def test_two_connections_to_the_same_number_are_both_tried() -> None:
    sms = connection_of("sms")
    second = copy_connection("Second provider", like=sms, sender="+13175550188")
    set_route(("sms", None, None), ("sms", "delivered", 30))
    use_connections([sms.id, second])
    post()
    lose(legs()[0])
    assert [(leg.connection_id, leg.contact.address) for leg in legs()] == [
        (sms.id, "+13175551234"),
        (second, "+13175551234"),
    ]


@transaction
def use_connections(connection_ids: Sequence[str]) -> None:
    """Let the steps of the newest route use a connection each."""
    newest = select(RouteStep.route_id).order_by(RouteStep.id.desc()).limit(1).scalar_subquery()
    steps = db.session.scalars(
        select(RouteStep).where(RouteStep.route_id == newest).order_by(RouteStep.position)
    ).all()
    for step, connection_id in zip(steps, connection_ids, strict=True):
        step.connection_id = connection_id


def test_live_connection_is_not_used_with_a_test_key() -> None:
    make_live("email")
    set_route(*SMS_EMAIL)
    post()
    lose(legs()[0])
    assert channels() == ["sms"]
    assert skipped() == [
        (
            "no_connection",
            "Email: No enabled connection sends over this channel. A test key uses test"
            " connections only.",
        )
    ]


@transaction
def make_live(channel: str) -> None:
    db.session.execute(update(Connection).where(Connection.channel == channel).values(test=False))


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────
def test_ladder_of_a_signer_without_a_phone_begins_with_the_email() -> None:
    answer = post(signers=[eric(mobile_number=None)])
    assert channels() == ["email"]
    assert skipped_in(answer) == [("sms", "no_address")]


def test_address_that_the_app_excludes_is_skipped() -> None:
    set_route(*SMS_EMAIL, ("whatsapp", "delivered", 30))
    post(signers=[eric(send_to={"email": False})])
    lose(legs()[0])
    assert channels() == ["sms", "whatsapp"]
    assert skipped() == [("not_wanted", "Email: The signing app excluded this address.")]


def test_app_hears_that_it_excluded_every_address() -> None:
    answer = post(signers=[eric(send_to={"email": False, "mobile_number": False})])
    assert answer["messages"] == []
    assert {reason for _, reason in skipped_in(answer)} == {"not_wanted"}
    assert legs() == []


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────
def test_step_beyond_the_spending_limit_gives_way_to_the_next_one() -> None:
    post()
    save_rules(connection_of("sms"), prices=CHEAP, spend_day=Decimal("0.001"))
    current_app.extensions.pop("hub.cached", None)
    lose(legs()[0])
    for _ in range(3):
        escalate()
    assert [(leg.channel, leg.status, leg.code) for leg in legs()] == [
        ("whatsapp", "undelivered", ""),
        ("sms", "suppressed", "spend_day"),
        ("email", "queued", ""),
    ]


# ── Texts ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("text", ["Sign here: ((download link))", "Sign ((", "((unknown)) [["])
def test_step_whose_text_cannot_be_filled_gives_way_to_the_next_one(text: str) -> None:
    post()
    change_texts(text)
    current_app.extensions.pop("hub.cached", None)
    lose(legs()[0])
    assert channels() == ["whatsapp", "email"]
    [(code, reason)] = skipped()
    assert code == "text_incomplete"
    assert reason.startswith("SMS: The text needs a value")
    assert not ladders.is_due()


def test_step_whose_text_was_deleted_gives_way_to_the_next_one() -> None:
    post()
    delete_texts()
    current_app.extensions.pop("hub.cached", None)
    lose(legs()[0])
    assert channels() == ["whatsapp", "email"]
    assert [code for code, _ in skipped()] == ["text_incomplete"]


@transaction
def delete_texts() -> None:
    """Take away the texts by which signers are asked to sign over SMS."""
    db.session.execute(
        update(Template)
        .where(Template.name == "request_sent", Template.channel == Channel.SMS)
        .values(name="elsewhere")
    )


@transaction
def change_texts(text: str) -> None:
    """Store a text by which signers are asked to sign over SMS, as no page would accept it."""
    templates = select(Template.id).where(
        Template.name == "request_sent", Template.channel == Channel.SMS
    )
    db.session.execute(
        update(TemplateVersion)
        .where(TemplateVersion.template_id.in_(templates))
        .values(text=text)
        .execution_options(synchronize_session=False)
    )


def test_each_step_uses_the_language_of_its_time() -> None:
    invite()
    post("request.viewed", signers=[eric(locale="de")], request=event_body()["request"])
    let_time_end(legs()[0])
    assert text_of(legs()[0]).startswith("You've been sent")
    assert text_of(legs()[1]).startswith("Acme HR")


# ── Opt-outs ──────────────────────────────────────────────────────────────────────────────────────
def test_stop_that_arrives_while_a_text_waits_ends_it_and_leads_to_the_email() -> None:
    invite(*WHATSAPP_SMS_EMAIL)
    let_time_end(legs()[0])
    assert channels() == ["whatsapp", "sms"]
    receive_text(current_app._get_current_object(), "STOP", "")
    refuse_claim(legs()[1])
    escalate()
    assert [(leg.channel, leg.status) for leg in legs()[1:]] == [
        ("sms", "suppressed"),
        ("email", "queued"),
    ]
