"""Bodies are framed as gunicorn's own reader does, however they are split."""

from __future__ import annotations

import io
import itertools

import pytest
from gunicorn.config import Config
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import IterUnreader
from hypothesis import given
from hypothesis import strategies as st

from hub.run.web_server.framing import (
    Body,
    BodyTooLarge,
    ChunkedBody,
    HeadReader,
    SizedBody,
    parse_head,
)

LIMIT = 10_000
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def feed(body: Body, sent: bytes, cuts: list[int], limit: int = LIMIT) -> tuple[bytes, bytes]:
    """Feed a body in pieces; return its content and the remaining bytes.

    Raises EOFError for an incomplete body.
    """
    received = bytearray()
    places = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    for begin, end in itertools.pairwise(places):
        received += sent[begin:end]
        if not body.complete:
            body.feed(received, limit)
    if not body.complete:
        raise EOFError
    return bytes(body.content), bytes(received)


cuts = st.lists(st.integers(0, 500), max_size=8)
sizes = st.builds(
    lambda zeros, size: "0" * zeros + size, st.integers(0, 3), st.sampled_from(["%x", "%X"])
)
extensions = st.sampled_from(["", ";a", ";a=b", ' ; a="b;c"'])


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), sizes, extensions)),
    st.binary(max_size=9),
    cuts,
)
def test_chunked_body_is_read_however_it_is_split(
    parts: list[tuple[bytes, str, str]], after: bytes, at: list[int]
) -> None:
    sent = b"".join(
        (size % len(part) + extension).encode() + b"\r\n" + part + b"\r\n"
        for part, size, extension in parts
    )
    whole_body = sent + b"0\r\nX-Trailer: a\r\n\r\n"
    assert feed(ChunkedBody(), whole_body + after, at) == (
        b"".join(part for part, _, _ in parts),
        after,
    )
    with pytest.raises(EOFError):
        feed(ChunkedBody(), whole_body[:-1], at)


@given(st.binary(max_size=200), st.binary(max_size=9), cuts)
def test_body_with_a_length_ends_there(content: bytes, after: bytes, at: list[int]) -> None:
    assert feed(SizedBody(len(content)), content + after, at) == (content, after)


pieces = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b"0",
        b"1",
        b"a",
        b"2",
        b";",
        b" ",
        b"-",
        b"zz",
        b"x: y",
        b":",
        b"0\r\n\r\n",
        b"1\r\nq\r\n",
    ]
)


@given(st.lists(pieces, max_size=10).map(b"".join), cuts)
def test_parser_agrees_with_gunicorn(sent: bytes, at: list[int]) -> None:
    unreader = IterUnreader(iter([sent]))
    reader = ChunkedReader(parse_head(HEAD, Config(), ("127.0.0.1", 1), 1), unreader)
    try:
        expected = reader.read(LIMIT), unreader.take_buffered()
    except (ParseException, OSError):
        with pytest.raises((ParseException, EOFError, BodyTooLarge)):
            feed(ChunkedBody(), sent, at)
        return
    try:
        result = feed(ChunkedBody(), sent, at)
    except ParseException:
        return  # stricter than gunicorn
    assert result == expected


@given(st.integers(1, 2**64), cuts)
def test_body_is_stored_up_to_the_limit(size: int, at: list[int]) -> None:
    sent = b"%x\r\n" % size + bytes(min(size, 300))
    for body in (ChunkedBody(), SizedBody(size)):
        try:
            feed(body, sent, at, 100)
        except (BodyTooLarge, ParseException, EOFError):
            pass
        assert len(body.content) <= 100


@given(st.binary(max_size=300), cuts)
def test_end_of_a_head_does_not_depend_on_how_it_is_split(junk: bytes, at: list[int]) -> None:
    sent = (
        b"GET / HTTP/1.1\r\nX-A: " + junk.replace(b"\n", b"").replace(b"\r", b"") + b"\r\n\r\nrest"
    )
    reader = HeadReader(8190)
    received = bytearray()
    ended = 0
    places = [0, *sorted(cut % (len(sent) + 1) for cut in at), len(sent)]
    for begin, end in itertools.pairwise(places):
        received += sent[begin:end]
        ended = ended or reader.end(received)
    assert ended == len(sent) - len(b"rest")
    assert io.BytesIO(received).read(ended).endswith(b"\r\n\r\n")
