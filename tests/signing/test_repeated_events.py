"""An event that is posted again notifies nobody twice, also after an upgrade or an edit."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hub.connections import demo
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.crypto import blind_index
from hub.models import Connection, Message, Route, RouteStep, Signer
from hub.shared.index_key import index_key
from hub.signing import accept
from hub.signing.events import EventIn
from tests.hub_fixtures import ANNA, count, event_body, signer_body, source_id


def post(kind: str = "request.sent", **fields: Any) -> dict[str, Any]:
    if kind == "request.sent":
        fields = {"signers": [signer_body("Eric"), signer_body("Anna", ANNA)]} | fields
    event = EventIn.model_validate(event_body(kind, **fields))
    return accept.accept_event(event, source_id(), test=True)


def ids_of(answer: dict[str, Any]) -> list[str]:
    db.session.expire_all()
    return [message["id"] for message in answer["messages"]]


@transaction
def store_as_0_2_0(about: str = "") -> None:
    """Give stored messages the keys of version 0.2.0, and their steps the mark of its steps."""
    for message in db.session.scalars(select(Message)):
        message.dedup_key = blind_index(
            index_key(),
            "once",
            message.request_id or "",
            db.session.scalars(
                select(Route.event_type).join(RouteStep).where(RouteStep.id == message.step_id)
            ).one(),
            "",
            about,
            message.signer_id or "",
            Address.PHONE,
            message.contact.address,
            message.step_id or "",
        )
    db.session.execute(update(RouteStep).values(legacy=True))


@transaction
def replace_routes() -> None:
    """Replace each general route by a new version with the same steps."""
    for route in db.session.scalars(select(Route)).all():
        route.replaced_at = now()
        db.session.flush()
        new = Route(event_type=route.event_type, audience=route.audience, version=2)
        new.steps += [
            RouteStep(
                position=step.position,
                connective=step.connective,
                channel=step.channel,
                template=step.template,
            )
            for step in route.steps
        ]
        db.session.add(new)


def test_repeated_event_returns_the_stored_messages(
    hub_demo: Flask, connection: Connection
) -> None:
    first = ids_of(post())
    assert len(first) == 2
    assert ids_of(post()) == first


def test_edited_route_notifies_nobody_again(hub_demo: Flask, connection: Connection) -> None:
    first = ids_of(post())
    replace_routes()
    hub_demo.extensions["hub.cached"].clear()
    assert ids_of(post()) == first


@pytest.mark.parametrize("edited", [False, True])
def test_message_of_0_2_0_is_not_repeated(
    hub_demo: Flask, connection: Connection, edited: bool
) -> None:
    first = ids_of(post())
    store_as_0_2_0()
    if edited:
        replace_routes()
    hub_demo.extensions["hub.cached"].clear()
    assert ids_of(post()) == first


def test_messages_of_0_2_0_about_another_signer_are_not_confused(
    hub_demo: Flask, connection: Connection
) -> None:
    post()
    post("request.signed", signer="eric")
    eric = db.session.scalars(select(Signer.id).where(Signer.external_id == "eric")).one()
    store_as_0_2_0(about=eric)
    hub_demo.extensions["hub.cached"].clear()
    before = {*db.session.scalars(select(Message.id))}
    assert {*ids_of(post("request.signed", signer="eric"))} < before
    after = {*ids_of(post("request.signed", signer="anna"))}
    assert len(after) == 2
    assert not after & before


def test_repeated_signature_notifies_nobody_over_another_channel(hub_demo: Flask) -> None:
    """The first notice left out paid channels, because two signatures were missing."""
    demo.connect_chats_and_mail()
    hub_demo.extensions.pop("hub.cached", None)
    both = {"mobile_number": True, "email": True}
    people = [
        {**signer_body(name, f"+1317555100{n}"), "email": f"{name}@example.com", "send_to": both}
        for n, name in enumerate(("eric", "anna", "ravi"))
    ]
    post(signers=people)
    first = post("request.signed", signer="eric")
    assert {message["channel"] for message in first["messages"] if message["signer"] == "ravi"} == {
        "email"
    }
    post("request.signed", signer="anna")
    before = count(Message)
    repeated = post("request.signed", signer="eric")
    assert count(Message) == before
    assert ids_of(repeated)
    reasons = {step["reason"] for step in repeated["skipped"] if step["signer"] == "ravi"}
    assert reasons == {"repeated"}
