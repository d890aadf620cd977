"""The documents keep up with the code, and the locks are what they promise."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hub.core.config import SETTINGS, Setting

ROOT = Path(__file__).resolve().parent.parent
LOCKS = [ROOT / "requirements.txt", ROOT / "requirements-dev.txt", ROOT / "requirements-bench.txt"]


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_the_readme_tells_of_each_setting_with_its_default(setting: Setting) -> None:
    rows = [
        line
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith(f"| `{setting.name}` |")
    ]
    assert len(rows) == 1, "run: make docs"
    _, _, default, meaning, _ = rows[0].split("|", 4)
    assert default.strip().strip("`") == setting.default
    assert setting.meaning in meaning


def test_the_table_of_settings_is_made_from_the_settings() -> None:
    made = subprocess.run(
        [sys.executable, "bin/settings", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


def make(*words: str) -> str:
    command = ["make", "-s", "--no-print-directory", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_make_help_lists_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert re.findall(r"^  make (\S+) +\S", make("help"), re.MULTILINE) == phony[1].split()


def test_make_alone_shows_the_help() -> None:
    assert make() == make("help")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_every_package_by_hash_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()
    packages = re.split(r"\n(?=\S)", text.strip())
    assert len(packages) > 20
    for package in packages:
        assert re.match(r"[a-z0-9._-]+==\S+", package), package
        assert "--hash=sha256:" in package, package
    assert not re.search(r"://|--index|--find-links|--extra| @ |file:|\s\.?/", text)


def test_what_the_tests_need_includes_what_the_hub_needs_in_the_same_versions() -> None:
    def pins(lock: Path) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+==[^\s;]+", lock.read_text(), re.MULTILINE))

    assert pins(LOCKS[0]) <= pins(LOCKS[1])
