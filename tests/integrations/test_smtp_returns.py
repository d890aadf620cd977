"""Emails that the simulator accepts and automatically returns, as the hub receives them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.models import InboundMessage, Message, ProviderCallback, Suppression
from hub.simulator.mail import scripted_faults, server
from hub.simulator.mail.scripted_faults import DOMAIN
from tests.hub_fixtures import deliver, process_pending_callbacks, queue_text
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served


@pytest.fixture
def hub(hub_demo: Flask, served: Flask, simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """Give a hub that receives what its simulated mail server sends back."""
    monkeypatch.setattr(server, "RETURN_PAUSES", (0.0, 0.05, 0.5, 5.0))
    demo.connect_chats_and_mail()
    return hub_demo


def received() -> int:
    db.session.rollback()
    return len(db.session.scalars(select(ProviderCallback.id)).all())


def send_to(*names: str) -> dict[str, str]:
    """Send an email to each test address, and process what comes back; return the messages' ids."""
    ids = {name: queue_text(f"{name}@{DOMAIN}", channel="email") for name in names}
    deliver()
    deadline = time.monotonic() + 30
    while received() < len(names):
        assert time.monotonic() < deadline, "not everything came back"
        time.sleep(0.02)
    process_pending_callbacks()
    db.session.rollback()
    return ids


def test_every_answer_of_the_test_addresses_is_understood(hub: Flask) -> None:
    expected = {
        "returned": (Status.UNDELIVERED, "5.1.1"),
        "returned-full": (Status.UNDELIVERED, "5.2.2"),
        "returned-spam": (Status.UNDELIVERED, "5.7.1"),
        "returned-old": (Status.UNDELIVERED, "5.1.1"),
        "delayed": (Status.SENT, ""),
        "delivered": (Status.DELIVERED, ""),
        "complaint": (Status.SENT, ""),
        "vacation": (Status.SENT, ""),
        "reply": (Status.SENT, ""),
        "stop": (Status.SENT, ""),
    }
    assert {one.address for one in scripted_faults.RETURNING} == {f"{n}@{DOMAIN}" for n in expected}
    ids = send_to(*expected)
    rows = {name: db.session.get_one(Message, message_id) for name, message_id in ids.items()}
    assert {name: (row.status, row.code) for name, row in rows.items()} == expected
    blocked = {
        row.message_id or "keyword": row.reason for row in db.session.scalars(select(Suppression))
    }
    keyword = blocked.pop("keyword", None) or blocked.pop(ids["stop"], None)
    assert keyword == "keyword"
    assert blocked == {
        ids["returned"]: "provider",
        ids["returned-old"]: "provider",
        ids["complaint"]: "complaint",
    }
    assert len(db.session.scalars(select(InboundMessage)).all()) == 2, "a reply, and STOP"


def test_page_sends_an_email_back(hub: Flask, simulator: Any) -> None:
    message_id = queue_text("eric@example.com", channel="email")
    deliver()
    client = simulator.test_client()
    [email] = client.get("/simulator/mail.json").json["emails"]
    assert f'action="/simulator/mail/{email["id"]}/return"' in client.get("/simulator/mail").text
    path = f"/simulator/mail/{email['id']}/return"
    assert client.post(path, json={"kind": "nonsense"}).status_code == 400
    answer = client.post(path, json={"kind": "failed", "text": "5.1.1"})
    assert answer.json["accepted"] is True
    process_pending_callbacks()
    db.session.rollback()
    assert db.session.get_one(Message, message_id).status == Status.UNDELIVERED
