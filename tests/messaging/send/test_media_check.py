"""Linked files are checked before a message is sent, with real requests to a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from hub.core.errors import FileMissing, FileRefused, SendError
from hub.lib.provider_http import ProviderHttpClient
from hub.messaging.send.media_check import check_links

LIMITS = {"application/pdf": 1000, "image/png": 500}


@dataclass
class Page:
    """The response of one path."""

    status: int = 200
    kind: str = "application/pdf"
    size: int = 10
    tells: bool = True  # its length
    head: int = 0  # what it answers to HEAD instead
    to: str = ""


@dataclass
class FileServer:
    """A file server: pages by path, and the received requests."""

    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, path: str, page: Page) -> str:
        self.pages[path] = page
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    running_server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            page = running_server.pages[self.path]
            running_server.requests.append(f"{self.command} {self.path}")
            self.send_response(page.head if page.head and self.command == "HEAD" else page.status)
            if page.kind:
                self.send_header("Content-Type", page.kind)
            if page.tells:
                self.send_header("Content-Length", str(page.size))
            if page.to:
                self.send_header("Location", page.to)
            self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"x" * page.size)

        do_GET = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running_server.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield running_server
        server.shutdown()


@pytest.fixture
def check_file(file_server: FileServer) -> Callable[[str], None]:
    http = ProviderHttpClient(allow=[f"127.0.0.1:{file_server.port}"])
    return lambda url: check_links([url], LIMITS, http)


def error_code(check_file: Callable[[str], None], url: str) -> tuple[type[SendError], str]:
    with pytest.raises(SendError) as refused:
        check_file(url)
    assert "secret" not in str(refused.value)
    return type(refused.value), refused.value.code


@pytest.mark.parametrize(
    ("page", "requests"),
    [
        (Page(), ["HEAD /a"]),
        (Page(kind="Application/PDF; charset=binary"), ["HEAD /a"]),
        (Page(size=1000), ["HEAD /a"]),
        (Page(tells=False), ["HEAD /a", "GET /a"]),
        (Page(head=405), ["HEAD /a", "GET /a"]),
        (Page(head=403), ["HEAD /a", "GET /a"]),
    ],
)
def test_available_file_passes_and_is_downloaded_only_if_needed(
    file_server: FileServer, check_file: Callable[[str], None], page: Page, requests: list[str]
) -> None:
    check_file(file_server.url("/a", page))
    assert file_server.requests == requests


@pytest.mark.parametrize(
    ("page", "sentence"),
    [
        (Page(kind="text/html"), (FileRefused, "media_type")),
        (Page(kind=""), (FileRefused, "media_type")),
        (Page(size=1001), (FileRefused, "media_too_large")),
        (Page(kind="image/png", size=501), (FileRefused, "media_too_large")),
        (Page(size=200_000, tells=False), (FileRefused, "media_too_large")),
        (Page(size=0), (FileRefused, "media_unreachable")),
        (Page(size=0, tells=False), (FileRefused, "media_unreachable")),
        (Page(status=404), (FileRefused, "media_unreachable")),
        (Page(status=401), (FileRefused, "media_unreachable")),
        (Page(status=503), (FileMissing, "media_unreachable")),
        (Page(status=429), (FileMissing, "media_unreachable")),
    ],
)
def test_settings_that_the_provider_rejects_are_refused_first(
    file_server: FileServer,
    check_file: Callable[[str], None],
    page: Page,
    sentence: tuple[type[SendError], str],
) -> None:
    assert error_code(check_file, file_server.url("/a?key=secret", page)) == sentence


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_followed(
    file_server: FileServer, check_file: Callable[[str], None], status: int
) -> None:
    file_server.url("/b/file", Page())
    check_file(file_server.url("/b/a", Page(status=status, to="file")))
    assert file_server.requests == ["HEAD /b/a", "HEAD /b/file"]


@pytest.mark.parametrize(
    "to",
    [
        "http://10.0.0.1/latest",
        "http://169.254.169.254/meta-data",
        "https://127.0.0.1:1/x",
        "http://[::1]/x",
        "file:///etc/x",
        "https://[x/y",
        "http://h:99999/",
        "//[",
    ],
)
def test_redirect_into_a_private_network_is_refused(
    file_server: FileServer, check_file: Callable[[str], None], to: str
) -> None:
    kind, reason = error_code(check_file, file_server.url("/a", Page(status=302, to=to)))
    assert (kind, reason) == (FileRefused, "media_not_allowed")


def test_number_of_redirects_is_limited(
    file_server: FileServer, check_file: Callable[[str], None]
) -> None:
    assert error_code(check_file, file_server.url("/a", Page(status=302, to="/a"))) == (
        FileRefused,
        "media_unreachable",
    )
    assert len(file_server.requests) == 4


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:1/a", "https://10.1.2.3/a", "https://localhost/a", "http://files.example/a"],
)
def test_private_or_unencrypted_address_is_refused_without_a_request(
    check_file: Callable[[str], None], url: str
) -> None:
    assert error_code(check_file, url) == (FileRefused, "media_not_allowed")


def test_unreachable_address_is_retried(check_file: Callable[[str], None]) -> None:
    assert error_code(check_file, "https://files.invalid/a") == (FileMissing, "media_unreachable")
