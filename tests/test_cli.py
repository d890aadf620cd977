"""The command line, as a person or a script runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def hub(folder: Path, *words: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a data folder of the test's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "TWILIO_"))}
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *words],
        input=stdin,
        env={**kept, "HUB_DATA_DIR": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_help_is_there_at_once_because_nothing_heavy_is_loaded() -> None:
    heavy = ("flask", "sqlalchemy", "twilio", "rq", "redis")
    program = f"import sys, hub.cli; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_help_names_every_command(tmp_path: Path) -> None:
    shown = hub(tmp_path, "--help").stdout
    assert all(f"\n  {name} " in shown for name in ("up", "web", "worker", "cron", "simulator", "migrate", "admin", "api-key"))


def test_the_version_is_told(tmp_path: Path) -> None:
    assert hub(tmp_path, "--version").stdout.startswith("Signpost ")


def test_wrong_settings_are_listed_without_a_traceback(tmp_path: Path) -> None:
    told = hub(tmp_path, "web", HUB_BIND="nowhere", HUB_DEMO="perhaps")
    assert told.returncode == 1
    assert "HUB_BIND: give HOST:PORT" in told.stderr
    assert "HUB_DEMO: give 1 or 0" in told.stderr
    assert "Traceback" not in told.stderr


def test_migrating_makes_a_private_database_and_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        done = hub(tmp_path / "data", "migrate")
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "hub.db").stat().st_mode & 0o077 == 0


def test_an_admin_is_created_with_a_password_that_is_piped_in(tmp_path: Path) -> None:
    hub(tmp_path, "migrate")
    words = ("admin", "create", "--email", "ada@example.com", "--name", "Ada")
    made = hub(tmp_path, *words, stdin="correct horse battery staple\n")
    assert made.returncode == 0, made.stderr
    assert "ada@example.com" in made.stdout
    again = hub(tmp_path, *words, stdin="correct horse battery staple\n")
    assert again.returncode == 1, "one account per address"
    assert "Traceback" not in again.stderr


def test_a_user_is_not_created_without_a_password(tmp_path: Path) -> None:
    hub(tmp_path, "migrate")
    told = hub(tmp_path, "admin", "create", "--email", "ada@example.com", "--name", "Ada")
    assert told.returncode == 1
    assert "No password came." in told.stderr


@pytest.mark.parametrize(
    ("words", "environ", "kind"),
    [((), {}, "live"), (("--test",), {}, "test"), ((), {"HUB_DEMO": "1"}, "test"), (("--live",), {"HUB_DEMO": "1"}, "live")],
)
def test_an_api_key_is_printed_alone(tmp_path: Path, words: tuple[str, ...], environ: dict[str, str], kind: str) -> None:
    hub(tmp_path, "migrate")
    made = hub(tmp_path, "api-key", "create", "signing app", *words, **environ)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith(f"sp_{kind}_")
    assert len(made.stdout.split()) == 1
