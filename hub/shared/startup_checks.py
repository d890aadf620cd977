"""Check the data folder, the key files and the database before anything starts.

A problem that only an admin can fix ends the command with one sentence. Nothing is written, so that
the data can be repaired or restored.
"""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import stat
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.engine import make_url

from hub.core import config, data_dir
from hub.core.config import Config
from hub.core.errors import ConfigError, DecryptionError
from hub.core.quotes import quoted
from hub.core.setting_parsers import Keys
from hub.db import sqlite_check
from hub.db.encrypted_fields import SETTING_VALUE
from hub.db.engine import MIGRATIONS, connect_options
from hub.lib.crypto import Keyring

EXIT_CODE = 4  # with this code, gunicorn also stops instead of restarting the worker
ENCRYPTED_VALUE = "SELECT value FROM settings WHERE name = 'index_key'"
REVISION = "SELECT version_num FROM alembic_version"
TABLES = "SELECT count(*) FROM (SELECT 1 FROM messages LIMIT 1) AS found"  # fails without tables
# Alembic's own reader imports every migration and takes 12 MB
_REVISION_LINES = re.compile(
    r"^(revision|down_revision) *(?::[^=]+)?= *(?:['\"]([^'\"]*)['\"]|None)", re.MULTILINE
)
_BEFORE_0_2_0 = re.compile(r"00[0-9]{2}")  # revisions that no migration continues
QUERIES = (REVISION, ENCRYPTED_VALUE, TABLES)
RESTORE = "Restore the data folder from a backup. Nothing was changed."


class DatabaseState(NamedTuple):
    """The database's revision, a value encrypted with its first key, and whether it has tables."""

    revision: str | None
    encrypted_value: bytes | None
    tables: int | None  # None: there are no tables


class Unreachable(ConfigError):
    """The database server does not answer."""


def load_config(
    environ: Mapping[str, str] | None = None, *, wait: bool = False, migrated: bool = False
) -> Config:
    """Read and check the settings; print warnings about unsafe ones.

    With `wait`, a database server that does not answer causes only a warning, because the process
    serves once it is available. With `migrated`, the tables must be those of this version. Raises
    ConfigError with one sentence of reason and remedy.
    """
    environ = os.environ if environ is None else environ
    unreachable: list[str] = []

    def verify(folder: Path, database_url: str, keys: Keys | None) -> None:
        try:
            _verify_database(database_url, keys, folder, migrated=migrated)
        except Unreachable as error:
            if not wait:
                raise
            unreachable.append(str(error))

    loaded = config.load(environ, verify)
    for reason in unreachable:
        _warn(f"{reason} Signpost starts, and works as soon as the database responds.")
    for warning in _readable_key_warnings(loaded, environ):
        _warn(warning)
    return loaded


def revision_problem(revision: str | None) -> str:
    """Return the problem of a database's revision for this code, or ""."""
    known_revisions = _revisions()
    if revision == known_revisions[-1]:
        return ""
    if revision is not None and _BEFORE_0_2_0.fullmatch(revision):
        return "made by a version before 0.2.0. Use a new data folder"
    if revision is None or revision in known_revisions:
        return "not migrated. Run hub migrate"
    return "newer than this version of Signpost. Install the newer version again"


@cache
def _revisions() -> tuple[str, ...]:
    """Return the revisions of this code, oldest first."""
    pairs = {}
    for path in Path(MIGRATIONS, "versions").glob("*.py"):
        names = dict(_REVISION_LINES.findall(path.read_text()))
        pairs[names.get("down_revision", "")] = names["revision"]
    ordered: list[str] = []
    while (following := pairs.get(ordered[-1] if ordered else "")) is not None:
        ordered.append(following)
    return tuple(ordered)


# ── The database ────────────────────────────────────────────────────────────────────────────────
def _verify_database(url: str, keys: Keys | None, folder: Path, *, migrated: bool) -> None:
    """Raise ConfigError if the database is damaged, newer than the code, or has other keys."""
    file = _sqlite_file(url)
    state = _read_file(file) if file else _read_server(url)
    database = str(file) if file else f"at {_describe_server(url)}"
    problem = revision_problem(state.revision)
    if problem.startswith("newer"):
        raise ConfigError(
            "Signpost does not start: a newer version of Signpost (revision"
            f" {state.revision}) created the database {database}. Install that version again,"
            " or restore an older backup. Nothing was changed."
        )
    if state.revision is not None and _BEFORE_0_2_0.fullmatch(state.revision):
        raise ConfigError(
            f"Signpost does not start: a version before 0.2.0 created the database {database}, and"
            " this version cannot read its tables. Set HUB_DATA_DIR (or HUB_DATABASE_URL) to an"
            " empty folder or database, or install the earlier version again. Nothing was changed."
        )
    if state.revision is None and state.tables is not None:
        # migrations run in one transaction, so an interrupted one does not cause this
        raise ConfigError(
            f"Signpost does not start: the database {database} has tables, but no version."
            " It was probably restored incompletely. Restore it from a complete backup. "
            "Nothing was changed."
        )
    if migrated and problem:
        raise ConfigError(
            f"The tables of the database {database} are missing or older than this version of "
            "Signpost. Run `hub migrate`, then run this command again."
        )
    if state.encrypted_value is not None:
        _verify_keys(state.encrypted_value, keys, folder)


