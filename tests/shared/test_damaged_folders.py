"""Start-up checks on folders that are damaged, in use, or left by a killed hub."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import ConfigError
from hub.shared import startup_checks
from tests.conftest import POSTGRES
from tests.effort import examples
from tests.shared.start_up import contents, run_command
from tests.shared.start_up import folder as folder
from tests.shared.start_up import intact_folder as intact_folder


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize("name", ["secret-key", "encryption-keys"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_readable_key_file_is_a_warning(folder: Path, name: str, mode: int) -> None:
    (folder / name).chmod(mode)
    ended = run_command("migrate", folder)
    assert ended.code == 0, ended.output
    assert f"Run: chmod 600 {folder / name}" in ended.output


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
def test_log_of_a_killed_hub_is_read_and_preserved(folder: Path) -> None:
    """Read the revision from a write-ahead log that was not yet copied back."""
    leave = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("UPDATE alembic_version SET version_num = '8888'")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", leave, str(folder / "hub.db")], check=True)
    assert (folder / "hub.db-wal").stat().st_size
    before = contents(folder)
    ended = run_command("cron", folder)
    assert "revision 8888" in ended.output
    assert contents(folder) == before


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
def test_database_in_use_is_checked_while_it_is_open(folder: Path) -> None:
    user = sqlite3.connect(folder / "hub.db", isolation_level=None)
    user.execute("CREATE TABLE t (x)")
    user.execute("BEGIN IMMEDIATE")
    user.execute("INSERT INTO t VALUES (1)")
    config = startup_checks.load_config({"HUB_DATA_DIR": str(folder)})
    assert config.data_dir == folder
    user.execute("COMMIT")
    user.close()


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damage_is_reported_or_harmless_and_never_overwritten(
    intact_folder: Path, tmp_path: Path, data: st.DataObject
) -> None:
    folder = tmp_path / secrets.token_hex(4)
    shutil.copytree(intact_folder, folder)
    size = (folder / "hub.db").stat().st_size
    name = data.draw(st.sampled_from(["hub.db", "secret-key", "encryption-keys"]))
    position = data.draw(st.integers(0, min((folder / name).stat().st_size, size) - 1))
    with (folder / name).open("r+b") as file:
        if data.draw(st.booleans()):
            file.truncate(position)
        else:
            file.seek(position)
            file.write(data.draw(st.binary(min_size=1, max_size=600)))
    before = contents(folder)
    message = ""
    try:
        startup_checks.load_config({"HUB_DATA_DIR": str(folder)})
    except ConfigError as problem:
        message = str(problem)
    assert not message or "Restore" in message or "Install that version" in message
    assert contents(folder) == before
    shutil.rmtree(folder)
