"""The emails that the simulated mail server accepted, as bytes and as their parts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from functools import cached_property
from typing import Any

from hub.simulator.posts import Post, Posts
from hub.simulator.record_store import RecordStore

PROVIDER = "mail"


@dataclass(frozen=True)
class StoredEmail:
    """One accepted email. `sender` and `recipient` are those of the session."""

    id: str
    sender: str
    recipient: str
    content: bytes
    created: float
    # how a provider's API accepted it: its name, the ID there, and the request; {} for SMTP
    via: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def message(self) -> EmailMessage:
        return BytesParser(EmailMessage, policy=default).parsebytes(self.content)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def author(self) -> str:
        return str(self.message["From"] or "")

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, str(value)) for name, value in self.message.items()]

    @property
    def head(self) -> str:
        """The headers as they were received."""
        lines = self.content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        return lines.replace("\r\n", "\n")

    @property
    def text(self) -> str:
        return self._body("plain")

    @property
    def html(self) -> str:
        return self._body("html")

    @property
    def size(self) -> int:
        return len(self.content)

    def _body(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""


class Mailbox:
    """All accepted emails, by number."""

    def __init__(self, posts: Posts, records: RecordStore) -> None:
        self._posts = posts
        self._records = records

    def add(
        self, sender: str, recipient: str, content: bytes, via: Mapping[str, Any] | None = None
    ) -> StoredEmail:
        """Store an email, and return it."""
        body = {"sender": sender, "content": content.decode("latin-1"), "via": dict(via or {})}
        number = str(self._records.next_number("email"))
        self._posts.add(PROVIDER, recipient, number, body)
        return StoredEmail(number, sender, recipient, content, time.time(), via or {})

    def list_emails(self, recipient: str = "") -> list[StoredEmail]:
        """Return the newest emails to one recipient or to all, oldest first."""
        return [_stored(post) for post in self._posts.list_posts(PROVIDER, recipient)]

    def find(self, number: str) -> StoredEmail | None:
        """Return one of the listed emails, or None."""
        emails = self.list_emails()
        return next((stored for stored in emails if stored.id == number), None)

    def empty(self) -> None:
        """Hide all emails."""
        self._posts.hide_all(PROVIDER)


def _stored(post: Post) -> StoredEmail:
    body: dict[str, Any] = post.body
    content = body["content"].encode("latin-1")
    sender = body["sender"]
    return StoredEmail(
        post.name, sender, post.destination, content, post.created, body.get("via", {})
    )
