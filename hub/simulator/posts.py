"""Posts of a team's channel or a chat: kept across a restart, edited in place, rendered by a view.

What a post holds is its provider's business, and JSON; all of them share one table.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub.simulator.file import File

KEPT = 500  # posts of one provider that are read at once, the newest
SCHEMA = """
CREATE TABLE IF NOT EXISTS posts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, provider TEXT NOT NULL, place TEXT NOT NULL,
    name TEXT NOT NULL, thread TEXT NOT NULL,
    body TEXT NOT NULL, created REAL NOT NULL, edits INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,
    wiped INTEGER NOT NULL DEFAULT 0, UNIQUE (provider, place, name));
"""
COLUMNS = "provider, place, name, thread, body, created, edits, gone, seq"


@dataclass(frozen=True)
class Post:
    """One post: where it is, what it is called there, which post it answers (''); `created` is in
    Unix seconds.
    """

    provider: str
    place: str
    name: str
    thread: str
    body: dict[str, Any]
    created: float
    edits: int = 0  # how often it was changed by who posted it
    gone: bool = False  # deleted by who posted it
    seq: int = 0


class Posts:
    """All posts, by provider, place and name."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def add(
        self, provider: str, place: str, name: str, body: dict[str, Any], thread: str = ""
    ) -> Post:
        """Keep a post; raise sqlite3.IntegrityError when the place has one of this name."""
        values = (provider, place, name, thread, json.dumps(body), time.time())
        with self._file.writing() as db:
            db.execute(
                "INSERT INTO posts (provider, place, name, thread, body, created) VALUES (?, ?, ?,"
                " ?, ?, ?)",
                values,
            )
            row = db.execute(
                f"SELECT {COLUMNS} FROM posts WHERE seq = last_insert_rowid()"  # noqa: S608
            ).fetchone()
        return _post(row)

    def get(self, provider: str, place: str, name: str) -> Post | None:
        """Return a post that was not deleted."""
        wanted = "provider = ? AND place = ? AND name = ? AND NOT gone"
        sql = f"SELECT {COLUMNS} FROM posts WHERE {wanted}"  # noqa: S608
        rows = self._file.rows(sql, (provider, place, name))
        return _post(rows[0]) if rows else None

    def change(
        self, post: Post, how: Callable[[dict[str, Any]], dict[str, Any]], *, edited: bool = False
    ) -> Post:
        """Replace what a post holds by what `how` makes of it, as one step; `edited` counts as an
        edit that readers see.
        """
        with self._file.writing() as db:
            row = db.execute("SELECT body FROM posts WHERE seq = ?", (post.seq,)).fetchone()
            body = json.dumps(how(json.loads(row["body"])))
            db.execute(
                "UPDATE posts SET body = ?, edits = edits + ? WHERE seq = ?",
                (body, edited, post.seq),
            )
            row = db.execute(f"SELECT {COLUMNS} FROM posts WHERE seq = ?", (post.seq,)).fetchone()  # noqa: S608
        return _post(row)

    def delete(self, post: Post) -> None:
        with self._file.writing() as db:
            db.execute("UPDATE posts SET gone = 1 WHERE seq = ?", (post.seq,))

    def listed(self, provider: str, place: str = "") -> list[Post]:
        """Read what was posted to one place, or to all: the newest, newest last; what was wiped is
        left out.
        """
        shown = "provider = ? AND ? IN ('', place) AND NOT wiped ORDER BY seq DESC LIMIT ?"
        sql = f"SELECT {COLUMNS} FROM posts WHERE {shown}"  # noqa: S608
        return [_post(row) for row in reversed(self._file.rows(sql, (provider, place, KEPT)))]

    def places(self, provider: str) -> dict[str, int]:
        """Count the posts of each place, the one with the newest first."""
        sql = (
            "SELECT place, count(*) FROM posts WHERE provider = ? AND NOT wiped AND NOT gone GROUP"
            " BY place ORDER BY max(seq) DESC"
        )
        return {row[0]: row[1] for row in self._file.rows(sql, (provider,))}

    def wipe(self, provider: str) -> None:
        """Empty a provider's view; the provider's own record stays."""
        with self._file.writing() as db:
            db.execute("UPDATE posts SET wiped = 1 WHERE provider = ? AND NOT wiped", (provider,))


def _post(row: sqlite3.Row) -> Post:
    return Post(**{**dict(row), "body": json.loads(row["body"]), "gone": bool(row["gone"])})
