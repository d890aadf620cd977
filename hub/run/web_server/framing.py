"""Collect one HTTP request from bytes as they arrive, without waiting.

gunicorn's own parser reads a complete head and decides how the body is framed. The body is
collected by that decision, and the bytes after it belong to the next request.
"""

from __future__ import annotations

import io
import re
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    InvalidChunkExtension,
    InvalidChunkSize,
    InvalidHeader,
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from werkzeug.exceptions import RequestEntityTooLarge

MAX_HEAD_SIZE = 32 * 1024
MAX_CHUNK_LINE_LENGTH = 256  # a size and its extensions
MAX_TRAILERS_SIZE = 8 * 1024
MAX_FRAMING_SIZE = (
    64 * 1024
)  # bytes of chunk framing beyond the size of the content, to limit the work
MAX_SIZE_DIGITS = 16  # of a chunk size, without leading zeros
END = b"\r\n\r\n"
SIZE = re.compile(rb"[0-9a-fA-F]+")
EXTENSION = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class BodyTooLarge(Exception):
    """Raised when a body is larger than what the path accepts."""


class TooLarge(io.RawIOBase):
    """The stream of a body that is too large. Reading it makes the application return 413."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise RequestEntityTooLarge

    readline = read


class _Head(Unreader):  # type: ignore[misc]
    """The bytes of a head without anything after it."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.buf = io.BytesIO(head)

    def chunk(self, size_hint: int | None = None) -> bytes:
        return b""


class HeadReader:
    """Finds the end of a head, and refuses invalid ones early."""

    def __init__(self, longest_line: int) -> None:
        self._longest_line = longest_line
        self._searched = 0

    def end(self, received: bytearray) -> int:
        """Return the end of the head, or 0 while it is incomplete. Raises ParseException."""
        search_start = self._searched
        end_mark = received.find(END, max(0, search_start - len(END) + 1))
        self._searched = len(received)
        if 0 <= end_mark <= MAX_HEAD_SIZE:
            return end_mark + len(END)
        self._check(received, search_start)
        return 0

    def _check(self, received: bytearray, search_start: int) -> None:
        # every line must end with CRLF, because after a bare LF the head would have no end
        if received.count(b"\n", search_start) != received.count(b"\r\n", max(0, search_start - 1)):
            raise InvalidHeader("bare LF as line terminator")
        line_end = received.find(b"\r\n", 2)
        if (line_end if line_end >= 0 else len(received)) > self._longest_line + 2:
            raise LimitRequestLine(self._longest_line)
        if len(received) > MAX_HEAD_SIZE:
            raise LimitRequestHeaders("the head is too large")


def parse_head(head: bytes, cfg: Any, peer: Any, number: int) -> Request:
    """Parse a complete head with gunicorn's parser. Raises ParseException."""
    unreader = _Head(head)
    try:
        request = Request(cfg, unreader, peer, number)
    except (NoMoreData, StopIteration):
        raise InvalidRequestLine("incomplete") from None
    if unreader.take_buffered():
        raise InvalidRequestLine("more than one head")
    return request


def create_body_reader(request: Request) -> Body:
    """Return the collector of a request's body, by the framing that gunicorn's parser found."""
    reader = request.body.reader
    return ChunkedBody() if isinstance(reader, ChunkedReader) else SizedBody(reader.length)


class Body:
    """The content of a body that is being received."""

    length: int | None = None  # of Content-Length, if given

    def __init__(self) -> None:
        self.content = bytearray()
        self.complete = False

    def feed(self, received: bytearray, limit: int) -> None:
        """Move bytes of the body out of `received`.

        Raises BodyTooLarge for more than `limit` bytes of content, ParseException for an invalid
        body.
        """
        raise NotImplementedError


class SizedBody(Body):
    """A body with a Content-Length."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = self._read_size = length
        self.complete = length == 0

    def feed(self, received: bytearray, limit: int) -> None:
        """Move bytes of the body out of `received`."""
        if self._read_size > limit:
            raise BodyTooLarge
        missing = self._read_size - len(self.content)
        self.content += received[:missing]
        del received[:missing]
        self.complete = len(self.content) == self._read_size


class ChunkedBody(Body):
    """A body in chunks (RFC 9112, section 7.1). Trailers are checked and dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._chunk_bytes_left = 0  # bytes of the current chunk
        self._framing_bytes = 0
        self._trailer_bytes = 0
        self._step = self._read_size

    def feed(self, received: bytearray, limit: int) -> None:
        """Move bytes of the body out of `received`."""
        while not self.complete and self._step(received):
            if len(self.content) + self._chunk_bytes_left > limit:
                raise BodyTooLarge
            if self._framing_bytes > MAX_FRAMING_SIZE + len(self.content):
                raise InvalidChunkSize(b"chunks are too small")

    def _read_size(self, received: bytearray) -> bool:
        line = self._take_line(received, MAX_CHUNK_LINE_LENGTH)
        if line is None:
            return False
        size, separator, extension = line.partition(b";")
        size = size.rstrip(b" \t") if separator else size
        if not SIZE.fullmatch(size) or len(size.lstrip(b"0")) > MAX_SIZE_DIGITS:
            raise InvalidChunkSize(bytes(size[:MAX_SIZE_DIGITS]))
        if not EXTENSION.fullmatch(extension):
            raise InvalidChunkExtension("control characters")
        self._chunk_bytes_left = int(size, 16)
        self._step = self._read_data if self._chunk_bytes_left else self._read_trailer
        return True

    def _read_data(self, received: bytearray) -> bool:
        part = received[: self._chunk_bytes_left]
        del received[: len(part)]
        self.content += part
        self._chunk_bytes_left -= len(part)
        if not self._chunk_bytes_left:
            self._step = self._read_data_end
        return bool(part)

    def _read_data_end(self, received: bytearray) -> bool:
        if not b"\r\n".startswith(received[:2]):
            raise InvalidChunkSize(b"no line end after a chunk")
        if len(received) < 2:
            return False
        del received[:2]
        self._framing_bytes += 2
        self._step = self._read_size
        return True

    def _read_trailer(self, received: bytearray) -> bool:
        line = self._take_line(received, MAX_TRAILERS_SIZE)
        if line is None:
            return False
        if line and not TRAILER.fullmatch(line):
            raise InvalidHeader("trailer")
        self._trailer_bytes += len(line)
        if self._trailer_bytes > MAX_TRAILERS_SIZE:
            raise LimitRequestHeaders("the trailers are too large")
        self.complete = not line
        return True

    def _take_line(self, received: bytearray, longest: int) -> bytes | None:
        """Remove a line from `received` and return it, or None while it is incomplete."""
        end = received.find(b"\n", 0, longest + 2)
        if end < 0:
            if len(received) > longest + 1:
                raise InvalidChunkSize(b"a line is too long")
            return None
        line = bytes(received[: end + 1])
        if not line.endswith(b"\r\n"):
            raise InvalidChunkSize(b"bare LF as line terminator")
        del received[: end + 1]
        self._framing_bytes += len(line)
        return line[:-2]
