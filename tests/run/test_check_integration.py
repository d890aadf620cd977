"""`bin/check-integration` runs every test of one integration, and reports only its own files."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK: dict[str, Any] = runpy.run_path(str(ROOT / "bin" / "check-integration"))


@pytest.mark.parametrize(
    ("text", "is_own"),
    [
        ("divide them assert not {'hub/integrations/slack/blocks.py': 412}", True),
        ("{'tests/integrations/test_slack.py': 412}", True),
        ("CycleError: ['hub.integrations.slack.blocks', 'hub.integrations.slack.text']", True),
        ("ask the class: {'hub/core/vocabulary.py': {'Slack'}}", True),
        ("divide them assert not {'tests/test_accounts.py': 412}", False),
        ("{'hub/integrations/smtp/imap.py': 412}", False),
        ("{'tests/integrations/slack_server.py': 412}", False),
    ],
)
def test_failure_concerns_an_integration_if_it_names_its_files(text: str, is_own: bool) -> None:
    assert CHECK["concerns"]("slack", text) is is_own


def test_every_test_of_the_contract_is_selected_and_no_other() -> None:
    command = CHECK["checks_of"]("slack", None)["the contract"]
    listed = subprocess.run(
        [sys.executable, *command, "--collect-only"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    names = [line for line in listed.splitlines() if "::" in line]
    assert names
    assert all(name.endswith(("[slack]", "-slack]")) for name in names)
    for test in ("test_no_error_quotes_the_response", "test_text_of_any_alphabet", "test_name_m"):
        assert any(test in name for name in names), test
