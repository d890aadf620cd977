"""The layout of emails: compiled from its source, and without anything to load."""

from __future__ import annotations

import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from hub.integrations.emails import layout

FOLDER = Path(layout.__file__).parent
ROOT = FOLDER.parents[2]


def compiler() -> ModuleType:
    loader = SourceFileLoader("mail_layout", str(ROOT / "bin" / "mail-layout"))
    spec = importlib.util.spec_from_loader("mail_layout", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_compiled_layout_is_current() -> None:
    made = compiler().compiled((FOLDER / "layout.mjml").read_text("utf-8"))
    compiled = re.sub(r"\s+", " ", (FOLDER / "layout.html").read_text("utf-8"))
    assert re.sub(r"\s+", " ", made) == compiled, "run: bin/mail-layout"


def test_layout_works_in_outlook_and_in_dark_mode() -> None:
    html = (FOLDER / "layout.html").read_text("utf-8")
    assert "<!--[if mso" in html
    assert '<meta name="color-scheme" content="light dark"' in html
    assert "@media (prefers-color-scheme: dark)" in html


def test_layout_loads_nothing() -> None:
    html = (FOLDER / "layout.html").read_text("utf-8")
    assert not re.search(r"<(?:link|script|iframe)\b|@import|url\(", html)
    assert re.findall(r'<img[^>]*\bsrc="([^"]*)"', html) == ["{{ logo }}"]
