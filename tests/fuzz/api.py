"""Run Schemathesis against a whole hub: every operation of the document, with all checks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.live_hub import live_hub

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


# each has its own thousand bodies in the phase that covers the schema
LARGEST = ("postEvent", "previewEvent")


def options(seconds: int, examples: int) -> list[list[str]]:
    """Return the options of each run of Schemathesis: one for a time, or two with fixed cases.

    A run for a time tries more on a faster machine. With a number of examples, each machine tries
    the same cases.
    """
    if not examples:
        return [["--max-time", str(seconds)]]
    excluded = [word for name in LARGEST for word in ("--exclude-operation-id", name)]
    tries = ["--max-examples", str(examples), "--suppress-health-check", "all"]
    return [
        ["--phases", "coverage", *excluded],
        ["--phases", "examples,fuzzing,stateful", *tries],
    ]


def run(seconds: int, seed: int | None = None, examples: int = 0) -> int:
    """Test the API, and return 0 if every response was as documented."""
    schemathesis = Path(sys.executable).with_name("schemathesis")
    chosen = [] if seed is None else ["--seed", str(seed)]
    with tempfile.TemporaryDirectory() as folder, live_hub(Path(folder)) as hub:
        environ = {**os.environ, "PYTHONPATH": str(Path.cwd()), "HUB_API_KEY": hub.key}
        call = [schemathesis, f"--config-file={CONFIGURATION}", "run", "--continue-on-failure"]
        document = f"{hub.url}/api/v1/openapi.json"
        results = [
            subprocess.run(
                [*call, *chosen, *wishes, document], cwd=folder, env=environ, check=False
            )
            for wishes in options(seconds, examples)
        ]
    return max(result.returncode for result in results)
