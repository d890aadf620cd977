"""The connections of the demo."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.accounts import sources
from hub.connections import connection_tests, connections, demo
from hub.db.engine import db
from hub.models import Connection
from hub.signing.events import EventIn
from hub.signing.preview import preview_event
from tests.conftest import config_of


def test_demo_is_prepared_once_and_a_revoked_key_is_replaced(in_app: Flask) -> None:
    from hub.accounts import api_keys

    folder = config_of(in_app).data_dir
    for _ in range(2):
        demo.prepare()
    connections = db.session.scalars(select(Connection).order_by(Connection.id)).all()
    assert [(connection.title, connection.slug) for connection in connections] == [
        ("Demo SMS", "demo-sms"),
        ("Demo WhatsApp", "demo-whatsapp"),
        ("Demo calls", "demo-calls"),
    ]
    assert all(
        connection.test and connection.enabled and connection.ready for connection in connections
    )
    assert (folder / "demo-key").stat().st_mode & 0o777 == 0o600
    first = (folder / "demo-key").read_text().strip()
    key = api_keys.find_key(first)
    assert key is not None
    assert key.test
    api_keys.revoke_key(key.id)
    demo.prepare()
    assert api_keys.find_key((folder / "demo-key").read_text().strip()) is not None


@pytest.mark.parametrize("slug", ["demo-sms", "demo-whatsapp"])
def test_demo_connections_pass_their_test(in_app: Flask, simulator: Any, slug: str) -> None:
    demo.prepare()
    connection_id = db.session.scalars(select(Connection.id).where(Connection.slug == slug)).one()
    tested = connection_tests.run_test(connection_id)
    assert tested.check.ok, asdict(tested.check)


def test_changes_of_an_admin_to_a_demo_connection_are_preserved(in_app: Flask) -> None:
    demo.prepare()
    connection_id = db.session.scalars(
        select(Connection.id).where(Connection.slug == "demo-sms")
    ).one()
    connections.archive(connection_id)
    demo.prepare()
    assert db.session.scalars(
        select(Connection.id).where(Connection.integration == "twilio_sms")
    ).all() == [connection_id]


def test_demo_shows_what_a_message_costs(in_app: Flask) -> None:
    demo.prepare()
    posted = EventIn.model_validate(demo.sample_event())
    source_id = sources.get_source(sources.DEFAULT).id
    people = preview_event(posted, source_id, test=True)["people"]
    eric = next(person for person in people if person["signer"] == "eric")
    prices = {step["channel"]: step["price"] for step in eric["steps"] if not step["reason"]}
    assert prices["sms"] == {"amount": "0.0079", "currency": "USD", "basis": "rules"}
