"""The commands that export and import texts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from hub.run.text_commands import texts
from tests.signing.test_text_files import find, po

SENT = "request_sent/sms/text"


@pytest.fixture
def run(
    app: Flask, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: CliRunner().invoke(texts, [str(item) for item in arguments])


def test_exported_texts_are_imported_without_changes(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    for arguments in (["pl"], []):
        path = tmp_path / "texts"
        assert run("export", *arguments, "--output", path).exit_code == 0
        path = path.rename(tmp_path / "pl.po")
        done = run("import", path)
        assert (done.exit_code, "0 texts changed" in done.output) == (0, True)


def test_dry_run_stores_nothing(app: Flask, run: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "pl.po"
    path.write_text(po("pl", (SENT, "Podpisz ((title))")), encoding="utf-8")
    done = run("import", "--dry-run", path)
    assert "request_sent (sms, pl): draft" in done.output
    assert "1 texts would change" in done.output
    with app.app_context():
        assert find("request_sent", "sms", "pl").draft_text is None
    assert run("import", path).exit_code == 0
    with app.app_context():
        assert find("request_sent", "sms", "pl").draft_text == "Podpisz ((title))"


def test_errors_are_printed_with_file_and_line(run: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "pl.po"
    path.write_text(po("pl", (SENT, "((titel))")), encoding="utf-8")
    done = run("import", path)
    assert done.exit_code == 1
    assert "pl.po:6: request_sent/sms/text: Character 1: ((titel)) is not a value." in done.output
    path.write_bytes(b"\xff\xfe")
    assert "The file is in UTF-16. Save it in UTF-8." in run("import", path).output


def test_wrong_language_is_refused(run: Callable[..., Result]) -> None:
    assert run("export", "../x").exit_code == 2
