"""The command line, as a person or a script uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import Accepted
from hub.messaging.send import calls, claims
from hub.models import Connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import (
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    status_target,
)


def hub(
    folder: Path, *words: str, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on the test's own data folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HUB_", "TWILIO_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *words],
        input=stdin,
        env={**kept, "HUB_DATA_DIR": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_is_fast_because_nothing_heavy_is_loaded() -> None:
    heavy = ("flask", "sqlalchemy", "twilio", "rq", "redis")
    program = f"import sys, hub.cli; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_help_lists_every_command(tmp_path: Path) -> None:
    shown = hub(tmp_path, "--help").stdout
    names = (
        "up",
        "web",
        "worker",
        "cron",
        "simulator",
        "migrate",
        "admin",
        "api-key",
        "replay",
        "new-integration",
    )
    assert all(f"\n  {name} " in shown for name in names)


def test_version_is_printed(tmp_path: Path) -> None:
    assert hub(tmp_path, "--version").stdout.startswith("Signpost ")


def test_invalid_settings_are_listed_without_a_traceback(tmp_path: Path) -> None:
    told = hub(tmp_path, "web", HUB_BIND="nowhere", HUB_DEMO="perhaps")
    assert told.returncode == 1
    assert "HUB_BIND: use HOST:PORT" in told.stderr
    assert "HUB_DEMO: use 1 or 0" in told.stderr
    assert "Traceback" not in told.stderr


def test_migration_creates_a_private_database_and_can_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        done = hub(tmp_path / "data", "migrate")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "hub.db").stat().st_mode & 0o077 == 0


def test_admin_is_created_with_a_piped_password(tmp_path: Path) -> None:
    hub(tmp_path, "migrate")
    words = ("admin", "create", "--email", "ada@example.com", "--name", "Ada")
    made = hub(tmp_path, *words, stdin="teapots march quietly uphill\n")
    assert made.returncode == 0, made.stderr
    assert "ada@example.com" in made.stdout
    again = hub(tmp_path, *words, stdin="teapots march quietly uphill\n")
    assert again.returncode == 1, "one account per address"
    assert "Traceback" not in again.stderr


def test_user_is_not_created_without_a_password(tmp_path: Path) -> None:
    hub(tmp_path, "migrate")
    told = hub(tmp_path, "admin", "create", "--email", "ada@example.com", "--name", "Ada")
    assert told.returncode == 1
    assert "No password was entered." in told.stderr


@pytest.mark.parametrize(
    ("words", "environ", "kind"),
    [
        ((), {}, "live"),
        (("--test",), {}, "test"),
        ((), {"HUB_DEMO": "1"}, "test"),
        (("--live",), {"HUB_DEMO": "1"}, "live"),
    ],
)
def test_api_key_is_printed_alone(
    tmp_path: Path, words: tuple[str, ...], environ: dict[str, str], kind: str
) -> None:
    hub(tmp_path, "migrate")
    made = hub(tmp_path, "api-key", "create", "signing app", *words, **environ)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(f"sp_{kind}_")
    assert len(made.stdout.split()) == 1


def test_empty_expiry_is_refused(tmp_path: Path) -> None:
    hub(tmp_path, "migrate")
    refused = hub(tmp_path, "api-key", "create", "signing app", "--expires", "")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Enter 90d" in refused.stderr


def test_sources_are_listed_with_the_number_of_their_keys(tmp_path: Path) -> None:
    hub(tmp_path, "migrate")
    hub(tmp_path, "source", "create", "Acme")
    hub(tmp_path, "api-key", "create", "signing app", "--source", "acme")
    listed = hub(tmp_path, "source", "list").stdout.splitlines()
    assert [" ".join(line.split()) for line in listed if "acme" in line] == [
        "acme 1 key opt-outs: own messages Acme"
    ]


# ── Replaying ─────────────────────────────────────────────────────────────────────────────────────
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
    tmp_path: Path, message_with_callbacks: str, environ: dict[str, str]
) -> None:
    first = hub(tmp_path, "replay", "--message", SID, **environ)
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
    again = hub(tmp_path, "replay", "--since", "1h", **{**environ, "HUB_DEMO": "0"})
    assert again.returncode == 0, again.stderr
    assert "0 status events added\n" in again.stdout
    assert "2 status events already known\n" in again.stdout


def test_failed_replay_explains_why_and_exits_with_1(
    tmp_path: Path, message_with_callbacks: str, hub_demo: Flask, environ: dict[str, str]
) -> None:
    post_callback(hub_demo, status_form(hub_demo, "SM" + "9" * 32, "sent"))
    told = hub(tmp_path, "replay", "--since", "1h", **environ)
    assert told.returncode == 1
    assert "2 status events added" in told.stdout
    assert "1 failed:\n" in told.stdout
    assert "1 Signpost has no message with this ID. Such as rcp_" in told.stdout


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
    tmp_path: Path,
    message_with_callbacks: str,
    environ: dict[str, str],
    words: tuple[str, ...],
    code: int,
    sentence: str,
) -> None:
    told = hub(tmp_path, "replay", *words, **environ)
    assert (told.returncode, "Traceback" in told.stderr) == (code, False)
    assert sentence in told.stderr
