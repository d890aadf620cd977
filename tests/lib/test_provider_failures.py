"""Failed requests to a provider: whether they were sent, and their errors."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from hub.lib import provider_http
from hub.lib.provider_http import ConnectFailed, ProviderHttpClient, ResponseLost
from tests.lib.provider_pages import Page
from tests.lib.provider_pages import http as http
from tests.lib.provider_pages import port as port
from tests.lib.provider_pages import url as url


@pytest.mark.parametrize("path", ["/drop", "/short", "/large"])
def test_failure_after_the_request_was_sent_is_an_unknown_outcome(
    http: ProviderHttpClient, url: str, path: str
) -> None:
    with pytest.raises(ResponseLost):
        http.request("POST", url + path, body=b"data")
    assert len(Page.requests) == 1


def test_timeout_is_an_unknown_outcome(http: ProviderHttpClient, url: str) -> None:
    began = time.monotonic()
    with pytest.raises(ResponseLost, match="in time"):
        http.request("POST", url + "/hang", read=0.2)
    assert time.monotonic() - began < 0.9


def test_slow_partial_response_times_out(http: ProviderHttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def send_slowly() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                try:
                    for _ in range(60):
                        connection.sendall(b"x")
                        time.sleep(0.05)
                except OSError:
                    return  # the other side had enough

        threading.Thread(target=send_slowly, daemon=True).start()
        number = listener.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(ResponseLost):
            ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
                "POST", f"http://127.0.0.1:{number}/", connect=0.2, read=0.2
            )
        assert time.monotonic() - began < 2.5


def test_refused_connection_means_not_sent(http: ProviderHttpClient) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    with pytest.raises(ConnectFailed):
        ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
            "POST", f"http://127.0.0.1:{number}/"
        )


def test_unresolvable_name_means_not_sent() -> None:
    with pytest.raises(ConnectFailed, match="does not resolve"):
        ProviderHttpClient().request("POST", "https://nobody.invalid/")


def test_all_addresses_of_a_name_share_the_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"198.51.100.{n}", 443)) for n in range(8)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: nobody)
    began = time.monotonic()
    with pytest.raises(ConnectFailed):
        ProviderHttpClient(allow=["many.example:443"]).request(
            "POST", "https://many.example/", connect=0.4
        )
    assert time.monotonic() - began < 1


def test_late_request_is_not_sent(
    http: ProviderHttpClient, url: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def resolve_slowly(*args: object, **kwargs: object) -> object:
        time.sleep(0.3)
        return resolve(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(provider_http, "SEND_DEADLINE", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)
    Page.requests.clear()
    with pytest.raises(ConnectFailed, match="in time"):
        http.request("POST", f"{url}/")
    assert Page.requests == []


def test_request_is_not_sent_after_the_machine_was_suspended(
    http: ProviderHttpClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.request("GET", f"{url}/")  # opens the connection
    Page.requests.clear()
    clock = iter([100.0, 100.0 + provider_http.SEND_DEADLINE + 1])
    with monkeypatch.context() as suspended:
        suspended.setattr(provider_http, "uptime", lambda: next(clock))
        with pytest.raises(ConnectFailed):
            http.request("POST", f"{url}/")
    assert Page.requests == []
    assert http.request("GET", f"{url}/").status == 200


def test_refused_tcp_connection_means_not_sent() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        number = listener.getsockname()[1]
        # fill the queue of connections that nobody accepts
        full = [socket.socket() for _ in range(8)]
        for call in full:
            call.setblocking(False)
            call.connect_ex(("127.0.0.1", number))
        began = time.monotonic()
        with pytest.raises(ConnectFailed):
            ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
                "POST", f"http://127.0.0.1:{number}/", connect=0.3, read=0.3
            )
        assert time.monotonic() - began < 2
        for call in full:
            call.close()


def test_error_contains_neither_query_nor_body_nor_headers(
    http: ProviderHttpClient, url: str
) -> None:
    with provider_http.record_exchanges() as exchanges, pytest.raises(ResponseLost) as problem:
        http.request(
            "POST", url + "/drop?to=secret1", body=b"secret2", headers={"Authorization": "secret3"}
        )
    assert "secret" not in str(problem.value) + repr(exchanges)


@pytest.mark.parametrize(
    "address", ["https://a..b/bot-secret/getMe", "https://a.invalid:99999/bot-secret/getMe"]
)
def test_secret_in_a_path_is_hidden_everywhere(
    http: ProviderHttpClient, url: str, address: str
) -> None:
    with provider_http.record_exchanges() as exchanges:
        http.request("GET", url + "/bot-secret/getMe", hidden="-secret")
        with pytest.raises(ConnectFailed) as problem:
            http.request("GET", address, hidden="-secret")
    assert "secret" not in str(problem.value) + repr(exchanges)
    assert exchanges[0].url.endswith("/bot•••/getMe")
    assert Page.requests[-1][1] == "/bot-secret/getMe"
