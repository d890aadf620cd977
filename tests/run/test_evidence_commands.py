"""The command that verifies a file needs nothing but the file and a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.run.evidence_commands import evidence
from tests.evidence.test_verification import VERIFIER_KEY, make_file


@pytest.mark.parametrize(
    ("change", "status", "line"),
    [(b"", 0, "The file is intact."), (b" ", 1, "The file is not intact.")],
)
def test_file_is_verified_with_a_key(tmp_path: Path, change: bytes, status: int, line: str) -> None:
    path = tmp_path / "evidence.json"
    path.write_bytes(make_file(["Eric"]) + change)
    done = CliRunner().invoke(evidence, ["verify", str(path), "--key", str(VERIFIER_KEY)])
    assert (done.exit_code, done.output.splitlines()[0]) == (status, line)


def test_wrong_key_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    path.write_bytes(make_file(["Eric"]))
    done = CliRunner().invoke(evidence, ["verify", str(path), "--key", "nothing"])
    assert done.exit_code == 2
    assert "verifier key" in done.output
