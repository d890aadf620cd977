"""Collect one HTTP request from bytes as they arrive, without waiting for any.

gunicorn's own parser reads the head, once it is complete, and decides how the body is framed. Only
that decision counts: the body is collected by it, and what follows is the next request.
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

LARGEST_HEAD = 32 * 1024
LONGEST_CHUNK_LINE = 256  # a size and its extensions
LARGEST_TRAILERS = 8 * 1024
MOST_FRAMING = 64 * 1024  # bytes of chunk sizes beyond those of the content: bounds the work
MOST_DIGITS = 16  # of a chunk size, leading zeros apart
END = b"\r\n\r\n"
SIZE = re.compile(rb"[0-9a-fA-F]+")
EXTENSION = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class BodyTooLarge(Exception):
    """Raised when a body is larger than what the path accepts."""


class TooLarge(io.RawIOBase):
    """The stream of a body that is too large: the application answers 413 in its own words."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise RequestEntityTooLarge

    readline = read


class _Head(Unreader):  # type: ignore[misc]
    """The bytes of a head, and then the end: the parser cannot wait for more."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.buf = io.BytesIO(head)

    def chunk(self, size_hint: int | None = None) -> bytes:
        return b""


class HeadReader:
    """Finds the end of a head, and refuses early what can never become one."""

    def __init__(self, longest_line: int) -> None:
        self._longest_line = longest_line
        self._searched = 0

    def end(self, received: bytearray) -> int:
        """Return where the head ends, or 0 while it is incomplete. Raises ParseException."""
        begin = self._searched
        found = received.find(END, max(0, begin - len(END) + 1))
        self._searched = len(received)
        if 0 <= found <= LARGEST_HEAD:
            return found + len(END)
        self._check(received, begin)
        return 0

    def _check(self, received: bytearray, begin: int) -> None:
        # each line ends with CRLF: after a bare LF, the head would never end
        if received.count(b"\n", begin) != received.count(b"\r\n", max(0, begin - 1)):
            raise InvalidHeader("bare LF as line terminator")
        line = received.find(b"\r\n", 2)
        if (line if line >= 0 else len(received)) > self._longest_line + 2:
            raise LimitRequestLine(self._longest_line)
        if len(received) > LARGEST_HEAD:
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


def body_of(request: Request) -> Body:
    """Return the collector of a request's body, as gunicorn's parser decided the framing."""
    reader = request.body.reader
    return ChunkedBody() if isinstance(reader, ChunkedReader) else SizedBody(reader.length)


class Body:
    """The content of a body so far."""

    length: int | None = None  # where it was announced

    def __init__(self) -> None:
        self.content = bytearray()
        self.complete = False

    def feed(self, received: bytearray, limit: int) -> None:
        """Move what belongs to the body out of `received`.

        Raises BodyTooLarge beyond `limit` bytes of content, ParseException when it is broken.
        """
        raise NotImplementedError


class SizedBody(Body):
    """A body with a Content-Length."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = self._size = length
        self.complete = length == 0

    def feed(self, received: bytearray, limit: int) -> None:
        """Move what belongs to the body out of `received`."""
        if self._size > limit:
            raise BodyTooLarge
        missing = self._size - len(self.content)
        self.content += received[:missing]
        del received[:missing]
        self.complete = len(self.content) == self._size


class ChunkedBody(Body):
    """A body in chunks (RFC 9112, section 7.1). Trailers are checked and dropped."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0  # bytes of the current chunk
        self._framing = 0
        self._trailers = 0
        self._step = self._size

    def feed(self, received: bytearray, limit: int) -> None:
        """Move what belongs to the body out of `received`."""
        while not self.complete and self._step(received):
            if len(self.content) + self._left > limit:
                raise BodyTooLarge
            if self._framing > MOST_FRAMING + len(self.content):
                raise InvalidChunkSize(b"chunks are too small")

    def _size(self, received: bytearray) -> bool:
        line = self._line(received, LONGEST_CHUNK_LINE)
        if line is None:
            return False
        size, separator, extension = line.partition(b";")
        size = size.rstrip(b" \t") if separator else size
        if not SIZE.fullmatch(size) or len(size.lstrip(b"0")) > MOST_DIGITS:
            raise InvalidChunkSize(bytes(size[:MOST_DIGITS]))
        if not EXTENSION.fullmatch(extension):
            raise InvalidChunkExtension("control characters")
        self._left = int(size, 16)
        self._step = self._data if self._left else self._trailer
        return True

    def _data(self, received: bytearray) -> bool:
        part = received[: self._left]
        del received[: len(part)]
        self.content += part
        self._left -= len(part)
        if not self._left:
            self._step = self._data_end
        return bool(part)

    def _data_end(self, received: bytearray) -> bool:
        if not b"\r\n".startswith(received[:2]):
            raise InvalidChunkSize(b"no line end after a chunk")
        if len(received) < 2:
            return False
        del received[:2]
        self._framing += 2
        self._step = self._size
        return True

    def _trailer(self, received: bytearray) -> bool:
        line = self._line(received, LARGEST_TRAILERS)
        if line is None:
            return False
        if line and not TRAILER.fullmatch(line):
            raise InvalidHeader("trailer")
        self._trailers += len(line)
        if self._trailers > LARGEST_TRAILERS:
            raise LimitRequestHeaders("the trailers are too large")
        self.complete = not line
        return True

    def _line(self, received: bytearray, longest: int) -> bytes | None:
        """Take a line out of `received`, or return None while it is incomplete."""
        end = received.find(b"\n", 0, longest + 2)
        if end < 0:
            if len(received) > longest + 1:
                raise InvalidChunkSize(b"a line is too long")
            return None
        line = bytes(received[: end + 1])
        if not line.endswith(b"\r\n"):
            raise InvalidChunkSize(b"bare LF as line terminator")
        del received[: end + 1]
        self._framing += len(line)
        return line[:-2]
