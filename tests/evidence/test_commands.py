"""The commands of evidence."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.evidence import erasure, holds, signing_keys
from hub.models import AuditEntry
from tests.commands import run_in_process
from tests.evidence.conftest import entries_of, export_file, hub_keys, value_of, verify
from tests.evidence.conftest import request_id as request_id
from tests.evidence.test_retention import YEAR
from tests.evidence.test_retention import later as later
from tests.evidence.test_retention import trusted_clock as trusted_clock
from tests.hub_fixtures import ANNA, ERIC

UNKNOWN = "req_01a22b66-b0cc-76c6-9fec-7475f1e457a2"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(hub_demo: Flask, environ: dict[str, str]) -> Run:
    """Return a function that runs a command of evidence on the data of the test."""

    def run_with_settings(*arguments: str) -> subprocess.CompletedProcess[str]:
        db.session.rollback()
        return run_in_process(environ, "evidence", *arguments)

    return run_with_settings


def test_export_writes_a_file_that_verifies(run: Run, request_id: str, tmp_path: Path) -> None:
    printed = run("export", request_id)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert verify(printed.stdout.encode()).findings == []
    file = tmp_path / "evidence.json"
    written = run("export", "agr-1001", "--output", str(file))
    assert (written.returncode, written.stdout) == (0, "")
    assert entries_of(file.read_bytes()) == entries_of(printed.stdout.encode())
    verified = run("verify", str(file))
    assert verified.returncode == 0
    assert "intact" in verified.stdout


def test_verify_finds_a_change_and_trusts_only_given_keys(
    run: Run, request_id: str, tmp_path: Path
) -> None:
    file = tmp_path / "evidence.json"
    file.write_bytes(export_file(request_id).replace(b"delivered", b"delivereD", 1))
    changed = run("verify", str(file), "--key", str(hub_keys()[0]))
    assert changed.returncode == 1
    assert "The file is not intact." in changed.stdout
    assert run("verify", str(file), "--key", "nonsense").returncode == 2


def test_pdf_has_the_file_attached(run: Run, request_id: str, tmp_path: Path) -> None:
    file = tmp_path / "evidence.pdf"
    assert run("export", request_id, "--pdf", "--output", str(file)).returncode == 0
    assert file.read_bytes().startswith(b"%PDF-")
    verified = run("verify", str(file))
    assert verified.returncode == 1
    assert "intact" not in verified.stdout
    assert "Save the JSON file that is attached to the PDF" in verified.stdout


def test_hold_refuses_erasure_until_it_is_released(run: Run, request_id: str) -> None:
    held = run("hold", request_id, "--reason", "Case 12/2026")
    assert (held.returncode, held.stdout, held.stderr) == (0, "", "")
    db.session.rollback()
    hold = holds.find_hold(request_id)
    assert hold is not None
    assert (hold.reason, hold.placed_by) == ("Case 12/2026", "Command line")
    again = run("hold", request_id, "--reason", "Case 13/2026")
    assert again.returncode == 1
    assert "already has a legal hold" in again.stderr
    export_file(request_id)  # which records it
    refused = run("erase", ERIC)
    assert refused.returncode == 1
    assert "legal hold" in refused.stderr
    assert run("release", request_id).returncode == 0
    db.session.rollback()
    assert holds.find_hold(request_id) is None
    assert "no legal hold" in run("release", request_id).stderr
    assert "still has a contact" in run("erase", ERIC).stderr, "the hold refuses it no longer"


def test_erase_says_that_a_contact_has_to_be_erased_on_its_page(run: Run, request_id: str) -> None:
    left = run("erase", ANNA)
    assert (left.returncode, left.stdout) == (1, "")
    assert "Erase the contact on its page" in left.stderr
    assert ANNA in export_file(request_id).decode()


def test_erase_removes_the_values_of_one_person_only(
    run: Run, request_id: str, later: Callable[[timedelta], None]
) -> None:
    later(YEAR)
    erased = run("erase", "+44 20 7123 4567")
    assert (erased.returncode, erased.stderr) == (0, "")
    assert re.fullmatch(r"Values removed from (1 record|[2-9] records)\.\n", erased.stdout)
    file = export_file(request_id)
    recipients = {
        value_of(file, entry["recipient"]) for entry in entries_of(file, "message.created")
    }
    assert ANNA not in recipients
    assert ERIC in recipients
    assert verify(file).findings == []
    assert erasure.erase_address(ANNA) == 0, "nothing is left"


@pytest.mark.parametrize("compromised", [False, True])
def test_rotated_key_signs_and_old_files_still_verify(
    run: Run, request_id: str, *, compromised: bool
) -> None:
    before = export_file(request_id)
    [former] = hub_keys()
    rotated = run("rotate-key", *(["--compromised"] if compromised else []))
    assert rotated.returncode == 0
    db.session.rollback()
    added = [key for key in hub_keys() if str(key) != str(former)]
    assert rotated.stdout.strip() == str(added[0])
    rows = {str(signing_keys.verifier_key(row)): row for row in signing_keys.list_keys()}
    old_row = rows[str(former)]
    assert (old_row.compromised, old_row.private) == (compromised, None)
    assert bool(old_row.succession) != compromised
    assert verify(before).findings == []
    after = export_file(request_id)
    assert json.loads(after)["note"] != json.loads(before)["note"]
    assert verify(after).findings == []


def test_activity_names_the_command_line(run: Run, request_id: str) -> None:
    run("hold", request_id, "--reason", "Case 12/2026")
    run("rotate-key")
    db.session.rollback()
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    by_action = {entry.action: entry.actor for entry in entries}
    assert by_action["request.hold_placed"] == "Command line"
    assert by_action["evidence.key_rotated"] == "Command line"


@pytest.mark.parametrize(
    "arguments",
    [
        ("export", UNKNOWN),
        ("hold", UNKNOWN, "--reason", "x"),
        ("release", UNKNOWN),
        ("hold", "agr-1001", "--reason", " "),
        ("erase", "nobody"),
        ("export", "agr-1001", "--output", "/no/such/folder/evidence.json"),
        ("export", "agr-1001", "--output", "/proc/version"),
    ],
    ids=" ".join,
)
def test_refused_commands_print_one_sentence(
    run: Run, request_id: str, arguments: tuple[str, ...]
) -> None:
    refused = run(*arguments)
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "Traceback" not in refused.stderr
    assert refused.stderr.strip().endswith(".")
