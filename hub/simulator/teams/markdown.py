"""The part of Markdown that cards know, as their readers see it: bold, italic, links, lists.

https://learn.microsoft.com/en-us/microsoftteams/platform/task-modules-and-cards/cards/cards-format
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from hub.simulator.teams.cards import is_link

TOKEN = re.compile(r"\\(?P<literal>[^\w\s]|_)|\[(?P<label>[^\[\]\n]*)\]\((?P<address>[^()\s]*)\)")
# the place of a token that was taken out, in characters that nobody writes
HELD = re.compile("\ue000(\\d+)\ue001")
STYLES = [
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), "strong"),
    (re.compile(r"(?<![\w*_])([*_])(?=\S)([^*_\n]+?)(?<=\S)\1(?![\w*_])"), "em"),
]
ITEM = re.compile(r"^[-*] +", re.MULTILINE)


def render(text: str) -> Markup:
    """Write a card's text as HTML; line breaks stay as they are."""
    held: list[Markup] = []

    def hold(match: re.Match[str]) -> str:
        if match["literal"] is not None:
            held.append(escape(match["literal"]))
        elif is_link(match["address"]):
            held.append(
                Markup('<a href="{}" rel="noreferrer">{}</a>').format(
                    match["address"], match["label"]
                )
            )
        else:
            held.append(escape(match[0]))
        return f"\ue000{len(held) - 1}\ue001"

    shown = str(
        escape(TOKEN.sub(hold, ITEM.sub("• ", text.replace("\ue000", "").replace("\ue001", ""))))
    )
    for pattern, tag in STYLES:
        shown = pattern.sub(rf"<{tag}>\2</{tag}>", shown)
    return Markup(HELD.sub(lambda match: str(held[int(match[1])]), shown))  # noqa: S704 - escaped above, part by part
