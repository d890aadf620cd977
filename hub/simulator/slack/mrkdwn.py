"""Slack's text as its readers see it: bold, italic, struck out, code, links, mentions.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from hub.simulator.slack.blocks import is_link

TOKEN = re.compile(r"```(?P<pre>.+?)```|`(?P<code>[^`\n]+)`|<(?P<link>[^<>\n]+)>", re.DOTALL)
# the place of a token that was taken out, in characters that nobody writes
HELD = re.compile("\ue000(\\d+)\ue001")
STYLES = [  # `*so*`, but neither `a*b*c` nor `* so *`
    (re.compile(rf"(?<![\w{mark}])[{mark}](?=\S)([^{mark}\n]+?)(?<=\S)[{mark}](?![\w{mark}])"), tag)
    for mark, tag in (("*", "strong"), ("_", "em"), ("~", "s"))
]


def plain(text: str) -> str:
    """Undo the three escapes that Slack knows."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def render(text: str) -> Markup:
    """Write mrkdwn as HTML."""
    held: list[Markup] = []

    def hold(match: re.Match[str]) -> str:
        held.append(_pre(match) if match["link"] is None else _link(match["link"]))
        return f"\ue000{len(held) - 1}\ue001"

    # what a text brings along of the two characters is dropped, or it could name a token that is
    # not there
    shown = str(escape(plain(TOKEN.sub(hold, text.replace("\ue000", "").replace("\ue001", "")))))
    for pattern, tag in STYLES:
        shown = pattern.sub(rf"<{tag}>\1</{tag}>", shown)
    return Markup(HELD.sub(lambda match: str(held[int(match[1])]), shown))  # noqa: S704 - escaped above, part by part


def _pre(match: re.Match[str]) -> Markup:
    if match["pre"] is not None:
        return Markup("<code>{}</code>").format(plain(match["pre"].strip("\n")))
    return Markup("<code>{}</code>").format(plain(match["code"]))


def _link(inside: str) -> Markup:
    """Write what stands between < and >: a mention, or an address with or without a label."""
    target, _, label = inside.partition("|")
    if target[:1] in "!@#":
        return Markup('<mark class="sp-mention">{}</mark>').format(label or f"@{target[1:]}")
    target = plain(target)
    if is_link(target) or target.startswith("mailto:"):
        return Markup('<a href="{}" rel="noreferrer">{}</a>').format(target, plain(label) or target)
    return escape(f"<{plain(inside)}>")
