"""`hub replay` applies stored callbacks again and prints its changes."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.messaging.send import calls, claims
from hub.models import Connection
from tests.commands import run_in_process
from tests.hub_fixtures import (
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    status_target,
)

SID = "SM" + "0" * 32


@pytest.fixture
def message_with_callbacks(hub_demo: Flask) -> str:
    """Return a message with callbacks that are not yet processed."""
    message_id = queue_text()
    [claim] = claims.record_and_claim(
        [],
        {db.session.scalars(select(Connection.id).where(Connection.slug == "demo-sms")).one(): 1},
    )
    claims.record_and_claim([calls.Outcome(claim, Accepted(SID), None, now(), 5, 201)], {})
    for word in ("sent", "delivered"):
        assert (
            post_callback(
                hub_demo, status_form(hub_demo, SID, word), target=status_target(message_id)
            ).status_code
            == 200
        )
    return message_id


def test_replay_prints_its_changes_once(
    message_with_callbacks: str, environ: dict[str, str]
) -> None:
    first = run_in_process(environ, "replay", "--message", SID)
    assert (first.returncode, first.stderr) == (0, "")
    assert [line.split(maxsplit=1) for line in first.stdout.splitlines()] == [
        ["2", "callbacks read"],
        ["2", "status events added"],
        ["1", "messages changed"],
        ["2", "platform events sent"],
        ["0", "status events already known"],
    ]
    assert status(message_with_callbacks) == "delivered"
    assert process_pending_callbacks() == 0
    # as from another terminal than the demo's
    again = run_in_process({**environ, "HUB_DEMO": "0"}, "replay", "--since", "1h")
    assert again.returncode == 0, again.stderr
    assert "0 status events added\n" in again.stdout
    assert "2 status events already known\n" in again.stdout


def test_failed_replay_explains_why_and_exits_with_1(
    message_with_callbacks: str, hub_demo: Flask, environ: dict[str, str]
) -> None:
    post_callback(hub_demo, status_form(hub_demo, "SM" + "9" * 32, "sent"))
    process = run_in_process(environ, "replay", "--since", "1h")
    assert process.returncode == 1
    assert "2 status events added" in process.stdout
    assert "1 failed:\n" in process.stdout
    assert "1 Signpost has no message with this ID. Such as rcp_" in process.stdout


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "Choose which callbacks to replay: use --message ID, --since TIME or --failed."),
        (("--message", ""), 2, "Choose which callbacks"),
        (
            ("--since", "yesterday"),
            1,
            (
                "“yesterday” is not a time. Enter one such as 2026-11-21T09:30:00Z, or a"
                " period such as 2h or 3d."
            ),
        ),
        (("--message", "SM123"), 1, "No callback about “SM123” is stored."),
    ],
)
def test_replay_without_a_match_explains_what_to_specify(
    message_with_callbacks: str,
    environ: dict[str, str],
    words: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    process = run_in_process(environ, "replay", *words)
    assert (process.returncode, "Traceback" in process.stderr) == (code, False)
    assert sentence in process.stderr
