"""Render the Markdown of cards as HTML: bold, italic, links and lists.

https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/cards-format
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from hub.simulator.teams.cards import is_link

TOKEN = re.compile(r"\\(?P<literal>[^\w\s]|_)|\[(?P<label>[^\[\]\n]*)\]\((?P<address>[^()\s]*)\)")
# placeholder of a token, in private-use characters
PLACEHOLDER = re.compile("\ue000(\\d+)\ue001")
STYLES = [
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), "strong"),
    (re.compile(r"(?<![\w*_])([*_])(?=\S)([^*_\n]+?)(?<=\S)\1(?![\w*_])"), "em"),
]
ITEM = re.compile(r"^[-*] +", re.MULTILINE)


def render(text: str) -> Markup:
    """Return a card's text as HTML. Line breaks are kept."""
    rendered_tokens: list[Markup] = []

    def replace_token(match: re.Match[str]) -> str:
        if match["literal"] is not None:
            rendered_tokens.append(escape(match["literal"]))
        elif is_link(match["address"]):
            rendered_tokens.append(
                Markup('<a href="{}" rel="noreferrer">{}</a>').format(
                    match["address"], match["label"]
                )
            )
        else:
            rendered_tokens.append(escape(match[0]))
        return f"\ue000{len(rendered_tokens) - 1}\ue001"

    html = str(
        escape(
            TOKEN.sub(
                replace_token, ITEM.sub("• ", text.replace("\ue000", "").replace("\ue001", ""))
            )
        )
    )
    for pattern, tag in STYLES:
        html = pattern.sub(rf"<{tag}>\2</{tag}>", html)
    filled = PLACEHOLDER.sub(lambda match: str(rendered_tokens[int(match[1])]), html)
    return Markup(filled)  # noqa: S704 - escaped above, part by part
