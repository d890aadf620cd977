"""A hub of version 0.2.0 is upgraded in the middle of its work, keeps its data, and continues.

Version 0.2.0 itself wrote the rows of `hub_0_2_0.json.gz`: open and ended requests, messages,
reminders and posts to a team that wait, an edited text, rules of a connection, an opt-out, keywords
of its own, users, and the key of a signing app.
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Boolean, Column, DateTime, MetaData, Uuid, select

from hub.accounts import user_sessions, users
from hub.connections import demo
from hub.core.vocabulary import (
    Audience,
    Channel,
    EventType,
    RequestState,
    Role,
    SignerState,
    Status,
)
from hub.db import engine
from hub.db.engine import db
from hub.db.types import now
from hub.evidence import export, signing_keys, verification
from hub.integrations.base import Inbound
from hub.messaging.contacts import suppressions
from hub.messaging.inbox import inbound, opt_out
from hub.messaging.policy.policy import get_rules
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Event, Message, MessageBody, Signer, SigningRequest
from hub.run import up
from hub.signing import reminders, routes, team_subscriptions
from tests.conftest import POSTGRES, config_of, free_port
from tests.db.conftest import app_environ, end_connections, new_database, running_app
from tests.hub_fixtures import (
    SigningApp,
    event_body,
    json_of,
    message,
    post_callback,
    process_pending_callbacks,
    source_id,
    status_form,
    status_target,
    update_message,
)
from tests.signing.ladder_steps import escalate, hand_over, report_status
from tests.signing.reminder_steps import check, let_pass, zone_at_noon

STORED = json.loads(gzip.decompress((Path(__file__).parent / "hub_0_2_0.json.gz").read_bytes()))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
A_TIME = 10**15  # a larger number is a time in microseconds
ERIC = "+13175551234"


@pytest.fixture(scope="module")
def secret_keys() -> dict[str, str]:
    """Return the keys that encrypted the stored rows."""
    key = base64.urlsafe_b64encode(bytes(32)).decode()
    return {"HUB_SECRET_KEY": "upgrade-test-" + "0" * 40, "HUB_ENCRYPTION_KEYS": f"k1:{key}"}


@pytest.fixture
def settings() -> dict[str, str]:
    return {
        "HUB_DEMO": "1",
        "HUB_BIND": f"127.0.0.1:{free_port()}",
        "HUB_SIMULATOR_BIND": f"127.0.0.1:{free_port()}",
    }


@pytest.fixture(scope="module")
def upgraded_hub(
    tmp_path_factory: pytest.TempPathFactory, secret_keys: dict[str, str], queue_url: str
) -> Iterator[tuple[Path, str]]:
    """Upgrade a hub of version 0.2.0 once, and return its data folder and database."""
    folder = tmp_path_factory.mktemp("upgraded") / "data"
    folder.mkdir(mode=0o700)
    with new_database() as url:
        environ = app_environ(folder, url, queue_url, {"HUB_DEMO": "1", **secret_keys})
        with running_app(environ) as app:
            upgrade(app)
        if url:
            end_connections(url)
        yield folder, url


def upgrade(app: Flask) -> None:
    """Store the data of a hub of version 0.2.0, as if it had just run, and upgrade it."""
    for name, content in STORED["files"].items():
        (config_of(app).data_dir / name).write_text(content)
    flask_migrate.Migrate(app, db, directory=engine.MIGRATIONS)
    flask_migrate.upgrade(revision="0.2.0")
    shift = int((now() - EPOCH) / timedelta(microseconds=1)) - STORED["created_at"]
    with db.engine.begin() as connection:
        tables = MetaData()
        tables.reflect(connection, only=list(STORED["tables"]))
        for table in tables.sorted_tables:
            rows = [
                {name: read_value(table.c[name], value, shift) for name, value in row.items()}
                for row in STORED["tables"].get(table.name, ())
            ]
            if rows:
                connection.execute(table.insert(), rows)
    up.migrate()
    db.session.rollback()


@pytest.fixture
def upgraded(
    upgraded_hub: tuple[Path, str],
    tmp_path: Path,
    secret_keys: dict[str, str],
    queue_url: str,
    settings: dict[str, str],
) -> Iterator[Flask]:
    """Return an application with a copy of the upgraded hub."""
    folder = tmp_path / "data"
    upgraded_folder, upgraded_database = upgraded_hub
    shutil.copytree(upgraded_folder, folder)
    with new_database(upgraded_database) as url:
        environ = app_environ(folder, url, queue_url, secret_keys | settings)
        with running_app(environ) as app:
            yield app


def read_value(column: Column[Any], stored: Any, shift: int) -> Any:
    """Return a stored value for a column of this database, with times moved to the present."""
    if isinstance(stored, dict):
        stored = bytes.fromhex(stored["hex"])
    if isinstance(stored, int) and stored > A_TIME:
        stored += shift
    if not POSTGRES or stored is None:
        return stored
    if isinstance(column.type, Uuid):
        return uuid.UUID(bytes=stored)
    if isinstance(column.type, DateTime):
        return EPOCH + timedelta(microseconds=stored)
    if isinstance(column.type, Boolean):
        return bool(stored)
    is_json = column.type.python_type is dict
    return json.loads(stored) if is_json else stored


@pytest.fixture
def app_0_2_0(upgraded: Flask) -> SigningApp:
    """Return the signing app, with the key that version 0.2.0 created."""
    return SigningApp(upgraded.test_client(), STORED["files"]["demo-key"].strip())


def request(external_id: str) -> SigningRequest:
    db.session.rollback()
    query = select(SigningRequest).where(SigningRequest.external_id == external_id)
    return db.session.scalars(query).one()


def messages_to(name: str, event_type: str = "request.sent") -> list[Message]:
    db.session.rollback()
    query = (
        select(Message)
        .join(Signer, Signer.id == Message.signer_id)
        .join(Event, Event.id == Message.event_id)
        .where(Signer.external_id == name, Event.type == event_type)
    )
    return list(db.session.scalars(query.order_by(Message.id)))


def text_of(row: Message) -> str:
    body = db.session.get_one(MessageBody, row.id.partition("_")[2])
    return str(body.content["text"])


def postpone_waiting() -> None:
    """Let all messages that wait be sent later, so that a test can send another one first."""
    for row in db.session.scalars(select(Message).where(Message.status == Status.QUEUED)).all():
        update_message(row.id, due_at=now() + timedelta(hours=1))


def post(app: SigningApp, kind: str, external_id: str, **fields: Any) -> Any:
    body = event_body(kind, **fields)
    body["request"] = {"id": external_id}
    answer = app.post("/events", body)
    assert answer.status_code == 202, answer.text
    return json_of(answer)


# ── What is kept ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("upgraded")
def test_requests_and_messages_are_kept() -> None:
    assert request("open").state == RequestState.OPEN
    assert request("done").state == RequestState.COMPLETED
    assert request("open").title == "Contract open"
    states = {
        signer.external_id: signer.state for signer in db.session.scalars(select(Signer)).all()
    }
    assert (states["eric"], states["anna"]) == (SignerState.PENDING, SignerState.VIEWED)
    assert (states["carl"], states["dora"]) == (SignerState.SIGNED, SignerState.PENDING)
    [invitation] = messages_to("eric")
    assert invitation.status == Status.QUEUED
    assert text_of(invitation).endswith("Please review & sign: https://sign.example/r/eric")
    assert {row.status for row in messages_to("carl")} == {Status.CANCELED}


@pytest.mark.usefixtures("upgraded")
def test_settings_and_opt_outs_are_kept() -> None:
    sms = db.session.scalars(select(Connection).where(Connection.slug == "demo-sms")).one()
    assert get_rules(sms.info).per_day == 50
    blocks = suppressions.blocks_of_address("+13175550105", test=True, source_id=source_id())
    assert len(blocks) == 1


@pytest.mark.usefixtures("upgraded")
def test_installed_routes_get_fallbacks() -> None:
    route = routes.read_routes_in_force(None)["request.sent", Audience.SIGNER]
    assert [step.channel for step in route.steps] == ["whatsapp", "sms", "email"]


@pytest.mark.usefixtures("upgraded")
def test_keywords_of_an_admin_are_kept() -> None:
    rules = opt_out.stored_rules()
    assert rules.stop == {"en": "no more texts", "fr": "plus rien"}
    assert (rules.start, rules.help) == ({"en": "texts again"}, {"en": "who is this"})
    assert rules.everywhere


@pytest.mark.usefixtures("upgraded")
def test_users_are_kept_and_sign_in() -> None:
    kept = {user.email: (user.role, user.disabled_at is None) for user in users.list_users()}
    assert kept == {
        "ada@example.com": (Role.ADMIN, True),
        "olga@example.com": (Role.OPERATOR, True),
        "vera@example.com": (Role.VIEWER, False),
    }
    for email, (_, is_active) in kept.items():
        user = user_sessions.authenticate(email, "correct horse battery")
        assert (user is not None) == is_active, email


@pytest.mark.usefixtures("upgraded")
def test_subscriptions_of_teams_are_kept() -> None:
    team = team_connection()
    assert team.title == "Legal team"
    posted = team_subscriptions.posted_events(team.id)
    assert {EventType.SENT, EventType.SIGNED} <= {*posted}
    assert EventType.DECLINED not in posted


# ── Work after the upgrade ────────────────────────────────────────────────────────────────────────
def test_waiting_message_is_sent_and_its_report_is_applied(upgraded: Flask) -> None:
    [invitation] = messages_to("eric")
    postpone_waiting()
    hand_over(invitation)
    sent = message(invitation.id)
    assert sent.status == Status.ACCEPTED
    form = status_form(upgraded, sent.provider_id or "", "delivered") | {"To": ERIC}
    post_callback(upgraded, form, target=status_target(sent.id))
    process_pending_callbacks()
    assert message(sent.id).status == Status.DELIVERED


def test_signature_cancels_what_waits_and_the_edited_text_is_used(app_0_2_0: SigningApp) -> None:
    post(app_0_2_0, "request.signed", "open", signer="eric")
    assert [row.status for row in messages_to("eric")] == [Status.CANCELED]
    [thanks] = messages_to("eric", "request.signed")
    assert text_of(thanks).startswith('Thank you for signing "Contract open".')
    [dora] = messages_to("dora")
    assert dora.status == Status.QUEUED


def test_repeated_event_of_before_the_upgrade_notifies_nobody_again(app_0_2_0: SigningApp) -> None:
    answer = post(app_0_2_0, "request.sent", "open", signers=[])
    assert {row["id"] for row in answer["messages"] if row["signer"]} == {
        row.id for name in ("eric", "anna") for row in messages_to(name)
    }


def test_new_request_has_fallbacks(app_0_2_0: SigningApp) -> None:
    signer = {
        "id": "gina",
        "name": "Gina",
        "mobile_number": "+13175550109",
        "email": "gina@example.com",
    }
    postpone_waiting()
    demo.connect_chats_and_mail()
    post(app_0_2_0, "request.sent", "new", signers=[signer])
    [first] = messages_to("gina")
    hand_over(first)
    report_status(message(first.id), Status.UNDELIVERED, code="30003")
    escalate()
    assert [row.channel for row in messages_to("gina")] == ["sms", "email"]


def test_pending_signers_are_reminded_once_days_after_the_upgrade(app_0_2_0: SigningApp) -> None:
    zone = zone_at_noon()
    for name in ("eric", "anna"):
        post(app_0_2_0, "request.viewed", "open", signer={"id": name, "time_zone": zone})
    check()
    assert messages_to("eric", "request.reminder") == [], "nobody is flooded by the upgrade"
    let_pass(timedelta(days=3))
    check()
    [reminder] = messages_to("eric", "request.reminder")
    assert text_of(reminder).startswith('Reminder: "Contract open"')
    assert messages_to("carl", "request.reminder") == []


@pytest.mark.parametrize(
    ("text", "is_opted_out"),
    [("No more texts", True), ("PLUS RIEN!", True), ("no more paper", False)],
)
@pytest.mark.usefixtures("upgraded")
def test_keyword_of_an_admin_opts_out(text: str, is_opted_out: bool) -> None:
    sms = db.session.scalars(select(Connection).where(Connection.slug == "demo-sms")).one()
    received = Inbound(
        provider_id="SM" + "1" * 32,
        channel=Channel.SMS,
        senders=(sms.sender,),
        address=ERIC,
        text=text,
    )
    inbound.store_inbound(received, Origin("callback", [sms.id]), now())
    blocks = suppressions.blocks_of_address(ERIC, test=True, source_id=source_id())
    assert blocks == ([("", "keyword")] if is_opted_out else [])


def test_waiting_reminder_is_sent_once(upgraded: Flask) -> None:
    [reminder] = messages_to("hugo", "request.reminder")
    assert reminder.status == Status.QUEUED
    postpone_waiting()
    hand_over(reminder)
    assert message(reminder.id).status == Status.ACCEPTED
    check()
    assert len(messages_to("hugo", "request.reminder")) == 1


def test_waiting_reminder_is_canceled_by_the_signature(app_0_2_0: SigningApp) -> None:
    post(app_0_2_0, "request.signed", "reminded", signer="hugo")
    statuses = [row.status for row in messages_to("hugo", "request.reminder")]
    assert statuses == [Status.CANCELED]


def test_snoozed_signer_stays_snoozed(app_0_2_0: SigningApp) -> None:
    [ida] = [signer for signer in request("reminded").signers if signer.external_id == "ida"]
    assert reminders.is_snoozed(ida)
    post(app_0_2_0, "request.reminder", "reminded", id="rem-1")
    assert messages_to("ida", "request.reminder") == []


def test_waiting_post_is_sent_and_the_team_reads_on(app_0_2_0: SigningApp) -> None:
    posts = team_posts()
    assert {row.status for row in posts} == {Status.QUEUED}
    postpone_waiting()
    hand_over(posts[0])
    post(app_0_2_0, "request.signed", "reminded", signer="ida")
    assert len(team_posts()) > len(posts)


def team_connection() -> Connection:
    query = select(Connection).where(Connection.integration == "slack")
    return db.session.scalars(query).one()


def team_posts() -> list[Message]:
    db.session.rollback()
    query = select(Message).where(Message.connection_id == team_connection().id)
    return list(db.session.scalars(query.order_by(Message.id)))


def test_old_requests_have_evidence(upgraded: Flask) -> None:
    """Their messages have no hash of the text, because version 0.2.0 stored none."""
    stored = 0
    for request_id in db.session.scalars(select(SigningRequest.id)).all():
        file = export.encode_evidence(export.export_evidence(request_id))
        keys = [signing_keys.verifier_key(row) for row in signing_keys.list_keys()]
        assert verification.verify(file, keys).findings == []
        entries = [item["entry"] for item in json.loads(file)["entries"]]
        sent = [entry for entry in entries if entry["kind"] == "message.created"]
        assert all("recipient" in entry and "content" not in entry for entry in sent)
        stored += len(sent)
    assert stored
