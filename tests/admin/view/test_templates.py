"""Rules that hold for every template and script, checked on their source."""

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
def test_templates_have_no_inline_styles_or_scripts(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", source)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_class_of_a_template_is_in_the_stylesheet(template: Path) -> None:
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
def test_every_posting_form_has_a_csrf_token(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    for form in re.findall(r"<form\b.*?</form>", source, flags=re.DOTALL):
        # the link of that page is the proof, and mailboxes post the same without a token
        is_exempt = template.name == "unsubscribe.html"
        assert 'method="post"' not in form or "csrf_field()" in form or is_exempt


@pytest.mark.parametrize("template", OURS, ids=lambda path: path.name)
def test_every_template_parses_and_begins_with_a_comment(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    Environment(autoescape=True).parse(source)
    assert template.name == "_head.html" or source.startswith("{#")


# names of regions, without a look
HOOKS = {"sp-people", "sp-activity", "sp-requests", "sp-share", "sp-wrong"}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_template_lines_fit_the_limit(template: Path) -> None:
    lines = template.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(line) >= 140] == []
