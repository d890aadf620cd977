"""Render Slack's mrkdwn as HTML: bold, italic, strikethrough, code, links and mentions.

https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re

from markupsafe import Markup, escape

from hub.simulator.slack.blocks import is_link

TOKEN = re.compile(r"```(?P<pre>.+?)```|`(?P<code>[^`\n]+)`|<(?P<link>[^<>\n]+)>", re.DOTALL)
# placeholder of a token, in private-use characters
PLACEHOLDER = re.compile("\ue000(\\d+)\ue001")
STYLES = [  # `*so*`, but neither `a*b*c` nor `* so *`
    (re.compile(rf"(?<![\w{mark}])[{mark}](?=\S)([^{mark}\n]+?)(?<=\S)[{mark}](?![\w{mark}])"), tag)
    for mark, tag in (("*", "strong"), ("_", "em"), ("~", "s"))
]


def plain(text: str) -> str:
    """Undo the three escapes of Slack."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def render(text: str) -> Markup:
    """Return mrkdwn as HTML."""
    rendered_tokens: list[Markup] = []

    def replace_token(match: re.Match[str]) -> str:
        rendered_tokens.append(_pre(match) if match["link"] is None else _link(match["link"]))
        return f"\ue000{len(rendered_tokens) - 1}\ue001"

    # these characters in the text itself are removed, because they would look like placeholders
    html = str(
        escape(plain(TOKEN.sub(replace_token, text.replace("\ue000", "").replace("\ue001", ""))))
    )
    for pattern, tag in STYLES:
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    filled = PLACEHOLDER.sub(lambda match: str(rendered_tokens[int(match[1])]), html)
    return Markup(filled)  # noqa: S704 - escaped above, part by part


def _pre(match: re.Match[str]) -> Markup:
    if match["pre"] is not None:
        return Markup("<code>{}</code>").format(plain(match["pre"].strip("\n")))
    return Markup("<code>{}</code>").format(plain(match["code"]))


def _link(inside: str) -> Markup:
    """Render the text between < and >: a mention, or an address with or without a label."""
    target, _, label = inside.partition("|")
    if target[:1] in "!@#":
        return Markup('<mark class="sp-mention">{}</mark>').format(label or f"@{target[1:]}")
    target = plain(target)
    if is_link(target) or target.startswith("mailto:"):
        return Markup('<a href="{}" rel="noreferrer">{}</a>').format(target, plain(label) or target)
    return escape(f"<{plain(inside)}>")
