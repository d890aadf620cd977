"""Fetch the files of messages as Twilio does, store them and serve them.

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

MAX_IMAGE_BYTES = 5 * 1024 * 1024
MAX_BYTES = 16 * 1024 * 1024
TIMEOUT = 10.0  # seconds
IMAGES = ("image/jpeg", "image/png", "image/webp")
ACCEPTED_TYPES = {  # by WhatsApp
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
# error → its code on MMS, on WhatsApp
ERROR_CODES = {"unreachable": (11200, 63019), "type": (11200, 63021), "size": (30019, 63021)}
FILENAME = re.compile(r'filename="?([^";]+)')
SCHEMA = """
CREATE TABLE IF NOT EXISTS media (
    sid TEXT PRIMARY KEY, message TEXT NOT NULL, url TEXT NOT NULL, type TEXT NOT NULL,
    name TEXT NOT NULL, size INTEGER NOT NULL,
    body BLOB NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_message ON media (message, created);
"""


@dataclass(frozen=True)
class Fetched:
    """A fetched file. `error` is a key of ERROR_CODES, or '' for none."""

    type: str
    name: str
    body: bytes
    error: str = ""


@dataclass(frozen=True)
class Media:
    """One file of one message.

    `url` is '' for a file that a person attached. `type` is '' until the file is fetched.
    """

    sid: str
    message: str
    url: str
    type: str
    name: str
    size: int
    created: float

    def path(self, account_sid: str) -> str:
        """Return the path at which the API serves the file."""
        return f"/2010-04-01/Accounts/{account_sid}/Messages/{self.message}/Media/{self.sid}"

    @property
    def is_image(self) -> bool:
        return self.type in IMAGES


class MediaFiles:
    """All files, by message."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def add(self, message: str, url: str, fetched: Fetched | None = None) -> Media:
        """Add a file to a message, with its content if it is already known."""
        content = fetched or Fetched("", urlsplit(url).path.rpartition("/")[2] or url, b"")
        media = Media(
            "ME" + secrets.token_hex(16),
            message,
            url,
            content.type,
            content.name,
            len(content.body),
            time.time(),
        )
        with self._file.writing() as db:
            values = (
                media.sid,
                message,
                url,
                content.type,
                content.name,
                len(content.body),
                content.body,
                media.created,
            )
            db.execute("INSERT INTO media VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return media

    def fill(self, sid: str, fetched: Fetched) -> None:
        with self._file.writing() as db:
            sql = "UPDATE media SET type = ?, name = ?, size = ?, body = ? WHERE sid = ?"
            db.execute(sql, (fetched.type, fetched.name, len(fetched.body), fetched.body, sid))

    def for_message(self, message: str) -> list[Media]:
        sql = (
            "SELECT sid, message, url, type, name, size, created FROM media WHERE message = ? ORDER"
            " BY created"
        )
        return [Media(**dict(row)) for row in self._file.rows(sql, (message,))]

    def body(self, sid: str, message: str = "") -> tuple[Media, bytes] | None:
        """Return a file and its content, or None. With `message`, only a file of that message."""
        rows = self._file.rows(
            "SELECT * FROM media WHERE sid = ? AND ? IN ('', message)", (sid, message)
        )
        if not rows:
            return None
        row = dict(rows[0])
        return Media(**{name: value for name, value in row.items() if name != "body"}), row["body"]


def is_reachable(url: str) -> bool:
    """Return whether the simulator may fetch a URL: only from this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def fetch(url: str) -> Fetched:
    """Request the file's headers, then the file, without following redirects.

    A file that cannot be fetched has an `error`.
    """
    name = urlsplit(url).path.rpartition("/")[2] or "file"
    try:
        for method in ("HEAD", "GET"):
            status, headers, body = _request(method, url)
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            filename = FILENAME.search(headers.get("content-disposition", ""))
            fetched = Fetched(kind, filename[1] if filename else name, body)
            size = (
                int(headers["content-length"])
                if method == "HEAD" and headers.get("content-length", "").isdecimal()
                else len(body)
            )
            if status != 200:
                return Fetched(kind, fetched.name, b"", "unreachable")
            if kind not in ACCEPTED_TYPES:
                return Fetched(kind, fetched.name, b"", "type")
            if size > (MAX_IMAGE_BYTES if kind.startswith("image/") else MAX_BYTES):
                return Fetched(kind, fetched.name, b"", "size")
    except (OSError, http.client.HTTPException, ValueError):
        return Fetched("", name, b"", "unreachable")
    return fetched if fetched.body else Fetched(fetched.type, fetched.name, b"", "unreachable")


def error_code(error: str, *, whatsapp: bool) -> int:
    """Return the code with which a message fails because of this file, or 0."""
    return ERROR_CODES[error][whatsapp] if error else 0


def _request(method: str, url: str) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection_class = (
        http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    )
    connection = connection_class(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(
            method,
            target,
            headers={"User-Agent": "TwilioProxy/1.1", "Accept": "*/*", "Connection": "close"},
        )
        response = connection.getresponse()
        return (
            response.status,
            {name.lower(): value for name, value in response.getheaders()},
            response.read(MAX_BYTES + 1),
        )
    finally:
        connection.close()


def sample_image() -> bytes:
    """Return a small PNG: a line that looks like a signature."""
    width = 160
    height = 64
    rows = [bytearray(b"\xff" * width) for _ in range(height)]
    for x in range(12, width - 12):
        y = height // 2 + (x * 7 % 23 - 11 if x % 46 < 23 else 11 - x * 7 % 23)
        for offset in range(-1, 2):
            rows[y + offset][x] = 0x22

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )
