"""Start-up checks, in real processes: one sentence, a failure code, and an untouched folder."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import hub
from hub.core import config
from hub.core.errors import ConfigError
from hub.db.engine import db
from hub.lib import disk
from hub.run import up
from hub.shared import startup_checks
from tests.conftest import POSTGRES, close, free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1

COMMANDS: dict[str, list[str]] = {
    "up": ["-m", "hub.cli", "up"],
    "web": ["-m", "hub.cli", "web"],
    "worker": ["-m", "hub.cli", "worker"],
    "cron": ["-m", "hub.cli", "cron"],
    "migrate": ["-m", "hub.cli", "migrate"],
    "admin create": [
        "-m",
        "hub.cli",
        "admin",
        "create",
        "--email",
        "dana@acme.example",
        "--name",
        "Dana",
    ],
    "api-key create": ["-m", "hub.cli", "api-key", "create", "shop"],
    "replay": ["-m", "hub.cli", "replay", "--failed"],
    "wsgi": ["-m", "gunicorn", "--bind", "127.0.0.1:0", "wsgi:app"],
}
PROBLEMS: dict[str, tuple[Callable[[Path], dict[str, str] | None], str, str]] = {}


def problem(what: str, remedy: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    """Add a way to break a data folder, what is said about it and what is said to help."""

    def add(spoil: Callable[[Path], Any]) -> Callable[[Path], Any]:
        PROBLEMS[spoil.__name__] = (spoil, what, remedy)
        return spoil

    return add


@problem("secret-key cannot be used", "delete it")
def secret_key_empty(folder: Path) -> None:
    (folder / "secret-key").write_text("")


@problem("at least 32", "backup")
def secret_key_short(folder: Path) -> None:
    (folder / "secret-key").write_text("x" * 31 + "\n")


@problem("is not a text file", "backup")
def secret_key_binary(folder: Path) -> None:
    (folder / "secret-key").write_bytes(b"\xff" * 64)


@problem("HUB_SECRET_KEY", "at least 32")
def secret_key_short_elsewhere(folder: Path) -> dict[str, str]:
    (folder.parent / "key").write_text("hush-hush")
    return {"HUB_SECRET_KEY_FILE": str(folder.parent / "key")}


@problem("HUB_SECRET_KEY", "is empty; write the secret into it")
def secret_key_empty_elsewhere(folder: Path) -> dict[str, str]:
    (folder.parent / "key").write_text(" \n")
    return {"HUB_SECRET_KEY_FILE": str(folder.parent / "key")}


@problem("encryption-keys is missing", "Restore the file from a backup")
def encryption_keys_missing(folder: Path) -> None:
    (folder / "encryption-keys").unlink()


@problem("encryption-keys cannot be used", "Restore it from a backup")
def encryption_keys_cut_short(folder: Path) -> None:
    text = (folder / "encryption-keys").read_text()
    (folder / "encryption-keys").write_text(text[:-9])


@problem("encryption-keys cannot be used", "Restore it from a backup")
def encryption_keys_empty(folder: Path) -> None:
    (folder / "encryption-keys").write_text("\n")


@problem("do not decrypt the data", "from a backup")
def encryption_keys_of_another_hub(folder: Path) -> None:
    (folder / "encryption-keys").write_text(
        "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()
    )


@problem("encrypted with the key 'k1'", "from a backup")
def encryption_keys_without_the_old_one(folder: Path) -> dict[str, str]:
    return {"HUB_ENCRYPTION_KEYS": "k2:" + base64.b64encode(secrets.token_bytes(32)).decode()}


@problem("is not a folder", "HUB_DATA_DIR")
def folder_is_a_file(folder: Path) -> dict[str, str]:
    (folder.parent / "file").write_text("")
    return {"HUB_DATA_DIR": str(folder.parent / "file")}


@problem("is not a folder", "HUB_DATA_DIR")
def folder_below_a_file(folder: Path) -> dict[str, str]:
    (folder.parent / "file").write_text("")
    return {"HUB_DATA_DIR": str(folder.parent / "file" / "data")}


@problem("is not writable", "Give this user write access")
def folder_not_writable(folder: Path) -> None:
    folder.chmod(0o500)


@problem("hub.db is not writable", "Give this user write access")
def database_not_writable(folder: Path) -> None:
    (folder / "hub.db").chmod(0o400)


@problem("hub.db is damaged (file is not a database)", "Restore the data folder")
def database_is_text(folder: Path) -> None:
    (folder / "hub.db").write_text("SQL format 3\n" * 2000)


@problem("hub.db is damaged", "Restore the data folder")
def database_truncated(folder: Path) -> None:
    os.truncate(folder / "hub.db", (folder / "hub.db").stat().st_size // 2)


@problem("hub.db is empty", "Restore the data folder")
def database_empty(folder: Path) -> None:
    os.truncate(folder / "hub.db", 0)


@problem("hub.db is damaged", "Restore the data folder")
def database_pages_overwritten(folder: Path) -> None:
    with (folder / "hub.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\x7f" * 5 * 4096)


@problem("hub.db cannot be read", "Restore the data folder")
def database_is_a_folder(folder: Path) -> None:
    (folder / "hub.db").unlink()
    (folder / "hub.db").mkdir()


@problem("newer version of Signpost (revision 9999)", "Install that version")
def database_newer(folder: Path) -> None:
    change_database(folder, "UPDATE alembic_version SET version_num = '9999'")


def change_database(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "hub.db")
    connection.execute(statement)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@problem("does not say which version made them", "from a complete backup")
def database_without_its_revision(folder: Path) -> None:
    change_database(folder, "DELETE FROM alembic_version")


@problem("does not say which version made them", "from a complete backup")
def database_without_the_table_of_its_revision(folder: Path) -> None:
    change_database(folder, "DROP TABLE alembic_version")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the data folder of an embedded hub that was stopped in order; tests copy it."""
    folder = tmp_path_factory.mktemp("whole") / "data"
    app = hub.create_app(config.load({"HUB_DATA_DIR": str(folder)}))
    with app.app_context():
        up.migrate()
        close(app)
    assert sorted(path.name for path in folder.iterdir()) == [
        "encryption-keys",
        "hub.db",
        "hub.db.lock",
        "secret-key",
    ]
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "data"
    shutil.copytree(whole, copy)
    yield copy
    copy.chmod(0o700)


