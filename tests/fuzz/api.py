"""Run Schemathesis against a whole hub: every operation of the document, with all checks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.live_hub import Hub, live_hub

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def command(hub: Hub, seconds: int, seed: int | None) -> list[str]:
    """Return the command of Schemathesis against a running hub."""
    schemathesis = Path(sys.executable).with_name("schemathesis")
    chosen = [] if seed is None else ["--seed", str(seed)]
    return [
        str(schemathesis),
        f"--config-file={CONFIGURATION}",
        "run",
        f"{hub.url}/api/v1/openapi.json",
        "--max-time",
        str(seconds),
        "--continue-on-failure",
        *chosen,
    ]


def run(seconds: int, seed: int | None = None) -> int:
    """Test the API for this time, and return 0 if every response was as documented."""
    with tempfile.TemporaryDirectory() as folder, live_hub(Path(folder)) as hub:
        environ = {**os.environ, "PYTHONPATH": str(Path.cwd()), "HUB_API_KEY": hub.key}
        call = command(hub, seconds, seed)
        return subprocess.run(call, cwd=folder, env=environ, check=False).returncode
