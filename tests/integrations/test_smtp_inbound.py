"""Emails that come back: reports in the standard format and in others, replies, and forged ones."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.connections import demo
from hub.core.errors import NotFound, RecipientRefused
from hub.core.vocabulary import Feedback, Status
from hub.db.engine import db
from hub.intake import inbound_mail
from hub.integrations.base import Inbound, StatusUpdate
from hub.integrations.smtp.inbound import events_of
from hub.integrations.smtp.return_paths import return_address
from hub.models import Connection, Message, PlatformEvent, Suppression
from hub.models import InboundMessage as ReceivedMessage
from tests.effort import examples
from tests.hub_fixtures import deliver, process_pending_callbacks, queue_text
from tests.hub_fixtures import hub_demo as hub_demo

SETTINGS = {"from_address": "sign@acme.example", "from_name": "Acme"}
MESSAGE = "msg_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c"
RETURN = "bounces+019aa5c271f87b3e9c402d6f8a1be41c@acme.example"


def report(status: str, action: str = "failed", *, to: str = RETURN, returned: str = "") -> bytes:
    """Return a report about a delivery (RFC 3464)."""
    head = (
        f"From: mailer-daemon@mx.example\nTo: {to}\nSubject: Undelivered\nReturn-Path: <>\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\n\n'
    )
    parts = (
        "--b\nContent-Type: text/plain\n\nNot delivered.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example\n\n"
        f"Final-Recipient: rfc822; eric@example.com\nAction: {action}\nStatus: {status}\n\n"
    )
    if returned:
        parts += f"--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{returned}>\n\n"
    return f"{head}{parts}--b--\n".replace("\n", "\r\n").encode()


def reply(
    text: str, *, answers: str = f"<{MESSAGE}@acme.example>", sender: str = "", **headers: str
) -> bytes:
    message = EmailMessage()
    message["From"] = sender or "Eric Smith <eric@example.com>"
    message["To"] = "sign@acme.example"
    message["Subject"] = "Re: Please sign"
    message["Message-ID"] = f"<{len(text)}@example.com>"
    if answers:
        message["In-Reply-To"] = answers
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message.as_bytes()


def test_return_address_names_the_message() -> None:
    assert return_address(MESSAGE, "bounces@acme.example") == RETURN


@pytest.mark.parametrize(
    ("status", "suppresses"),
    [
        ("5.1.1", True),
        ("5.1.10", True),
        ("5.2.1", True),
        ("5.2.2", False),
        ("5.7.1", False),
        ("5.7.8", False),
        ("5.1.8", False),
        ("5.9.9", False),
        ("4.4.1", False),
        ("nonsense", False),
    ],
)
def test_only_a_dead_address_suppresses(status: str, suppresses: bool) -> None:
    [update] = events_of(report(status), SETTINGS)
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.provider_id) == (Status.UNDELIVERED, f"{MESSAGE}@acme.example")
    assert update.reason
    assert isinstance(update.error, RecipientRefused) is suppresses
    assert suppresses or update.error is None, "a report never pauses a connection"


@pytest.mark.parametrize(
    ("action", "status"),
    [("delivered", Status.DELIVERED), ("delayed", None), ("relayed", None), ("expanded", None)],
)
def test_other_actions_are_no_failure(action: str, status: Status | None) -> None:
    [update] = events_of(report("2.0.0", action), SETTINGS)
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.provider_status, update.error) == (status, action, None)


def test_report_to_the_from_address_is_found_by_the_returned_message() -> None:
    content = report("5.1.1", to="sign@acme.example", returned=f"{MESSAGE}@acme.example")
    [update] = events_of(content, SETTINGS)
    assert isinstance(update, StatusUpdate)
    assert update.provider_id == f"{MESSAGE}@acme.example"


def test_report_about_another_message_is_ignored() -> None:
    assert (
        events_of(report("5.1.1", to="sign@acme.example", returned="x@y.example"), SETTINGS) == []
    )


def test_report_in_another_format_is_read() -> None:
    text = (
        "From: MAILER-DAEMON@mx.example\r\n"
        f"To: {RETURN}\r\nSubject: failure notice\r\n\r\n"
        "Hi. This is the qmail-send program at mx.example.\r\n\r\n"
        "<eric@example.com>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\n"
        "--- Below this line is a copy of the message.\r\n\r\nReturn-Path: <x@acme.example>\r\n"
    )
    [update] = events_of(text.encode(), SETTINGS)
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.code) == (Status.UNDELIVERED, "5.1.1")
    assert isinstance(update.error, RecipientRefused)


@pytest.mark.parametrize(
    "quote",
    [
        "On Mon, 2 Nov 2026 at 10:00, Acme <sign@acme.example> wrote:\n> Please sign",
        "Am 02.11.26 um 10:00 schrieb Acme:\n> Bitte",
        "-----Original Message-----\nFrom: Acme",
        "________________________________\nFrom: Acme\nSent: Monday",
        "> Please sign\n> https://sign.example",
    ],
)
def test_reply_is_read_without_the_quoted_message(quote: str) -> None:
    [found] = events_of(reply(f"I will sign tomorrow.\n\n{quote}\n"), SETTINGS)
    assert isinstance(found, Inbound)
    assert (found.text, found.address, found.name) == (
        "I will sign tomorrow.",
        "eric@example.com",
        "Eric Smith",
    )
    assert found.in_reply_to == f"{MESSAGE}@acme.example"


@pytest.mark.parametrize(
    "headers",
    [{"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"Return_Path": "<>"}],
)
def test_automatic_reply_is_ignored(headers: dict[str, str]) -> None:
    assert events_of(reply("I am on vacation.", **headers), SETTINGS) == []


def test_own_email_is_ignored() -> None:
    assert events_of(reply("Hello", sender="Acme <Sign@acme.example>"), SETTINGS) == []


def test_keyword_counts_only_in_a_reply_to_a_message() -> None:
    [forged] = events_of(reply("STOP", answers=""), SETTINGS)
    assert isinstance(forged, Inbound)
    assert forged.text == "Subject: Re: Please sign\n\nSTOP"
    [genuine] = events_of(reply("STOP\n"), SETTINGS)
    assert isinstance(genuine, Inbound)
    assert genuine.text == "STOP"


def complaint(kind: str = "abuse", to: str = RETURN) -> bytes:
    """Return a complaint as providers pass it on (RFC 5965)."""
    text = (
        f"From: feedback@provider.example\nTo: {to}\nSubject: Complaint\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\n\n'
        "--b\nContent-Type: text/plain\n\nA user reported spam.\n"
        f"--b\nContent-Type: message/feedback-report\n\nFeedback-Type: {kind}\nVersion: 1\n\n"
        f"--b\nContent-Type: message/rfc822\n\nMessage-ID: <{MESSAGE}@acme.example>\n\nHello\n"
        "--b--\n"
    )
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("to", [RETURN, "sign@acme.example"])
def test_complaint_is_read_and_changes_no_status(to: str) -> None:
    [update] = events_of(complaint(to=to), SETTINGS)
    assert isinstance(update, StatusUpdate)
    assert (update.status, update.feedback) == (None, Feedback.COMPLAINED)
    assert update.provider_id == f"{MESSAGE}@acme.example"


@pytest.mark.parametrize("kind", ["not-spam", ""])
def test_report_that_is_no_complaint_is_ignored(kind: str) -> None:
    assert events_of(complaint(kind), SETTINGS) == []


@given(content=st.binary(max_size=600))
@settings(max_examples=examples(200))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    events_of(content, SETTINGS)
    events_of(report("5.1.1") + content, SETTINGS)
    events_of(complaint() + content, SETTINGS)
    events_of(b"To: " + RETURN.encode() + b"\r\n" + content, SETTINGS)


# ── In a running hub ──────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def sent(hub_demo: Flask, simulator: Any) -> tuple[str, str]:
    """Send an email; give the id of its message and the slug of its connection."""
    demo.connect_chats_and_mail()
    message_id = queue_text("eric@example.com", channel="email")
    deliver()
    [received] = simulator.test_client().get("/simulator/mail.json").json["emails"]
    assert received["sender"] == return_address(message_id, "bounces@acme.example")
    query = select(Connection.slug).where(Connection.channel == "email")
    return message_id, db.session.scalars(query).one()


def suppressed() -> list[tuple[str, str]]:
    db.session.rollback()
    return [(row.channel, row.reason) for row in db.session.scalars(select(Suppression))]


def status_of(message_id: str) -> tuple[str, str]:
    db.session.rollback()
    row = db.session.get_one(Message, message_id)
    return row.status, row.code


def test_hard_bounce_suppresses(sent: tuple[str, str]) -> None:
    message_id, slug = sent
    content = report("5.1.1", to=return_address(message_id, "bounces@acme.example"))
    assert inbound_mail.store(slug, content)
    assert not inbound_mail.store(slug, content), "a repeated email changes nothing"
    process_pending_callbacks()
    assert status_of(message_id) == (Status.UNDELIVERED, "5.1.1")
    assert suppressed() == [("email", "provider")]


def events_about(message_id: str) -> list[tuple[str, dict[str, Any]]]:
    db.session.rollback()
    query = select(PlatformEvent).where(PlatformEvent.message_id == message_id)
    rows = db.session.scalars(query.order_by(PlatformEvent.id))
    return [(row.type, row.payload) for row in rows]


def test_bounce_is_reported_to_the_signing_app_once(sent: tuple[str, str]) -> None:
    message_id, slug = sent
    for code in ("5.2.2", "5.1.1"):
        inbound_mail.store(slug, report(code, to=return_address(message_id, "b@acme.example")))
    process_pending_callbacks()
    found = dict(events_about(message_id))
    assert set(found) == {"email_sent", "email_undelivered", "email_bounced"}
    assert found["email_bounced"] == {"code": "5.2.2"}


def test_complaint_opts_out_and_is_reported(sent: tuple[str, str]) -> None:
    message_id, slug = sent
    content = complaint(to=return_address(message_id, "bounces@acme.example"))
    for number in range(2):
        inbound_mail.store(slug, content + b"\r\n" * number)
        process_pending_callbacks()
    assert status_of(message_id) == (Status.SENT, "")
    assert suppressed() == [("email", "complaint")]
    assert [name for name, _ in events_about(message_id)] == ["email_sent", "email_complained"]


def test_soft_bounce_does_not_suppress(sent: tuple[str, str]) -> None:
    message_id, slug = sent
    inbound_mail.store(slug, report("5.2.2", to=return_address(message_id, "b@acme.example")))
    process_pending_callbacks()
    assert status_of(message_id) == (Status.UNDELIVERED, "5.2.2")
    assert suppressed() == []


def test_reply_lands_in_the_inbox_and_stop_opts_out(sent: tuple[str, str]) -> None:
    message_id, slug = sent
    answers = f"<{message_id}@acme.example>"
    inbound_mail.store(slug, reply("Where is my copy?", answers=answers))
    process_pending_callbacks()
    db.session.rollback()
    [row] = db.session.scalars(select(ReceivedMessage)).all()
    assert row.keyword == ""
    assert suppressed() == []
    inbound_mail.store(slug, reply("Stop\n\n> Please sign", answers=answers))
    process_pending_callbacks()
    assert suppressed() == [("email", "keyword")]


def test_command_stores_an_email_from_standard_input(
    sent: tuple[str, str], environ: dict[str, str]
) -> None:
    message_id, slug = sent
    content = report("5.1.1", to=return_address(message_id, "b@acme.example"))
    command = [sys.executable, "-m", "hub.cli", "inbound-mail", slug]
    made = subprocess.run(
        command, input=content, env={**environ, "PATH": ""}, capture_output=True, timeout=60
    )
    assert (made.returncode, made.stdout, made.stderr) == (0, b"", b"")
    process_pending_callbacks()
    assert status_of(message_id)[0] == Status.UNDELIVERED


@pytest.mark.parametrize(
    ("slug", "size", "status"),
    [("nothing", 10, os.EX_TEMPFAIL), ("", inbound_mail.MAX_SIZE + 1, os.EX_DATAERR)],
)
def test_command_says_whether_the_mail_server_tries_again(
    sent: tuple[str, str], environ: dict[str, str], slug: str, size: int, status: int
) -> None:
    command = [sys.executable, "-m", "hub.cli", "inbound-mail", slug or sent[1]]
    made = subprocess.run(
        command, input=b"x" * size, env={**environ, "PATH": ""}, capture_output=True, timeout=60
    )
    assert (made.returncode, made.stdout) == (status, b"")
    assert made.stderr


def test_unknown_connection_is_refused(hub_demo: Flask) -> None:
    for slug in ("nothing", "demo-sms"):
        with pytest.raises(NotFound, match="receives"):
            inbound_mail.store(slug, io.BytesIO(b"x").getvalue())


def test_mail_server_posts_an_email_with_the_token(sent: tuple[str, str], hub_demo: Flask) -> None:
    message_id, slug = sent
    content = report("5.1.1", to=return_address(message_id, "b@acme.example"))
    path = f"/api/rpc/webhooks/smtp/{slug}"
    connection = db.session.scalars(select(Connection).where(Connection.slug == slug)).one()
    token = (connection.settings_or_none() or {})["inbound_token"]
    for sent_token, is_genuine in (("wrong", False), (token, True)):
        answer = hub_demo.test_client().post(
            path,
            data=content,
            content_type="message/rfc822",
            headers={"Authorization": f"Bearer {sent_token}"},
        )
        assert (answer.status_code == 200) is is_genuine
    process_pending_callbacks()
    assert status_of(message_id)[0] == Status.UNDELIVERED
