"""The evidence of a request contains what happened to it, and by whom it was recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Thread, current_thread
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from hub.connections import connection_tests
from hub.db.engine import db
from hub.db.store import transaction
from hub.integrations.base import CheckResult
from hub.models import Connection, Message, SigningRequest
from hub.signing import reminders
from tests.conftest import POSTGRES
from tests.evidence.conftest import entries_of, export_file, report_status, value_of, verify
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    OPT_OUT_LINE,
    SigningApp,
    deliver,
    event_body,
    signer_body,
    source_id,
)
from tests.signing.post_steps import ConnectTeam, deliver_posts, load_request, post_event


def test_evidence_says_who_was_sent_what(request_id: str) -> None:
    data = export_file(request_id)
    verdict = verify(data)
    assert verdict.findings == []
    assert verdict.entries == len(entries_of(data))
    sent = entries_of(data, "message.created")
    assert [value_of(data, entry["recipient"]) for entry in sent] == [ERIC, ANNA]
    content = value_of(data, sent[0]["content"])
    assert content["text"].endswith(OPT_OUT_LINE)
    assert sent[0]["template"]["name"] == "request_sent"
    assert sent[0]["template"]["version"] == 1
    assert sent[0]["connection"]["title"] == "Demo SMS"


def test_evidence_has_the_way_of_each_message(request_id: str) -> None:
    data = export_file(request_id)
    first = entries_of(data, "message.created")[0]["message"]
    [attempt, _] = entries_of(data, "message.attempt")
    assert (attempt["message"], attempt["outcome"]) == (first, "accepted")
    assert attempt["provider_id"].startswith("SM")
    reported = [
        (entry["status"], entry["by"])
        for entry in entries_of(data, "message.status")
        if entry["message"] == first
    ]
    assert reported == [("sent", "provider"), ("delivered", "provider")]


def test_evidence_is_interim_while_the_request_is_open(
    request_id: str, signing_app: SigningApp
) -> None:
    assert json.loads(export_file(request_id))["about"]["status"] == "interim"
    signing_app.post("/events", event_body("request.canceled"))
    data = export_file(request_id)
    assert json.loads(data)["about"]["status"] == "closed"
    assert [entry["type"] for entry in entries_of(data, "event.received")] == [
        "request.sent",
        "request.canceled",
    ]


def test_a_later_export_continues_the_earlier_one(request_id: str) -> None:
    before = entries_of(export_file(request_id))
    reminders.remind(request_id)
    deliver()
    after = entries_of(export_file(request_id))
    assert after[: len(before)] == before
    assert [entry["action"] for entry in after if entry["kind"] == "action"] == ["request.reminded"]


def test_repeated_exports_add_nothing(request_id: str) -> None:
    assert entries_of(export_file(request_id)) == entries_of(export_file(request_id))


def test_evidence_names_the_message_that_follows_a_failure(
    hub_demo: Flask, signing_app: SigningApp, request_id: str
) -> None:
    second = entries_of(export_file(request_id), "message.created")[1]["message"]
    report_status(hub_demo, second, "undelivered")
    answer = signing_app.post(f"/messages/{second}/resend")
    assert answer.status_code == 202, answer.text
    data = export_file(request_id)
    assert entries_of(data, "message.created")[-1]["follows"] == second
    [action] = entries_of(data, "action")
    assert (action["action"], action["actor"]) == ("message.resent", "API key Demo")
    assert verify(data).is_intact


def test_evidence_cannot_press_the_buttons_of_posts(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    """The tokens of buttons act for anybody, and evidence is given to third parties."""
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    tokens = {button.token for button in post.buttons if button.token}
    assert tokens
    data = export_file(load_request().id)
    assert not [token for token in tokens if token in data.decode()]
    contents = [item.get("value") for item in json.loads(data)["values"].values()]
    [content] = [item for item in contents if isinstance(item, dict) and "card" in item]
    assert [button["text"] for button in content["buttons"]] == [
        button.text for button in post.buttons
    ]
    assert [button.get("url") for button in content["buttons"]] == [
        None if button.token else button.url for button in post.buttons
    ]
    assert verify(data).is_intact


def test_messages_of_version_0_2_0_have_no_hash_of_their_content(request_id: str) -> None:
    _set_messages(content_salt=None, content_hash=None)
    data = export_file(request_id)
    assert all("content" not in entry for entry in entries_of(data, "message.created"))
    assert verify(data).is_intact


@transaction
def _set_messages(**values: Any) -> None:
    db.session.execute(update(Message).values(**values))


def test_reply_and_opt_out_are_evidence(hub_demo: Flask, request_id: str, simulator: Any) -> None:
    from tests.hub_fixtures import credentials, post_callback, process_pending_callbacks

    account = credentials(hub_demo)
    form = {
        "AccountSid": account.account_sid,
        "ApiVersion": "2010-04-01",
        "From": ERIC,
        "To": account.phone_number,
        "MessageSid": "SM" + "a" * 32,
        "SmsStatus": "received",
        "Body": "STOP",
    }
    post_callback(hub_demo, form)
    process_pending_callbacks()
    data = export_file(request_id)
    [reply] = entries_of(data, "reply.received")
    assert (reply["keyword"], reply["by"]) == ("stop", "recipient")
    assert value_of(data, reply["content"])["text"] == "STOP"
    [opt_out] = entries_of(data, "opt_out.added")
    assert (opt_out["cause"], opt_out["by"]) == ("keyword", "recipient")
    assert verify(data).is_intact


def test_evidence_of_200_entries_is_complete(signing_app: SigningApp, simulator: Any) -> None:
    signers = [signer_body(f"Signer{n}", f"+1317555{n:04}") for n in range(100, 170)]
    signing_app.post("/events", event_body("request.sent", signers=signers))
    deliver()
    request = db.session.query(SigningRequest.id).scalar()
    data = export_file(request)
    assert len(entries_of(data)) >= 200
    assert verify(data).is_intact


@pytest.mark.parametrize("path", ["agr-1001", "own"])
def test_api_returns_the_file(request_id: str, signing_app: SigningApp, path: str) -> None:
    name = request_id if path == "own" else path
    answer = signing_app.get(f"/requests/{name}/evidence")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert verify(answer.data).is_intact


def test_request_whose_id_ends_with_evidence_is_found(signing_app: SigningApp) -> None:
    body = event_body("request.sent", signers=[signer_body("Eric")])
    body["request"]["id"] = "2026/evidence"
    assert signing_app.post("/events", body).status_code == 202
    answer = signing_app.get("/requests/2026/evidence").get_json()
    assert answer["external_id"] == "2026/evidence"
    signed = signing_app.get("/requests/2026/evidence/evidence").data
    assert verify(signed).about["request"]["external_id"] == "2026/evidence"


def test_a_key_without_the_scope_gets_no_evidence(request_id: str, hub_demo: Flask) -> None:
    from hub.accounts import api_keys

    key = api_keys.create_key(
        "reader", test=True, source="default", grant=api_keys.KeyPermissions(("messages:read",))
    )
    answer = SigningApp(hub_demo.test_client(), key).get(f"/requests/{request_id}/evidence")
    assert (answer.status_code, answer.get_json()["scope"]) == (403, "evidence:read")


def test_unknown_request_has_no_evidence(signing_app: SigningApp) -> None:
    assert signing_app.get("/requests/nothing/evidence").status_code == 404
    assert source_id()


# ── Teams ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("is_current", [True, False], ids=["tested", "changed since"])
def test_channel_of_a_team_is_named_beside_its_id(
    signing_app: SigningApp, connect_team: Callable[[str], Connection], *, is_current: bool
) -> None:
    team = connect_team("T0LEGAL")
    store_test_result(team.id, "#legal", is_current=is_current)
    signing_app.post("/events", event_body("request.sent", signers=[signer_body("Eric")]))
    data = export_file(db.session.scalars(select(SigningRequest.id)).one())
    named = {
        value_of(data, entry["recipient"]): value_of(data, entry.get("recipient_name", {}))
        if "recipient_name" in entry
        else None
        for entry in entries_of(data, "message.created")
    }
    assert named["T0LEGAL"] == ("#legal" if is_current else None)
    assert named[ERIC] is None
    assert verify(data).findings == []


@transaction
def store_test_result(connection_id: str, name: str, *, is_current: bool) -> None:
    """Store the result of a passed test, of the present settings or of earlier ones."""
    row = db.session.get_one(Connection, connection_id)
    result = CheckResult(True, "Ready.", destination=name)
    row.check = connection_tests.serialize_result(result, None)
    row.checked_ok = True
    row.checked_version = row.settings_version - (0 if is_current else 1)


@pytest.mark.skipif(not POSTGRES, reason="SQLite runs one transaction after the other")
@pytest.mark.parametrize("position", [1, 2, 3])
def test_exports_at_the_same_time_record_each_fact_once(
    request_id: str, hub_demo: Flask, position: int
) -> None:
    """Another export is complete between two statements of the first one."""
    statements: list[str] = []

    def export_meanwhile() -> None:
        with hub_demo.app_context():
            export_file(request_id)

    def interleave(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        if current_thread() is first and "FROM evidence_rows" in statement:
            statements.append(statement)
            if len(statements) == position:
                other = Thread(target=export_meanwhile)
                other.start()
                other.join()

    first = current_thread()
    event.listen(db.engine, "after_cursor_execute", interleave)
    try:
        data = export_file(request_id)
    finally:
        event.remove(db.engine, "after_cursor_execute", interleave)
    assert len(statements) > position
    ids = [entry["id"] for entry in entries_of(data)]
    assert len(ids) == len(set(ids))
    assert verify(data).is_intact
