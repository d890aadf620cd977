"""Messages of the simulated Slack: checks before posting, edits and replacements."""

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
MAX_TEXT_LENGTH = 40_000
MAX_ATTACHMENTS = 100
TS = re.compile(r"\d{10}\.\d{6}")
MENTION = re.compile(r"<!(channel|here|everyone)(?:\|[^>]*)?>")


class SlackError(Exception):
    """Slack refuses a call with an error code and details."""

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


def draft(params: Mapping[str, Any]) -> Draft:
    """Check the content of a message. Raises SlackError for the first error."""
    text = params.get("text") or ""
    message_blocks = params.get("blocks") or []
    attachments = params.get("attachments") or []
    if not isinstance(text, str) or not isinstance(attachments, list):
        raise SlackError("invalid_arguments")
    if len(attachments) > MAX_ATTACHMENTS:
        raise SlackError("too_many_attachments")
    if len(text) > MAX_TEXT_LENGTH:
        raise SlackError("msg_too_long")
    try:
        blocks.check(message_blocks)
        for attachment in attachments:
            if not isinstance(attachment, dict):
                raise SlackError("invalid_arguments")
            blocks.check(attachment.get("blocks") or [])
    except blocks.BlocksError as error:
        raise SlackError(error.error, error.details) from None
    if not (text.strip() or message_blocks or attachments):
        raise SlackError("no_text")
    return Draft(text, [_with_ids(block) for block in message_blocks], attachments)


def _with_ids(block: dict[str, Any]) -> dict[str, Any]:
    """Add the IDs that Slack generates for a block and its elements."""
    completed = {"block_id": secrets.token_urlsafe(4), **block}
    if block["type"] == "actions":
        completed["elements"] = [
            {"action_id": secrets.token_urlsafe(4), **element} for element in block["elements"]
        ]
    if "accessory" in block and block["accessory"]["type"] != "image":
        completed["accessory"] = {"action_id": secrets.token_urlsafe(4), **block["accessory"]}
    return completed


class Messages:
    """All messages of the workspace, by channel and `ts`."""

    def __init__(self, posts: Posts, workspace: Workspace) -> None:
        self._posts = posts
        self._workspace = workspace
        self._lock = threading.Lock()
        self._last = 0

    def add(
        self, channel: Channel, draft: Draft, *, author: str, thread: str = "", visible_to: str = ""
    ) -> Post:
        """Post a message whose author is the bot, a webhook or a response URL.

        `visible_to` is the name of its only reader, or '' for everyone.
        """
        parent = self.get(channel.id, thread) if thread else None
        # a reply to a reply belongs to the same thread
        thread = (parent.thread or parent.name) if parent else ""
        body = {
            **draft.content,
            "by": author,
            "ephemeral": visible_to,
            "history": [],
            "presses": [],
        }
        return self._posts.add(PROVIDER, channel.id, self._next_ts(), body, thread)

    def get(self, channel: str, ts: str) -> Post | None:
        return self._posts.get(PROVIDER, channel, ts)

    def find(self, ts: str) -> Post | None:
        """Return a message in any channel."""
        return next(
            (
                post
                for post in self._posts.list_posts(PROVIDER)
                if post.name == ts and not post.is_deleted
            ),
            None,
        )

    def replace(self, post: Post, draft: Draft) -> Post:
        """Replace the content of a message. The history keeps the previous content with its
        buttons.
        """

        def edit(body: dict[str, Any]) -> dict[str, Any]:
            former = {"text": body["text"], "blocks": body["blocks"]}
            return {**body, **draft.content, "history": [*body["history"], former]}

        return self._posts.change(post, edit, edited=True)

    def delete(self, post: Post) -> None:
        self._posts.delete(post)

    def add_press(self, post: Post, press: dict[str, Any]) -> None:
        """Record a button action and its result."""
        self._posts.change(post, lambda body: {**body, "presses": [*body["presses"], press]})

    def message_json(self, post: Post) -> dict[str, Any]:
        """Return a message as the Web API does."""
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

    def _next_ts(self) -> str:
        """Return a `ts` that is later than all before."""
        with self._lock:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"


def mentions(content: Mapping[str, Any]) -> list[str]:
    """Return the groups that a message notifies: channel, here, everyone.

    A text that is not escaped can notify them.
    """
    texts = [content["text"], *blocks.texts(content["blocks"])]
    return sorted({match[1] for text in texts for match in MENTION.finditer(text)})
