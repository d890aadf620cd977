"""Messages of the simulated Slack: what is checked before one is taken, and how it is edited and
replaced.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.simulator.posts import Post, Posts
from hub.simulator.slack import blocks
from hub.simulator.slack.workspace import Channel, Workspace

PROVIDER = "slack"
LONGEST_TEXT = 40_000
MOST_ATTACHMENTS = 100
TS = re.compile(r"\d{10}\.\d{6}")
MENTION = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>")


class SlackError(Exception):
    """Slack refuses: the code it gives, and details of it."""

    def __init__(self, error: str, details: list[str] | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.details = details or []


@dataclass(frozen=True)
class Draft:
    """A checked message."""

    text: str
    blocks: list[dict[str, Any]]
    attachments: list[dict[str, Any]]

    @property
    def content(self) -> dict[str, Any]:
        return {"text": self.text, "blocks": self.blocks, "attachments": self.attachments}


def draft(given: Mapping[str, Any]) -> Draft:
    """Check what a message is to say; raise SlackError for the first thing wrong."""
    text = given.get("text") or ""
    found = given.get("blocks") or []
    attached = given.get("attachments") or []
    if not isinstance(text, str) or not isinstance(attached, list):
        raise SlackError("invalid_arguments")
    if len(attached) > MOST_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    if len(text) > LONGEST_TEXT:
        raise SlackError("msg_too_long")
    try:
        blocks.check(found)
        for one in attached:
            if not isinstance(one, dict):
                raise SlackError("invalid_arguments")
            blocks.check(one.get("blocks") or [])
    except blocks.BlocksError as problem:
        raise SlackError(problem.error, problem.details) from None
    if not (text.strip() or found or attached):
        raise SlackError("no_text")
    return Draft(text, [_named(block) for block in found], attached)


def _named(block: dict[str, Any]) -> dict[str, Any]:
    """Give a block and its elements the ids that Slack gives where none was given."""
    named = {"block_id": secrets.token_urlsafe(4), **block}
    if block["type"] == "actions":
        named["elements"] = [
            {"action_id": secrets.token_urlsafe(4), **one} for one in block["elements"]
        ]
    if "accessory" in block and block["accessory"]["type"] != "image":
        named["accessory"] = {"action_id": secrets.token_urlsafe(4), **block["accessory"]}
    return named


class Messages:
    """All messages of the workspace, by channel and `ts`."""

    def __init__(self, posts: Posts, workspace: Workspace) -> None:
        self._posts = posts
        self._workspace = workspace
        self._lock = threading.Lock()
        self._last = 0

    def add(
        self, channel: Channel, said: Draft, *, by: str, thread: str = "", only_for: str = ""
    ) -> Post:
        """Post a message `by` the bot, a webhook or a response address; `only_for` a person's name:
        nobody else sees it.
        """
        parent = self.get(channel.id, thread) if thread else None
        # an answer to an answer goes where that is
        thread = (parent.thread or parent.name) if parent else ""
        body = {**said.content, "by": by, "ephemeral": only_for, "history": [], "presses": []}
        return self._posts.add(PROVIDER, channel.id, self._ts(), body, thread)

    def get(self, channel: str, ts: str) -> Post | None:
        return self._posts.get(PROVIDER, channel, ts)

    def find(self, ts: str) -> Post | None:
        """Find a message in whatever channel."""
        return next(
            (one for one in self._posts.listed(PROVIDER) if one.name == ts and not one.gone), None
        )

    def replace(self, post: Post, said: Draft) -> Post:
        """Let a message say something else; what it said is remembered, for whoever still has it on
        the screen.
        """

        def edit(body: dict[str, Any]) -> dict[str, Any]:
            former = {"text": body["text"], "blocks": body["blocks"]}
            return {**body, **said.content, "history": [*body["history"], former]}

        return self._posts.change(post, edit, edited=True)

    def delete(self, post: Post) -> None:
        self._posts.delete(post)

    def pressed(self, post: Post, press: dict[str, Any]) -> None:
        """Note who pressed what, and the result."""
        self._posts.change(post, lambda body: {**body, "presses": [*body["presses"], press]})

    def shown(self, post: Post) -> dict[str, Any]:
        """Write a message as the Web API gives it."""
        message = {
            "type": "message",
            "user": self._workspace.bot_user,
            "ts": post.name,
            "bot_id": self._workspace.bot,
            "app_id": self._workspace.app,
            "team": self._workspace.team,
            "text": post.body["text"],
        }
        if post.body["by"] == "webhook":
            message = {**message, "subtype": "bot_message", "username": self._workspace.bot_name}
            del message["user"]
        for name in ("blocks", "attachments"):
            if post.body[name]:
                message[name] = post.body[name]
        if post.thread:
            message["thread_ts"] = post.thread
        if post.edits:
            message["edited"] = {"user": self._workspace.bot_user, "ts": post.name}
        return message

    def _ts(self) -> str:
        """Make the time that names a message, later than all before."""
        with self._lock:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"


def mentions(content: Mapping[str, Any]) -> list[str]:
    """Name the groups whom a message calls: @channel, @here, @everyone, which a text that was not
    escaped can do.
    """
    said = [content["text"], *blocks.texts(content["blocks"])]
    return sorted({match[1] for text in said for match in MENTION.finditer(text)})
