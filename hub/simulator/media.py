"""Files that travel with messages: fetched as Twilio fetches them, kept, and shown again.

https://www.twilio.com/docs/whatsapp/guidance-whatsapp-media-messages
"""

from __future__ import annotations

import http.client
import re
import secrets
import struct
import time
import zlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.core.bind_address import is_loopback
from hub.simulator.file import File

LARGEST_IMAGE = 5 * 1024 * 1024
LARGEST = 16 * 1024 * 1024  # bytes
PATIENCE = 10.0  # seconds
IMAGES = ("image/jpeg", "image/png", "image/webp")
TAKEN = {  # what WhatsApp takes
    *IMAGES,
    "audio/ogg",
    "audio/amr",
    "audio/3gpp",
    "audio/aac",
    "audio/mpeg",
    "audio/mp4",
    "video/mp4",
    "video/3gpp",
    "application/pdf",
    "application/msword",
    "application/vnd.ms-powerpoint",
    "application/vnd.ms-excel",
    "text/vcard",
    "text/x-vcard",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# what is wrong → its code on MMS, on WhatsApp
CODES = {"unreachable": (11200, 63019), "type": (11200, 63021), "size": (30019, 63021)}
NAME = re.compile(r'filename="?([^";]+)')
SCHEMA = """
CREATE TABLE IF NOT EXISTS media (
    sid TEXT PRIMARY KEY, message TEXT NOT NULL, url TEXT NOT NULL, type TEXT NOT NULL,
    name TEXT NOT NULL, size INTEGER NOT NULL,
    body BLOB NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_message ON media (message, created);
"""


@dataclass(frozen=True)
class Fetched:
    """A file, or what is `wrong` with it: a key of CODES, '' for nothing."""

    type: str
    name: str
    body: bytes
    wrong: str = ""


@dataclass(frozen=True)
class Media:
    """One file of one message; `url` is '' for what a person attached, `type` is '' as long as
    nothing was fetched.
    """

    sid: str
    message: str
    url: str
    type: str
    name: str
    size: int
    created: float

    def path(self, account_sid: str) -> str:
        """Name the place where the API serves it."""
        return f"/2010-04-01/Accounts/{account_sid}/Messages/{self.message}/Media/{self.sid}"

    @property
    def shown(self) -> bool:
        return self.type in IMAGES


class MediaFiles:
    """All files, by message."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def add(self, message: str, url: str, fetched: Fetched | None = None) -> Media:
        """Note a file of a message, with what it holds where that is known already."""
        got = fetched or Fetched("", urlsplit(url).path.rpartition("/")[2] or url, b"")
        made = Media(
            "ME" + secrets.token_hex(16),
            message,
            url,
            got.type,
            got.name,
            len(got.body),
            time.time(),
        )
        with self._file.writing() as db:
            values = (
                made.sid,
                message,
                url,
                got.type,
                got.name,
                len(got.body),
                got.body,
                made.created,
            )
            db.execute("INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return made

    def fill(self, sid: str, fetched: Fetched) -> None:
        with self._file.writing() as db:
            sql = "UPDATE media SET type = ?, name = ?, size = ?, body = ? WHERE sid = ?"
            db.execute(sql, (fetched.type, fetched.name, len(fetched.body), fetched.body, sid))

    def of(self, message: str) -> list[Media]:
        sql = (
            "SELECT sid, message, url, type, name, size, created FROM media WHERE message = ? ORDER"
            " BY created"
        )
        return [Media(**dict(row)) for row in self._file.rows(sql, (message,))]

    def body(self, sid: str, message: str = "") -> tuple[Media, bytes] | None:
        """Return a file and what is in it, if there is one and it belongs to the message, where
        that is given.
        """
        rows = self._file.rows(
            "SELECT * FROM media WHERE sid = ? AND ? IN ('', message)", (sid, message)
        )
        if not rows:
            return None
        row = dict(rows[0])
        return Media(**{name: value for name, value in row.items() if name != "body"}), row["body"]


def reachable(url: str) -> bool:
    """Tell whether the simulator may fetch it: from this machine only."""
    return is_loopback(urlsplit(url).hostname or "")


def fetch(url: str) -> Fetched:
    """Ask for the file's head, then for the file; follows no redirect.

    What cannot be had is said in `wrong`.
    """
    name = urlsplit(url).path.rpartition("/")[2] or "file"
    try:
        for method in ("HEAD", "GET"):
            status, headers, body = _ask(method, url)
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            named = NAME.search(headers.get("content-disposition", ""))
            got = Fetched(kind, named[1] if named else name, body)
            size = (
                int(headers["content-length"])
                if method == "HEAD" and headers.get("content-length", "").isdecimal()
                else len(body)
            )
            if status != 200:
                return Fetched(kind, got.name, b"", "unreachable")
            if kind not in TAKEN:
                return Fetched(kind, got.name, b"", "type")
            if size > (LARGEST_IMAGE if kind.startswith("image/") else LARGEST):
                return Fetched(kind, got.name, b"", "size")
    except (OSError, http.client.HTTPException, ValueError):
        return Fetched("", name, b"", "unreachable")
    return got if got.body else Fetched(got.type, got.name, b"", "unreachable")


def code(wrong: str, *, whatsapp: bool) -> int:
    """Return the code with which the message fails."""
    return CODES[wrong][whatsapp] if wrong else 0


def _ask(method: str, url: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=PATIENCE)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(
            method,
            target,
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*", "Connection": "close"},
        )
        answer = connection.getresponse()
        return (
            answer.status,
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(LARGEST + 1),
        )
    finally:
        connection.close()


def sample() -> bytes:
    """Draw a small PNG: a line that could be a signature."""
    wide = 160
    high = 64
    rows = [bytearray(b"\xff" * wide) for _ in range(high)]
    for x in range(12, wide - 12):
        y = high // 2 + (x * 7 % 23 - 11 if x % 46 < 23 else 11 - x * 7 % 23)
        for near in range(-1, 2):
            rows[y + near][x] = 0x22

    def part(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    header = struct.pack(">IIBBBBB", wide, high, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", pixels) + part(b"IEND", b"")
