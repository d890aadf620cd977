"""The web server follows RFC 9112 and refuses ambiguous requests."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
from flask import Flask
from urllib3 import encode_multipart_formdata

from hub.core.config import MAX_BODY_SIZE
from tests import servers
from tests.conftest import config_of
from tests.hub_fixtures import CALLBACK, ERIC
from tests.hub_fixtures import hub_demo as hub_demo

MESSAGE = json.dumps({"to": ERIC, "channel": "sms", "text": "Hello"}).encode()
PROBLEM = "application/problem+json"


def post(web: dict[str, str], key: str, body: bytes = MESSAGE, **headers: str) -> bytes:
    """Return the bytes of a request that creates a message."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    bearer = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return servers.request_bytes(web, "POST", "/api/v1/messages", {**bearer, **named}, body)


def chunked(web: dict[str, str], key: str, chunks: bytes, path: str = "/api/v1/messages") -> bytes:
    """Return the bytes of a request with exactly these chunks."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Transfer-Encoding": "chunked",
    }
    return servers.request_bytes(web, "POST", path, headers) + chunks


def encode_chunks(body: bytes, size: int = 7) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_requests_of_every_kind_are_answered(web: dict[str, str], key: str) -> None:
    with servers.connect(web) as connection:  # all over one kept-alive connection
        for sent in (
            post(web, key),
            chunked(web, key, encode_chunks(MESSAGE)),
            chunked(
                web, key, b"%X;a=b\r\n%s\r\n000\r\nX-Trailer: 1\r\n\r\n" % (len(MESSAGE), MESSAGE)
            ),
            b"\r\n" + post(web, key),  # one empty line is allowed before a request
        ):
            connection.sendall(sent)
            answer = servers.read_response(connection)
            assert (answer.status, answer.headers["connection"]) == (202, "keep-alive"), answer
        connection.sendall(servers.request_bytes(web, "HEAD", "/healthz"))
        assert servers.read_response(connection, head_only=True).status == 200
        connection.sendall(servers.request_bytes(web, "GET", "/healthz", {"Connection": "close"}))
        assert servers.read_response(connection).headers["connection"] == "close"
        assert connection.recv(1) == b""


def test_request_may_arrive_in_pieces_of_any_size(web: dict[str, str], key: str) -> None:
    for sent in (post(web, key), chunked(web, key, encode_chunks(MESSAGE, 3))):
        for size in (1, 2, 3, 50):
            with servers.connect(web) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(sent), size):
                    connection.sendall(sent[at : at + size])
                assert servers.read_response(connection).status == 202


def test_pipelined_requests_are_answered_in_order(web: dict[str, str], key: str) -> None:
    expected = [
        ("GET", "/healthz"),
        ("GET", "/nothing"),
        ("GET", "/api/v1/messages"),
        ("GET", "/healthz"),
    ]
    with servers.connect(web) as connection:
        sent = b"".join(servers.request_bytes(web, method, at) for method, at in expected)
        connection.sendall(post(web, key) + sent + chunked(web, key, encode_chunks(MESSAGE)))
        begun = time.monotonic()
        statuses = [servers.read_response(connection).status for _ in range(len(expected) + 2)]
        assert time.monotonic() - begun < 1
    assert statuses == [202, 200, 404, 401, 200, 202]


@pytest.mark.parametrize("close", [False, True])
def test_http_1_0_request_is_answered_and_the_connection_closed(
    web: dict[str, str], close: bool
) -> None:
    with servers.connect(web) as connection:
        headers = {} if close else {"Connection": "keep-alive"}
        request = servers.request_bytes(web, "GET", "/healthz", headers, version="1.0")
        connection.sendall(request)
        answer = servers.read_response(connection)
        assert (answer.status, answer.headers["connection"]) == (
            200,
            "close" if close else "keep-alive",
        )
        if close:
            assert connection.recv(1) == b""


def test_100_continue_is_sent_once(web: dict[str, str], key: str) -> None:
    sent = post(web, key, Expect="100-continue")
    head = sent[: -len(MESSAGE)]
    body = MESSAGE
    with servers.connect(web) as connection:
        connection.sendall(head)
        assert servers.read_response(connection).status == 100
        connection.sendall(body)
        assert servers.read_response(connection).status == 202  # and not 100 again
        connection.sendall(sent)  # who does not wait needs none
        assert servers.read_response(connection).status == 202
        old = sent.replace(b"HTTP/1.1", b"HTTP/1.0")
        connection.sendall(old)
        assert servers.read_response(connection).status == 202
    large = post(web, key, b"", Expect="100-continue", Content_Length=str(MAX_BODY_SIZE + 1))
    assert servers.exchange(web, large).status == 413  # at once, without asking for the body
    assert servers.exchange(web, post(web, key, Expect="a-miracle")).status == 417


# ── What is refused ──────────────────────────────────────────────────────────────────────────
BAD_CHUNKS = [
    b"zz\r\nabc\r\n0\r\n\r\n",
    b"-1\r\nabc\r\n0\r\n\r\n",
    b"+3\r\nabc\r\n0\r\n\r\n",
    b"0x3\r\nabc\r\n0\r\n\r\n",
    b"3_0\r\nabc",
    b"\r\nabc\r\n0\r\n\r\n",
    b" 3\r\nabc\r\n0\r\n\r\n",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b";a\r\nabc\r\n0\r\n\r\n",
    b"3\r\nabcdef\r\n0\r\n\r\n",
    b"3\r\nabc0\r\n\r\n",
    b"3\nabc\n0\n\n",
    b"3\r\nabc\n0\r\n\r\n",
    b"f" * 17 + b"\r\nabc",
    b"3" + b" " * 300,
    b"3;" + b"a" * 300,
    b"3;a\x00b\r\nabc\r\n0\r\n\r\n",
    b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    b"0\r\nno colon\r\n\r\n",
    b"0\r\n folded: 1\r\n\r\n",
    b"0\r\na\x00: 1\r\n\r\n",
    b"0\r\na: 1\n\r\n",
    b"\xd9\xa3\r\nabc\r\n0\r\n\r\n",
    b"1\r\na\r\n" * 60_000,
]


def test_invalid_chunks_are_400(web: dict[str, str], key: str) -> None:
    for chunks in BAD_CHUNKS:
        for path in ("/api/v1/messages", CALLBACK, "/sign-in", "/nothing"):
            answer = servers.exchange(web, chunked(web, key, chunks, path), 3)
            assert (answer.status, answer.headers["content-type"]) == (400, PROBLEM), (
                chunks[:40],
                path,
            )
            assert answer.headers["connection"] == "close"
            assert json.loads(answer.body)["code"] == "bad_request"


def test_excessive_chunk_size_is_413_at_once(web: dict[str, str], key: str) -> None:
    for size in (b"f" * 16, b"0" * 40 + b"f" * 9, b"40001"):
        for path in ("/api/v1/messages", CALLBACK):
            assert (
                servers.exchange(web, chunked(web, key, size + b"\r\nabc", path), 3).status == 413
            )


@pytest.mark.parametrize("ended", [b"3\r\nab", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b"3", b""])
def test_incomplete_body_is_400(web: dict[str, str], key: str, ended: bytes) -> None:
    for sent in (chunked(web, key, ended), post(web, key)[:-3], post(web, key)[:50]):
        with servers.connect(web, 3) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert servers.read_response(connection).status == 400


AMBIGUOUS = {
    "length and chunks": "Content-Length: 3\r\nTransfer-Encoding: chunked",
    "chunks and length": "Transfer-Encoding: chunked\r\nContent-Length: 3",
    "two lengths": "Content-Length: 3\r\nContent-Length: 4",
    "the same length twice": "Content-Length: 3\r\nContent-Length: 3",
    "a list of lengths": "Content-Length: 3, 3",
    "a signed length": "Content-Length: +3",
    "a negative length": "Content-Length: -3",
    "a length in hex": "Content-Length: 0x3",
    "a length with a point": "Content-Length: 3.0",
    "no length": "Content-Length:",
    "a length of many digits": "Content-Length: " + "9" * 5000,
    "chunked twice": "Transfer-Encoding: chunked, chunked",
    "chunked not last": "Transfer-Encoding: chunked, gzip",
    "not chunked at all": "Transfer-Encoding: gzip",
    "identity": "Transfer-Encoding: identity",
    "a folded line": "X-A: 1\r\n b: 2\r\nContent-Length: 3",
    "a folded coding": "Transfer-Encoding:\r\n chunked",
    "a space before the colon": "Content-Length : 3",
    "a bare LF": "X-A: 1\nContent-Length: 3",
    "a bare CR": "X-A: 1\rContent-Length: 3",
    "a NUL": "X-A: \x00",
    "no colon": "X-A",
    "no name": ": 3",
    "two hosts": "Host: elsewhere",
    "two types": "Content-Type: a/b",
}


@pytest.mark.parametrize("name", list(AMBIGUOUS))
def test_ambiguous_request_is_400(web: dict[str, str], name: str) -> None:
    head = servers.request_bytes(
        web, "POST", "/api/v1/messages", {"Content-Type": "application/json"}
    )
    sent = head[:-2] + AMBIGUOUS[name].encode() + b"\r\n\r\n"
    with servers.connect(web, 3) as connection:
        connection.sendall(sent + b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = servers.read_response(connection)
        assert (answer.status, answer.headers["content-type"]) == (400, PROBLEM)
        assert connection.recv(1) == b""  # nothing after it is read as a request


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET", 400),
        ("GET /", 400),
        ("get / HTTP/1.1", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET / HTTP/2.0", 400),
        ("GET / HTTP/x", 400),
        ("GET /\x7f HTTP/1.1", 400),
        ("GET /\xe9 HTTP/1.1", 400),
        ("GET * HTTP/1.1", 400),
        ("GET nothing HTTP/1.1", 400),
        ("\x16\x03\x01\x02\x00", 400),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: magic", 501),
    ],
)
def test_invalid_request_line_is_refused(web: dict[str, str], line: str, status: int) -> None:
    answer = servers.exchange(web, line.encode("latin-1") + b"\r\nHost: x\r\n\r\n", 3)
    assert (answer.status, answer.headers["content-type"]) == (status, PROBLEM)


def test_long_url_is_414_and_large_header_is_431(web: dict[str, str]) -> None:
    for at, status in (
        ("/" + "a" * 8_000, 404),
        ("/" + "a" * 8_200, 414),
        ("/" + "a" * 100_000, 414),
    ):
        for begin in (b"", b"\r\n"):
            answer = servers.exchange(web, begin + servers.request_bytes(web, "GET", at), 3)
            assert answer.status == status
    assert answer.headers["content-type"] == PROBLEM
    assert json.loads(answer.body) == {
        "type": "urn:signpost:problem:uri_too_long",
        "title": "Request-URI Too Long",
        "status": 414,
        "code": "uri_too_long",
        "detail": "The address is longer than 8,190 bytes. Move data into the body.",
    }
    for headers in (
        {"X-A": "a" * 8_200},
        {f"X-{n}": "a" * 4_000 for n in range(9)},
        {f"X-{n}": "a" for n in range(101)},
    ):
        answer = servers.exchange(web, servers.request_bytes(web, "GET", "/healthz", headers), 3)
        assert (answer.status, answer.headers["content-type"]) == (431, PROBLEM)
        assert json.loads(answer.body)["code"] == "headers_too_large"


def test_bodies_of_each_path_have_their_own_limit(web: dict[str, str], key: str) -> None:
    bearer = {"Authorization": f"Bearer {key}"}
    for size, status in ((MAX_BODY_SIZE, 422), (MAX_BODY_SIZE + 1, 413), (MAX_BODY_SIZE * 9, 413)):
        body = MESSAGE[:-1] + b" " * (size - len(MESSAGE)) + b"}"
        for sent in (post(web, key, body), chunked(web, key, encode_chunks(body, 50_000))):
            assert servers.exchange(web, sent).status == (202 if status == 422 else status), size
    for megabytes, status in ((15.9, 201), (16.2, 413), (40, 413)):
        file = ("signed.pdf", b"%PDF-1.4" + bytes(int(megabytes * 1024 * 1024)), "application/pdf")
        form, kind = encode_multipart_formdata({"file": file})
        for path in ("/api/v1/media", "/api/v1/m%65dia/"):
            headers = {**bearer, "Content-Type": kind}
            answer = servers.exchange(web, servers.request_bytes(web, "POST", path, headers, form))
            assert answer.status == status, (megabytes, path, answer.body)
        assert status != 413 or json.loads(answer.body)["field"] == "file"
    for path, status in (("/sign-in", 413), ("/nothing", 404), (CALLBACK, 413)):
        sent = servers.request_bytes(web, "POST", path, {}, bytes(9_000_000))
        assert servers.exchange(web, sent).status == status, path


def test_idle_connection_is_closed_without_a_response(web: dict[str, str]) -> None:
    with servers.connect(web, 20) as connection:
        connection.sendall(servers.request_bytes(web, "GET", "/healthz"))
        assert servers.read_response(connection).status == 200
        begun = time.monotonic()
        assert connection.recv(100) == b""
        assert 14 < time.monotonic() - begun < 17


class TestLargeFiles:
    """A hub that accepts files larger than its memory for incomplete requests."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_MEDIA_MB": "150"}

    def test_large_file_reaches_the_application(
        self, hub_demo: Flask, environ: dict[str, str], tmp_path: Path
    ) -> None:
        bearer = (config_of(hub_demo).data_dir / "demo-key").read_text().strip()
        file = ("signed.pdf", b"%PDF-1.4" + bytes(140_000_000), "application/pdf")
        form, kind = encode_multipart_formdata({"file": file})
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": kind}
        with servers.running_server("hub web", environ, tmp_path):
            sent = servers.request_bytes(environ, "POST", "/api/v1/media", headers, form)
            answer = servers.exchange(environ, sent, 30)
        assert json.loads(answer.body)["code"] == "media_too_large"  # the channels' rule, not ours