@dataclass
class Ended:
    """A command that ended."""

    code: int
    said: str


def without_override() -> None:
    """Let permissions hold for root, too: tests run as root in some places."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def environ_of(folder: Path, more: dict[str, str] | None = None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HUB_", "TWILIO_", "PYTHONDONT"))
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HUB_DATA_DIR": str(folder),
        "HUB_BIND": f"127.0.0.1:{free_port()}",
        **(more or {}),
    }


def run(command: str, folder: Path, more: dict[str, str] | None = None) -> Ended:
    argv = [sys.executable, *COMMANDS[command]]
    done = subprocess.run(
        argv,
        env=environ_of(folder, more),
        cwd=ROOT,
        input="four words nobody knows\n",
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=without_override,
        check=False,
    )
    return Ended(done.returncode, done.stdout + done.stderr)


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Return the mode and a digest of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def cases() -> Iterator[Any]:
    """Try every problem with a command in turn, and every command with three problems."""
    names = list(COMMANDS)
    for number, name in enumerate(PROBLEMS):
        tried = (
            set(names)
            if name in ("secret_key_empty", "database_newer", "database_truncated")
            else {"migrate", "web"}
            if "its_revision" in name
            else {names[number % len(names)], "web"}
        )
        for command in names:
            if command in tried:
                yield pytest.param(name, command, id=f"{name}-{command.replace(' ', '-')}")


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize(("name", "command"), list(cases()))
def test_command_refuses_to_start_and_writes_nothing(folder: Path, name: str, command: str) -> None:
    spoil, what, remedy = PROBLEMS[name]
    more = spoil(folder)
    before = contents(folder.parent)
    ended = run(command, folder, more)
    assert ended.code != 0, ended.said
    assert "Traceback" not in ended.said
    assert what in ended.said
    assert remedy in ended.said
    assert "hush" not in ended.said
    folder.chmod(0o700)
    assert {**before, "data": (folder.stat().st_mode, "")} == {
        **contents(folder.parent),
        "data": (folder.stat().st_mode, ""),
    }


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize("command", ["migrate", "api-key create", "admin create", "replay"])
def test_healthy_folder_starts(folder: Path, command: str) -> None:
    ended = run(command, folder)
    assert ended.code == 0, ended.said
    assert "Warning" not in ended.said


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize("command", ["api-key create", "admin create", "replay"])
def test_command_before_the_migration_names_it(tmp_path: Path, command: str) -> None:
    ended = run(command, tmp_path / "new")
    assert ended.code == 1
    assert "Run `hub migrate`" in ended.said
    assert "Traceback" not in ended.said
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize("name", ["secret-key", "encryption-keys"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_key_that_others_can_read_is_a_warning(folder: Path, name: str, mode: int) -> None:
    (folder / name).chmod(mode)
    ended = run("migrate", folder)
    assert ended.code == 0, ended.said
    assert f"Run: chmod 600 {folder / name}" in ended.said


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
def test_log_of_a_killed_hub_is_read_and_left_alone(folder: Path) -> None:
    """Read the log that nobody copied back, which holds the revision here."""
    leave = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("UPDATE alembic_version SET version_num = '8888'")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", leave, str(folder / "hub.db")], check=True)
    assert (folder / "hub.db-wal").stat().st_size
    before = contents(folder)
    ended = run("cron", folder)
    assert "revision 8888" in ended.said
    assert contents(folder) == before


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
def test_database_in_use_is_checked_beside_its_user(folder: Path) -> None:
    user = sqlite3.connect(folder / "hub.db", isolation_level=None)
    user.execute("CREATE TABLE t (x)")
    user.execute("BEGIN IMMEDIATE")
    user.execute("INSERT INTO t VALUES (1)")
    found = startup_checks.load_config({"HUB_DATA_DIR": str(folder)})
    assert found.data_dir == folder
    user.execute("COMMIT")
    user.close()


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_is_a_sentence_or_harmless_and_never_written_over(
    whole: Path, tmp_path: Path, data: st.DataObject
) -> None:
    folder = tmp_path / secrets.token_hex(4)
    shutil.copytree(whole, folder)
    size = (folder / "hub.db").stat().st_size
    name = data.draw(st.sampled_from(["hub.db", "secret-key", "encryption-keys"]))
    where = data.draw(st.integers(0, min((folder / name).stat().st_size, size) - 1))
    with (folder / name).open("r+b") as file:
        if data.draw(st.booleans()):
            file.truncate(where)
        else:
            file.seek(where)
            file.write(data.draw(st.binary(min_size=1, max_size=600)))
    before = contents(folder)
    said = ""
    try:
        startup_checks.load_config({"HUB_DATA_DIR": str(folder)})
    except ConfigError as problem:
        said = str(problem)
    assert not said or "Restore" in said or "Install that version" in said
    assert contents(folder) == before
    shutil.rmtree(folder)


def test_postgresql_that_is_away_ends_commands_and_only_warns_servers(tmp_path: Path) -> None:
    keys = {
        "HUB_SECRET_KEY": "s" * 40,
        "HUB_ENCRYPTION_KEYS": "k1:" + base64.b64encode(bytes(32)).decode(),
    }
    away = {"HUB_DATABASE_URL": f"postgresql://hub:hush@127.0.0.1:{free_port()}/hub", **keys}
    for command in ("up", "migrate", "admin create", "api-key create", "replay"):
        ended = run(command, tmp_path / "data", away)
        assert ended.code == 1
        assert "PostgreSQL at 127.0.0.1:" in ended.said
        assert "Start it, or correct HUB_DATABASE_URL" in ended.said
        assert "Traceback" not in ended.said
        assert "hush" not in ended.said
    environ = environ_of(tmp_path / "data", away)
    with (tmp_path / "printed").open("wb") as out:
        web = subprocess.Popen(
            [sys.executable, *COMMANDS["web"]], env=environ, cwd=ROOT, stdout=out, stderr=out
        )
    try:
        wait_until(lambda: answer(f"http://{environ['HUB_BIND']}/readyz")[0] == 503, 20)
        assert (
            "Signpost starts, and works as soon as the database responds"
            in (tmp_path / "printed").read_text()
        )
    finally:
        web.send_signal(signal.SIGTERM)
        web.wait(10)


def answer(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=5) as found:
            return found.status, json.load(found)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)
    except OSError:
        return 0, None


# ── While it runs ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("revision", "said"),
    [("9999", "newer than this version"), ("0001", "run hub migrate"), (None, "hub migrate")],
)
def test_readiness_names_a_database_of_another_version(
    app: Any, client: FlaskClient, revision: str | None, said: str
) -> None:
    before = startup_checks._revisions()[-1]
    set_revision(app, revision)
    try:
        found = client.get("/readyz")
    finally:
        set_revision(app, before)
    assert found.status_code == 503
    assert said in found.get_json()["database"]
    assert client.get("/readyz").get_json()["database"] == "ok"


def set_revision(app: Any, revision: str | None) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        if revision:
            connection.execute(
                text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision}
            )


def test_newest_revision_is_the_last_migration() -> None:
    numbers = [
        re.match(r"\d+", path.name) for path in (ROOT / "migrations" / "versions").glob("*.py")
    ]
    assert startup_checks._revisions() == tuple(sorted(found[0] for found in numbers if found))


def test_full_disk_is_degraded(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/readyz").get_json()["disk"] == "ok"
    monkeypatch.setattr(disk, "LEAST_FREE", 1 << 62)  # more than any disk has
    found = client.get("/readyz")
    assert (found.status_code, found.get_json()["status"]) == (200, "degraded")
    assert found.get_json()["disk"] == "almost full; free some space"


def fill(create_user: Callable[[str, str], str]) -> None:
    for number in range(10_000):
        create_user(f"{number}@{'x' * 200}.example", "D" * 100)


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
def test_write_that_failed_for_want_of_room_is_reported(
    app: Any, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hub.accounts import users

    monkeypatch.setattr(disk, "_failed_at", float("-inf"))
    with app.app_context():
        with db.engine.connect() as connection:
            (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        with pytest.raises(OperationalError, match="full"):
            fill(users.create_user)
    assert (
        client.get("/readyz").get_json()["disk"]
        == "a write failed in the last minute; free some space"
    )
