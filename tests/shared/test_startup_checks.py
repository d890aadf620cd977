"""Start-up checks, in real processes: one sentence, a failure code, and an untouched folder."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import POSTGRES, free_port, wait_until
from tests.effort import sized
from tests.shared.start_up import COMMANDS, PROBLEMS, ROOT, contents, environ_of, run_command
from tests.shared.start_up import folder as folder
from tests.shared.start_up import intact_folder as intact_folder


def cases() -> Iterator[Any]:
    """Yield every problem with one command, in turns, and a few problems with every command.

    A long run tries every problem with `web`, too.
    """
    names = list(COMMANDS)
    with_every_command = sized(
        ("secret_key_empty", "database_newer", "database_truncated"), ("database_newer",)
    )
    for number, name in enumerate(PROBLEMS):
        tried = {names[number % len(names)], *sized(("web",), ())}
        if "its_revision" in name:
            tried = {"migrate", "web"}
        elif name in with_every_command:
            tried = set(names)
        for command in names:
            if command in tried:
                yield pytest.param(name, command, id=f"{name}-{command.replace(' ', '-')}")


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize(("name", "command"), list(cases()))
def test_command_refuses_to_start_and_writes_nothing(folder: Path, name: str, command: str) -> None:
    spoil, problem, remedy = PROBLEMS[name]
    environ = spoil(folder)
    before = contents(folder.parent)
    ended = run_command(command, folder, environ, as_program=name.endswith("_not_writable"))
    assert ended.code != 0, ended.output
    assert "Traceback" not in ended.output
    assert problem in ended.output
    assert remedy in ended.output
    assert "hush" not in ended.output
    folder.chmod(0o700)
    assert {**before, "data": (folder.stat().st_mode, "")} == {
        **contents(folder.parent),
        "data": (folder.stat().st_mode, ""),
    }


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize("command", ["migrate", "api-key create", "admin create", "replay"])
def test_healthy_folder_starts(folder: Path, command: str) -> None:
    ended = run_command(command, folder, as_program=True)
    assert ended.code == 0, ended.output
    assert "Warning" not in ended.output


@pytest.mark.skipif(bool(POSTGRES), reason="about the embedded database")
@pytest.mark.parametrize("command", ["api-key create", "admin create", "replay"])
def test_command_before_the_migration_names_it(tmp_path: Path, command: str) -> None:
    ended = run_command(command, tmp_path / "new")
    assert ended.code == 1
    assert "Run `hub migrate`" in ended.output
    assert "Traceback" not in ended.output
    assert not (tmp_path / "new").exists()


def test_unreachable_postgresql_ends_commands_and_only_warns_servers(tmp_path: Path) -> None:
    keys = {
        "HUB_SECRET_KEY": "s" * 40,
        "HUB_ENCRYPTION_KEYS": "k1:" + base64.b64encode(bytes(32)).decode(),
    }
    unreachable = {"HUB_DATABASE_URL": f"postgresql://hub:hush@127.0.0.1:{free_port()}/hub", **keys}
    for command in ("up", "migrate", "admin create", "api-key create", "replay"):
        ended = run_command(command, tmp_path / "data", unreachable)
        assert ended.code == 1
        assert "PostgreSQL at 127.0.0.1:" in ended.output
        assert "Start it, or correct HUB_DATABASE_URL" in ended.output
        assert "Traceback" not in ended.output
        assert "hush" not in ended.output
    environ = environ_of(tmp_path / "data", unreachable)
    with (tmp_path / "printed").open("wb") as out:
        web = subprocess.Popen(
            [sys.executable, *COMMANDS["web"]], env=environ, cwd=ROOT, stdout=out, stderr=out
        )
    try:
        wait_until(lambda: get_json(f"http://{environ['HUB_BIND']}/readyz")[0] == 503, 20)
        assert (
            "Signpost starts, and works as soon as the database responds"
            in (tmp_path / "printed").read_text()
        )
    finally:
        web.send_signal(signal.SIGTERM)
        web.wait(10)


def get_json(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)
    except OSError:
        return 0, None
