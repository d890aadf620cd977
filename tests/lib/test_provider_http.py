"""The HTTP client for providers: allowed requests, refused requests, and errors."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import ThreadingHTTPServer

import pytest

from hub.lib import provider_http
from hub.lib.provider_http import ProviderHttpClient
from tests.lib.provider_pages import Page
from tests.lib.provider_pages import http as http
from tests.lib.provider_pages import port as port
from tests.lib.provider_pages import url as url


def test_response_has_status_headers_and_body(http: ProviderHttpClient, url: str) -> None:
    answer = http.request("POST", url + "/x?a=%2B", body=b"data")
    assert (answer.status, answer.text, answer.headers["x-name"]) == (200, "hello", "value")
    assert Page.requests == [("POST", "/x?a=%2B", b"data")]


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_every_status_is_returned_without_a_retry(
    http: ProviderHttpClient, url: str, status: int
) -> None:
    answer = http.request("POST", f"{url}/status/{status}")
    assert (answer.status, answer.retry_after) == (status, 7.0)
    assert len(Page.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("-3", None),
        ("soon", None),
        ("Wed,%2021%20Oct", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("9999999", None),
    ],
)
def test_retry_after_in_seconds_is_a_number_or_none(
    http: ProviderHttpClient, url: str, header: str, seconds: float | None
) -> None:
    assert http.request("GET", f"{url}/retry/{header}").retry_after == seconds


@pytest.mark.parametrize(
    ("until", "said_at", "seconds"),
    [
        ("Sat, 21 Nov 2026 09:31:30 GMT", "Sat, 21 Nov 2026 09:30:00 GMT", 90),
        ("Sat, 21 Nov 2026 09:29:00 GMT", "Sat, 21 Nov 2026 09:30:00 GMT", 0),
        ("Saturday, 21-Nov-26 09:31:30 GMT", "Sat, 21 Nov 2026 09:30:00 GMT", 90),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "Sat, 21 Nov 2026 09:30:00 GMT", None),
        ("Sat, 41 Nov 2026 09:31:30 GMT", "Sat, 21 Nov 2026 09:30:00 GMT", None),
    ],
)
def test_retry_after_date_is_relative_to_the_provider_clock(
    until: str, said_at: str, seconds: float | None
) -> None:
    assert (
        provider_http.ProviderResponse(
            503, {"retry-after": until, "date": said_at}, b""
        ).retry_after
        == seconds
    )


def test_retry_after_date_without_a_date_header_is_relative_to_our_clock() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert (
        55
        < (provider_http.ProviderResponse(429, {"retry-after": until}, b"").retry_after or 0)
        <= 60
    )


def test_redirect_is_not_followed(http: ProviderHttpClient, url: str) -> None:
    assert http.request("GET", url + "/away").status == 302
    assert [path for _, path, _ in Page.requests] == ["/away"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirect_is_returned_as_a_response(
    http: ProviderHttpClient, url: str, status: int, method: str
) -> None:
    answer = http.request(method, f"{url}/moved/{status}", body=b"{}" if method == "POST" else None)
    assert (answer.status, [path for _, path, _ in Page.requests]) == (status, [f"/moved/{status}"])


def test_connections_are_reused(http: ProviderHttpClient, url: str) -> None:
    with provider_http.record_exchanges() as exchanges:
        for _ in range(3):
            http.request("GET", url + "/x")
    pool = http._manager.connection_from_url(url)
    assert pool.num_connections == 1
    assert [exchange.status for exchange in exchanges] == [200] * 3


def test_pool_keeps_as_many_connections_as_concurrent_calls() -> None:
    # two connections of one provider share a client, and have 64 threads each
    client_count = 80
    met = threading.Barrier(80)

    class MeetingPage(Page):
        def do_GET(self) -> None:
            met.wait(10)
            self._answer(200, b"hello")

    class ManyPages(ThreadingHTTPServer):
        request_queue_size = client_count

    server = ManyPages(("127.0.0.1", 0), MeetingPage)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    http = ProviderHttpClient(allow=[f"127.0.0.1:{server.server_port}"])
    url = f"http://127.0.0.1:{server.server_port}/"
    try:
        for _ in range(2):
            threads = [
                threading.Thread(target=http.request, args=("GET", url))
                for _ in range(client_count)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        assert http._manager.connection_from_url(url).num_connections == client_count
    finally:
        http._manager.clear()
        server.shutdown()
        server.server_close()
