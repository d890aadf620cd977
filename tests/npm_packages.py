"""Install npm packages into a folder that stays between runs."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def install_packages(folder: Path, request: pytest.FixtureRequest) -> Path:
    """Copy a folder to the cache of pytest, install its packages, and return the copy.

    Processes that test the same folder take turns, and a process of a test never reads half a file.
    Without a cache, the packages are installed for this test only. Skips the test where Node is
    missing, or where no registry can be reached.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node is not installed")
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    parent = cache.mkdir("npm") if cache else request.getfixturevalue("tmp_path")
    copy = parent / folder.name
    with (parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copytree(folder, copy, copy_function=_copy_whole, dirs_exist_ok=True)
        if not (copy / "node_modules").is_dir():
            _install(copy)
    return copy


def _copy_whole(source: str, target: str) -> None:
    """Copy a file that a program may be reading."""
    shutil.copy2(source, f"{target}.new")
    os.replace(f"{target}.new", target)


def _install(folder: Path) -> None:
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300)
    if installed.returncode != 0:
        shutil.rmtree(folder / "node_modules", ignore_errors=True)
        pytest.skip("npm could not install the packages")
