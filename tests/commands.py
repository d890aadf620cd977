"""Run `hub` commands as separate processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run_command(
    folder: Path, *arguments: str, stdin: str = "", **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command on the test's own data folder."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HUB_", "TWILIO_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *arguments],
        input=stdin,
        env={**inherited, "HUB_DATA_DIR": str(folder), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
