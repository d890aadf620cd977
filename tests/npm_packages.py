"""Install npm packages into a folder that stays between runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def install_packages(folder: Path, request: pytest.FixtureRequest) -> Path:
    """Copy a folder to the cache of pytest, install its packages, and return the copy.

    Without a cache, the packages are installed for this test only. Skips the test where Node is
    missing, or where no registry can be reached.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node is not installed")
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    parent = cache.mkdir("npm") if cache else request.getfixturevalue("tmp_path")
    copy = parent / folder.name
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    if not (copy / "node_modules").is_dir():
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]
        installed = subprocess.run(command, cwd=copy, capture_output=True, check=False, timeout=300)
        if installed.returncode != 0:
            shutil.rmtree(copy / "node_modules", ignore_errors=True)
            pytest.skip("npm could not install the packages")
    return copy
