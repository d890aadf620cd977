"""Data folders of hubs, healthy and damaged, and commands that start on them."""

from __future__ import annotations

import base64
import ctypes
import hashlib
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import hub
from hub.core import config
from hub.run import up
from tests.commands import run_forked
from tests.conftest import close, free_port

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


def problem(expected: str, remedy: str) -> Callable[[Callable[[Path], Any]], Callable[[Path], Any]]:
    """Register a way to damage a data folder, with the expected problem and remedy."""

    def register(damage: Callable[[Path], Any]) -> Callable[[Path], Any]:
        PROBLEMS[damage.__name__] = (damage, expected, remedy)
        return damage

    return register


@problem("secret-key: ", "delete it")
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


@problem("HUB_SECRET_KEY", "is empty. Write the secret into it")
def secret_key_empty_elsewhere(folder: Path) -> dict[str, str]:
    (folder.parent / "key").write_text(" \n")
    return {"HUB_SECRET_KEY_FILE": str(folder.parent / "key")}


@problem("encryption-keys is missing", "Restore the file from a backup")
def encryption_keys_missing(folder: Path) -> None:
    (folder / "encryption-keys").unlink()


@problem("encryption-keys: ", "Restore it from a backup")
def encryption_keys_cut_short(folder: Path) -> None:
    text = (folder / "encryption-keys").read_text()
    (folder / "encryption-keys").write_text(text[:-9])


@problem("encryption-keys: ", "Restore it from a backup")
def encryption_keys_empty(folder: Path) -> None:
    (folder / "encryption-keys").write_text("\n")


@problem("do not decrypt the data", "from a backup")
def encryption_keys_of_another_hub(folder: Path) -> None:
    (folder / "encryption-keys").write_text(
        "k1:" + base64.b64encode(secrets.token_bytes(32)).decode()
    )


@problem("encrypted with the key “k1”", "from a backup")
def encryption_keys_without_the_old_one(folder: Path) -> dict[str, str]:
    return {"HUB_ENCRYPTION_KEYS": "k2:" + base64.b64encode(secrets.token_bytes(32)).decode()}


@problem("is not a directory", "HUB_DATA_DIR")
def folder_is_a_file(folder: Path) -> dict[str, str]:
    (folder.parent / "file").write_text("")
    return {"HUB_DATA_DIR": str(folder.parent / "file")}


@problem("is not a directory", "HUB_DATA_DIR")
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


@problem("a version before 0.2.0 created the database", "to an empty folder or database")
def database_of_a_version_before_0_2_0(folder: Path) -> None:
    change_database(folder, "UPDATE alembic_version SET version_num = '0015'")


def change_database(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "hub.db")
    connection.execute(statement)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@problem("has tables, but no version", "from a complete backup")
def database_without_its_revision(folder: Path) -> None:
    change_database(folder, "DELETE FROM alembic_version")


@problem("has tables, but no version", "from a complete backup")
def database_without_the_table_of_its_revision(folder: Path) -> None:
    change_database(folder, "DROP TABLE alembic_version")


@pytest.fixture(scope="session")
def intact_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the data folder of an embedded hub that was stopped in order, for tests to copy."""
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
def folder(intact_folder: Path, tmp_path: Path) -> Iterator[Path]:
    copy = tmp_path / "data"
    shutil.copytree(intact_folder, copy)
    yield copy
    copy.chmod(0o700)


@dataclass
class CommandResult:
    """The result of a command that ended."""

    code: int
    output: str


def without_override() -> None:
    """Return a prefix that makes file permissions apply to root, too."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def environ_of(folder: Path, variables: dict[str, str] | None = None) -> dict[str, str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HUB_", "TWILIO_", "PYTHONDONT"))
    }
    return {
        **environment,
        "PYTHONPATH": str(ROOT),
        "HUB_DATA_DIR": str(folder),
        "HUB_BIND": f"127.0.0.1:{free_port()}",
        **(variables or {}),
    }


def run_command(
    command: str,
    folder: Path,
    variables: dict[str, str] | None = None,
    *,
    as_program: bool = False,
) -> CommandResult:
    """Run a command to its end. Only a new program is bound by file permissions as root."""
    environ = environ_of(folder, variables)
    password = "four words nobody knows\n"
    if not as_program and COMMANDS[command][1] == "hub.cli":
        ended = run_forked(folder, *COMMANDS[command][2:], stdin=password, cwd=ROOT, **environ)
        return CommandResult(ended.returncode, ended.stdout + ended.stderr)
    process = subprocess.run(
        [sys.executable, *COMMANDS[command]],
        env=environ,
        cwd=ROOT,
        input=password,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=without_override,
        check=False,
    )
    return CommandResult(process.returncode, process.stdout + process.stderr)


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Return the mode and a digest of everything in a folder."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }
