"""The command line, as a person or a script uses it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import run_command, run_forked


@pytest.fixture(scope="module")
def migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate a data folder once, for tests to copy."""
    folder = tmp_path_factory.mktemp("migrated-by-command")
    process = run_command(folder, "migrate")
    assert process.returncode == 0, process.stderr
    return folder


@pytest.fixture
def folder(migrated_folder: Path, tmp_path: Path) -> Path:
    """Return a migrated data folder of this test's own."""
    return shutil.copytree(migrated_folder, tmp_path / "data")


def test_help_is_fast_because_nothing_heavy_is_loaded() -> None:
    heavy = ("flask", "sqlalchemy", "twilio", "rq", "redis")
    program = f"import sys, hub.cli; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_help_lists_every_command(tmp_path: Path) -> None:
    help_text = run_forked(tmp_path, "--help").stdout
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
        "try-integration",
    )
    assert all(f"\n  {name} " in help_text for name in names)


def test_version_is_printed(tmp_path: Path) -> None:
    assert run_command(tmp_path, "--version").stdout.startswith("Signpost ")


def test_invalid_settings_are_listed_without_a_traceback(tmp_path: Path) -> None:
    process = run_command(tmp_path, "web", HUB_BIND="nowhere", HUB_DEMO="perhaps")
    assert process.returncode == 1
    assert "HUB_BIND: use HOST:PORT" in process.stderr
    assert "HUB_DEMO: use 1 or 0" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "--message"),
        ("inbound-mail",),
        ("evidence", "hold", "--reason", "Case 12"),
        ("evidence", "export"),
        ("source", "create"),
        ("api-key", "create"),
        ("admin", "create", "--email"),
    ],
)
def test_argument_that_is_not_utf_8_ends_without_a_traceback(
    folder: Path, arguments: tuple[str, ...]
) -> None:
    process = run_forked(folder, *arguments, "\udce9t\udce9")  # bytes E9
    assert "Traceback" not in process.stderr
    if arguments[0] in ("replay", "inbound-mail", "evidence"):
        assert process.returncode == 1
        assert f"Argument {len(arguments) + 1} is not valid UTF-8." in process.stderr


def test_migration_creates_a_private_database_and_can_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        process = run_command(tmp_path / "data", "migrate")
        assert process.returncode == 0, process.stderr
    assert (tmp_path / "data" / "hub.db").stat().st_mode & 0o077 == 0


def test_admin_is_created_with_a_piped_password(folder: Path) -> None:
    arguments = ("admin", "create", "--email", "ada@example.com", "--name", "Ada")
    first_run = run_command(folder, *arguments, stdin="teapots march quietly uphill\n")
    assert first_run.returncode == 0, first_run.stderr
    assert "ada@example.com" in first_run.stdout
    second_run = run_forked(folder, *arguments, stdin="teapots march quietly uphill\n")
    assert second_run.returncode == 1, "one account per address"
    assert "Traceback" not in second_run.stderr


def test_user_is_not_created_without_a_password(folder: Path) -> None:
    process = run_forked(folder, "admin", "create", "--email", "ada@example.com", "--name", "Ada")
    assert process.returncode == 1
    assert "No password was entered." in process.stderr


@pytest.mark.parametrize(
    ("arguments", "environ", "kind"),
    [
        ((), {}, "live"),
        (("--test",), {}, "test"),
        ((), {"HUB_DEMO": "1"}, "test"),
        (("--live",), {"HUB_DEMO": "1"}, "live"),
    ],
)
def test_api_key_is_printed_alone(
    folder: Path, arguments: tuple[str, ...], environ: dict[str, str], kind: str
) -> None:
    process = run_forked(folder, "api-key", "create", "signing app", *arguments, **environ)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"sp_{kind}_")
    assert len(process.stdout.split()) == 1


def test_empty_expiry_is_refused(folder: Path) -> None:
    refused = run_forked(folder, "api-key", "create", "signing app", "--expires", "")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Enter 90d" in refused.stderr


def test_sources_are_listed_with_the_number_of_their_keys(folder: Path) -> None:
    run_forked(folder, "source", "create", "Acme")
    run_forked(folder, "api-key", "create", "signing app", "--source", "acme")
    listed = run_forked(folder, "source", "list").stdout.splitlines()
    assert [" ".join(line.split()) for line in listed if "acme" in line] == [
        "acme 1 key opt-outs: own messages Acme"
    ]
