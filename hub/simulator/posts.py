"""Store posts of team channels and chats.

The content of a post is JSON whose form depends on the provider. All posts share one table.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.simulator.file import File

MAX_LISTED = 500  # newest posts of one provider
SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, destination TEXT NOT NULL,
    name TEXT NOT NULL, thread TEXT NOT NULL,
    body TEXT NOT NULL, created REAL NOT NULL, edits INTEGER NOT NULL DEFAULT 0,
    is_deleted INTEGER NOT NULL DEFAULT 0,
    hidden INTEGER NOT NULL DEFAULT 0, UNIQUE (provider, destination, name));
"""
COLUMNS = "provider, destination, name, thread, body, created, edits, is_deleted, seq"


@dataclass(frozen=True)
class Post:
    """One post in a channel or chat.

    `name` identifies it there, `thread` names the post that it replies to (''), `created` is in
    Unix seconds.
    """

    provider: str
    destination: str
    name: str
    thread: str
    body: dict[str, Any]
    created: float
    edits: int = 0  # number of edits by its author
    is_deleted: bool = False  # by its author
    seq: int = 0


class Posts:
    """All posts, by provider, destination and name."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def add(
        self, provider: str, destination: str, name: str, body: dict[str, Any], thread: str = ""
    ) -> Post:
        """Store a post; raise sqlite3.IntegrityError if its name exists at the destination."""
        values = (provider, destination, name, thread, json.dumps(body), time.time())
        with self._file.writing() as db:
            db.execute(
                "INSERT INTO posts (provider, destination, name, thread, body, created)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )
            row = db.execute(
                f"SELECT {COLUMNS} FROM posts WHERE seq = last_insert_rowid()"  # noqa: S608
            ).fetchone()
        return _post(row)

    def get(self, provider: str, destination: str, name: str) -> Post | None:
        """Return a post, or None if it does not exist or was deleted."""
        condition = "provider = ? AND destination = ? AND name = ? AND NOT is_deleted"
        sql = f"SELECT {COLUMNS} FROM posts WHERE {condition}"  # noqa: S608
        rows = self._file.rows(sql, (provider, destination, name))
        return _post(rows[0]) if rows else None

    def change(
        self, post: Post, edit: Callable[[dict[str, Any]], dict[str, Any]], *, edited: bool = False
    ) -> Post:
        """Replace the content of a post with the result of `edit` in one transaction.

        `edited` counts it as an edit that readers see.
        """
        with self._file.writing() as db:
            row = db.execute("SELECT body FROM posts WHERE seq = ?", (post.seq,)).fetchone()
            body = json.dumps(edit(json.loads(row["body"])))
            db.execute(
                "UPDATE posts SET body = ?, edits = edits + ? WHERE seq = ?",
                (body, edited, post.seq),
            )
            query = f"SELECT {COLUMNS} FROM posts WHERE seq = ?"  # noqa: S608
            row = db.execute(query, (post.seq,)).fetchone()
        return _post(row)

    def delete(self, post: Post) -> None:
        with self._file.writing() as db:
            db.execute("UPDATE posts SET is_deleted = 1 WHERE seq = ?", (post.seq,))

    def list_posts(self, provider: str, destination: str = "") -> list[Post]:
        """Return the newest visible posts of one destination or of all, oldest first."""
        condition = (
            "provider = ? AND ? IN ('', destination) AND NOT hidden ORDER BY seq DESC LIMIT ?"
        )
        sql = f"SELECT {COLUMNS} FROM posts WHERE {condition}"  # noqa: S608
        return [
            _post(row)
            for row in reversed(self._file.rows(sql, (provider, destination, MAX_LISTED)))
        ]

    def count_by_destination(self, provider: str) -> dict[str, int]:
        """Count the posts of each destination, the most recently used destination first."""
        sql = (
            "SELECT destination, count(*) FROM posts WHERE provider = ? AND NOT hidden"
            " AND NOT is_deleted GROUP BY destination ORDER BY max(seq) DESC"
        )
        return {row[0]: row[1] for row in self._file.rows(sql, (provider,))}

    def hide_all(self, provider: str) -> None:
        """Hide all posts of a provider from its page. The provider's API still returns them."""
        with self._file.writing() as db:
            db.execute("UPDATE posts SET hidden = 1 WHERE provider = ? AND NOT hidden", (provider,))


def _post(row: sqlite3.Row) -> Post:
    return Post(
        **{**dict(row), "body": json.loads(row["body"]), "is_deleted": bool(row["is_deleted"])}
    )