def _verify_keys(encrypted_value: bytes, keys: Keys | None, folder: Path) -> None:
    file = folder / data_dir.ENCRYPTION_KEYS
    if keys is None:
        raise ConfigError(
            f"Signpost does not start: the file {file} is missing, and the database"
            " contains data that only its keys decrypt. Restore the file from a backup,"
            " or set HUB_ENCRYPTION_KEYS. Nothing was changed."
        )
    try:
        Keyring(keys).open(SETTING_VALUE, "index_key", encrypted_value)
    except DecryptionError as error:
        raise ConfigError(
            "Signpost does not start: the encryption keys do not decrypt the data in the"
            f" database, which was encrypted with the key {quoted(error.key_id)}. Restore"
            f" {file} or HUB_ENCRYPTION_KEYS from a backup. Nothing was changed."
        ) from None


def _sqlite_file(url: str) -> Path | None:
    if not url.startswith("sqlite:"):
        return None
    name = make_url(url).database or ""
    return None if name in ("", ":memory:") else Path(name)


def _read_file(file: Path) -> DatabaseState:
    """Check the embedded database's file and read its state. Raises ConfigError."""
    try:
        data_dir.verify(file.parent)
        if not file.exists():
            return DatabaseState(None, None, None)
        if not os.access(file, os.R_OK | os.W_OK):
            raise ConfigError(
                f"Signpost does not start: the database {file} is not writable for user "
                f"{os.geteuid()}. Give this user write access to it."
            )
        with sqlite_check.open_checked(file) as connection:
            return DatabaseState(*(_first_value(connection, query) for query in QUERIES))
    except sqlite_check.Unusable as error:
        reason = f"Signpost does not start: the database {file} {error}."
        raise ConfigError(f"{reason} {RESTORE}") from None


def _first_value(connection: sqlite3.Connection, query: str) -> Any:
    try:
        row = connection.execute(query).fetchone()
    except sqlite3.OperationalError:  # the table does not exist yet
        return None
    return row[0] if row else None


def _read_server(url: str) -> DatabaseState:
    """Read the state of a PostgreSQL database. Raises Unreachable."""
    import psycopg

    values: list[Any] = []
    driver_url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(driver_url, **connect_options(url), autocommit=True) as connection:
            for query in QUERIES:
                try:
                    row = connection.execute(query).fetchone()
                except psycopg.errors.UndefinedTable:
                    row = None
                values.append(row[0] if row else None)
    except psycopg.Error as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Unreachable(
            f"PostgreSQL at {_describe_server(url)} cannot be used: {reason}. "
            "Start it, or correct HUB_DATABASE_URL."
        ) from None
    return DatabaseState(*values)


def _describe_server(url: str) -> str:
    parts = make_url(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.host or 'a local socket'}{port}/{parts.database or ''}"


# ── Keys that others can read ───────────────────────────────────────────────────────────────────
def _readable_key_warnings(loaded: Config, environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each key file that other users of the machine can read."""
    files = [loaded.data_dir / name for name in (data_dir.SECRET_KEY, data_dir.ENCRYPTION_KEYS)]
    configured_paths = [
        environ.get(f"{setting.name}_FILE") for setting in config.SETTINGS if setting.secret
    ]
    files += [Path(name) for name in configured_paths if name]
    warnings = []
    for file in files:
        try:
            mode = file.stat().st_mode
        except OSError:
            continue  # the file does not exist
        if mode & (stat.S_IRGRP | stat.S_IROTH):
            command = shlex.join(["chmod", "600", str(file)])
            reason = f"other users of this machine can read the key file {file}."
            warnings.append(f"{reason} Run: {command}")
    return warnings


def _warn(text: str) -> None:
    print(f"Warning: {text}", file=sys.stderr, flush=True)
