"""Promises that hold for every template and script, read from the files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment

import hub

PACKAGE = Path(hub.__file__).parent
TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
# the simulator has no sign-in to protect
OURS = [path for path in TEMPLATES if path.parent.name != "simulator"]
STYLESHEET = "\n".join(
    path.read_text(encoding="utf-8") for path in (PACKAGE / "static").glob("*.css")
)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_inline_style_or_script(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", source)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_class_of_ours_in_a_template_is_in_the_stylesheet(template: Path) -> None:
    source = re.sub(
        r"\{#.*?#\}|\{[{%].*?[%}]\}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    names = {
        name
        for value in re.findall(r'class="([^"]*)"', source)
        for name in value.split()
        if name.startswith("sp-")
    }
    unknown = {name for name in names if not name.endswith("-") and f".{name}" not in STYLESHEET}
    assert unknown <= HOOKS


@pytest.mark.parametrize("template", OURS, ids=lambda path: path.name)
def test_every_form_that_acts_carries_the_token(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    for form in re.findall(r"<form\b.*?</form>", source, flags=re.DOTALL):
        assert 'method="post"' not in form or "csrf_field()" in form


@pytest.mark.parametrize("template", OURS, ids=lambda path: path.name)
def test_every_page_shows_the_given_text(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    Environment(autoescape=True).parse(source)
    assert template.name == "_head.html" or source.startswith("{#")


# names of regions, without a look
HOOKS = {"sp-people", "sp-activity", "sp-requests", "sp-share", "sp-wrong"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_template_lines_fit_a_screen(template: Path) -> None:
    lines = template.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) >= 140] == []
