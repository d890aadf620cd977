"""Undocumented parts of gunicorn on which the worker depends still exist."""

from __future__ import annotations

import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from gunicorn.http.wsgi import Response, create
from gunicorn.workers.gthread import PollableMethodQueue, ThreadWorker

from hub.run.web_server.framing import parse_head
from hub.run.web_server.worker import BufferedThreadWorker

ROOT = Path(__file__).resolve().parents[3]


def test_gunicorn_has_the_expected_version() -> None:
    [requirement] = [
        line
        for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
        if line.startswith("gunicorn")
    ]
    pinned = re.fullmatch(r"gunicorn==(\d+\.\d+\.\d+)", requirement)
    assert pinned, "an exact version: the worker leans on parts that may change with any"
    assert version("gunicorn") == pinned[1]


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (ThreadWorker.init_process, ["self"]),
        (ThreadWorker.run, ["self"]),
        (ThreadWorker.accept, ["self", "listener"]),
        (ThreadWorker.handle, ["self", "conn"]),
        (ThreadWorker.handle_request, ["self", "req", "conn"]),
        (ThreadWorker.set_accept_enabled, ["self", "enabled"]),
        (ThreadWorker.is_parent_alive, ["self"]),
        (ThreadWorker.notify, ["self"]),
        (PollableMethodQueue.defer, ["self", "callback", "args"]),
        (PollableMethodQueue.run_callbacks, ["self", "_fileobj", "max_callbacks"]),
        (Request.__init__, ["self", "cfg", "unreader", "peer_addr", "req_number"]),
        (Unreader.chunk, ["self", "size_hint"]),
        (Unreader.take_buffered, ["self"]),
        (create, ["req", "sock", "client", "server", "cfg", "response_class", "response_args"]),
        (util.close_graceful, ["sock", "timeout", "max_drain"]),
    ],
)
def test_methods_accept_the_arguments_of_the_worker(method: Any, parameters: list[str]) -> None:
    assert list(inspect.signature(method).parameters) == parameters


def test_worker_loop_uses_no_renamed_attribute() -> None:
    source = inspect.getsource(ThreadWorker)
    for name in (
        "self.tpool",
        "self.poller",
        "self.method_queue",
        "self.nr_conns",
        "self.worker_connections",
        "self.keepalived_conns",
        "self.max_keepalived",
        "method_queue.defer",
    ):
        assert name in source, name
    handling = inspect.getsource(ThreadWorker.handle_request)
    for name in ("conn.sock", "conn.client", "conn.server", "keepalived_conns", "force_close"):
        assert name in handling, name
    used = set(re.findall(r"conn\.(\w+)", handling))
    assert used <= {"sock", "client", "server"}, "it asks the connection for something new"
    assert "_expected_100_continue" in inspect.getsource(create)
    assert set(re.findall(r"self\.sock\.(\w+)", inspect.getsource(Response))) <= {
        "sendall",
        "sendfile",
    }


def test_head_is_parsed_as_the_worker_expects() -> None:
    cfg = Config()
    head = b"POST /a?b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    sized = parse_head(head + b"Content-Length: 5\r\n\r\n", cfg, ("127.0.0.1", 1), 1)
    assert isinstance(sized.body, Body)
    assert isinstance(sized.body.reader, LengthReader)
    assert (sized.body.reader.length, sized._expected_100_continue) == (5, True)
    chunks = parse_head(head + b"Transfer-Encoding: chunked\r\n\r\n", cfg, ("127.0.0.1", 1), 1)
    assert isinstance(chunks.body.reader, ChunkedReader)
    bare = parse_head(b"GET / HTTP/1.0\r\n\r\n", cfg, ("127.0.0.1", 1), 1)
    assert isinstance(bare.body.reader, LengthReader)
    assert bare.body.reader.length == 0
    assert (sized.method, sized.uri, sized.path) == ("POST", "/a?b", "/a")


def test_overridden_methods_of_gunicorn_are_still_called() -> None:
    source = inspect.getsource(ThreadWorker)
    for name in ("run", "accept", "handle", "init_process", "check_config"):
        assert f"def {name}(" in source
        assert name in vars(BufferedThreadWorker)
