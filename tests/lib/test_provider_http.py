"""The HTTP client for providers: what it allows, what it refuses, and what a failure tells."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.lib import provider_http
from hub.lib.provider_http import AddressNotAllowed, ConnectFailed, ProviderHttpClient, ResponseLost


class Page(BaseHTTPRequestHandler):
    """Answers by its path."""

    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, bytes]] = []

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Page.seen.append((self.command, self.path, body))
        self.path = self.path.partition("?")[0]
        if self.path == "/hang":
            time.sleep(1)
            self.close_connection = True
        elif self.path == "/drop":
            self.close_connection = True
        elif self.path.startswith("/moved/"):
            self.send_response(int(self.path[7:]))
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/away":
            self._answer(302, b"", Location="/here")
        elif self.path == "/large":
            self._answer(200, b"x" * (provider_http.LARGEST_RESPONSE + 1))
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"x")
            self.close_connection = True
        elif self.path.startswith("/status/"):
            self._answer(int(self.path.rpartition("/")[2]), b"no", **{"Retry-After": "7"})
        elif self.path.startswith("/retry/"):
            self._answer(429, b"", **{"Retry-After": self.path.rpartition("/")[2]})
        else:
            self._answer(200, b"hello", **{"X-Name": "value"})

    do_POST = do_GET

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True  # the other side had enough

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that give up are what is tested
    if context is not None:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


@pytest.fixture
def url(port: int) -> str:
    Page.seen = []
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def http(port: int) -> ProviderHttpClient:
    return ProviderHttpClient(allow=[f"127.0.0.1:{port}"])


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────
def test_an_answer_has_status_headers_and_body(http: ProviderHttpClient, url: str) -> None:
    answer = http.request("POST", url + "/x?a=%2B", body=b"data")
    assert (answer.status, answer.text, answer.headers["x-name"]) == (200, "hello", "value")
    assert Page.seen == [("POST", "/x?a=%2B", b"data")]


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
def test_every_status_is_an_answer_and_nothing_is_tried_again(
    http: ProviderHttpClient, url: str, status: int
) -> None:
    answer = http.request("POST", f"{url}/status/{status}")
    assert (answer.status, answer.retry_after) == (status, 7.0)
    assert len(Page.seen) == 1


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
def test_a_pause_is_a_number_or_none(
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
def test_a_pause_may_end_at_a_moment_of_the_providers_clock(
    until: str, said_at: str, seconds: float | None
) -> None:
    assert (
        provider_http.ProviderResponse(
            503, {"retry-after": until, "date": said_at}, b""
        ).retry_after
        == seconds
    )


def test_a_pause_until_a_moment_is_told_by_our_clock_where_the_provider_does_not_tell_its_own() -> (
    None
):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert (
        55
        < (provider_http.ProviderResponse(429, {"retry-after": until}, b"").retry_after or 0)
        <= 60
    )


def test_a_redirect_is_not_followed(http: ProviderHttpClient, url: str) -> None:
    assert http.request("GET", url + "/away").status == 302
    assert [path for _, path, _ in Page.seen] == ["/away"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_to_where_secrets_lie_is_only_an_answer(
    http: ProviderHttpClient, url: str, status: int, method: str
) -> None:
    answer = http.request(method, f"{url}/moved/{status}", body=b"{}" if method == "POST" else None)
    assert (answer.status, [path for _, path, _ in Page.seen]) == (status, [f"/moved/{status}"])


def test_connections_are_kept_alive(http: ProviderHttpClient, url: str) -> None:
    with provider_http.record_exchanges() as exchanges:
        for _ in range(3):
            http.request("GET", url + "/x")
    pool = http._manager.connection_from_url(url)
    assert pool.num_connections == 1
    assert [one.status for one in exchanges] == [200] * 3


def test_as_many_are_kept_alive_as_calls_were_made_at_once() -> None:
    # two connections of one provider share a client, and have 64 threads each
    both = 80
    met = threading.Barrier(80)

    class Meeting(Page):
        def do_GET(self) -> None:
            met.wait(10)
            self._answer(200, b"hello")

    class Many(ThreadingHTTPServer):
        request_queue_size = both

    server = Many(("127.0.0.1", 0), Meeting)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    http = ProviderHttpClient(allow=[f"127.0.0.1:{server.server_port}"])
    url = f"http://127.0.0.1:{server.server_port}/"
    try:
        for _ in range(2):
            threads = [
                threading.Thread(target=http.request, args=("GET", url)) for _ in range(both)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(10)
        assert http._manager.connection_from_url(url).num_connections == both
    finally:
        http._manager.clear()
        server.shutdown()
        server.server_close()


# ── Failures ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", ["/drop", "/short", "/large"])
def test_what_fails_after_the_request_left_may_have_arrived(
    http: ProviderHttpClient, url: str, path: str
) -> None:
    with pytest.raises(ResponseLost):
        http.request("POST", url + path, body=b"data")
    assert len(Page.seen) == 1


def test_an_answer_that_does_not_come_may_have_arrived(http: ProviderHttpClient, url: str) -> None:
    began = time.monotonic()
    with pytest.raises(ResponseLost, match="in time"):
        http.request("POST", url + "/hang", read=0.2)
    assert time.monotonic() - began < 0.9


def test_an_answer_that_drips_is_given_up(http: ProviderHttpClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
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

        threading.Thread(target=drip, daemon=True).start()
        number = listener.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(ResponseLost):
            ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
                "POST", f"http://127.0.0.1:{number}/", connect=0.2, read=0.2
            )
        assert time.monotonic() - began < 2.5


def test_nobody_there_means_not_sent(http: ProviderHttpClient) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    with pytest.raises(ConnectFailed):
        ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
            "POST", f"http://127.0.0.1:{number}/"
        )


def test_a_name_that_does_not_resolve_means_not_sent() -> None:
    with pytest.raises(ConnectFailed, match="does not resolve"):
        ProviderHttpClient().request("POST", "https://nobody.invalid/")


def test_all_addresses_of_a_name_share_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_request_that_is_late_to_leave_does_not_leave(
    http: ProviderHttpClient, url: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo

    def slowly(*args: object, **kwargs: object) -> object:
        time.sleep(0.3)
        return resolve(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(provider_http, "LEAVES_WITHIN", 0.2)
    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    Page.seen.clear()
    with pytest.raises(ConnectFailed, match="in time"):
        http.request("POST", f"{url}/")
    assert Page.seen == []


def test_a_request_does_not_leave_when_the_machine_was_suspended_before(
    http: ProviderHttpClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    http.request("GET", f"{url}/")  # the connection is kept, and nothing else takes time
    Page.seen.clear()
    clock = iter([100.0, 100.0 + provider_http.LEAVES_WITHIN + 1])
    with monkeypatch.context() as suspended:
        suspended.setattr(provider_http, "uptime", lambda: next(clock))
        with pytest.raises(ConnectFailed):
            http.request("POST", f"{url}/")
    assert Page.seen == []
    assert http.request("GET", f"{url}/").status == 200


def test_who_does_not_accept_connections_means_not_sent() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        number = listener.getsockname()[1]
        # fill the queue of connections that nobody accepts
        full = [socket.socket() for _ in range(8)]
        for one in full:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", number))
        began = time.monotonic()
        with pytest.raises(ConnectFailed):
            ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
                "POST", f"http://127.0.0.1:{number}/", connect=0.3, read=0.3
            )
        assert time.monotonic() - began < 2
        for one in full:
            one.close()


def test_a_failure_tells_neither_query_nor_body_nor_header(
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
def test_a_secret_in_a_path_is_told_by_nothing(
    http: ProviderHttpClient, url: str, address: str
) -> None:
    with provider_http.record_exchanges() as exchanges:
        http.request("GET", url + "/bot-secret/getMe", hidden="-secret")
        with pytest.raises(ConnectFailed) as problem:
            http.request("GET", address, hidden="-secret")
    assert "secret" not in str(problem.value) + repr(exchanges)
    assert exchanges[0].url.endswith("/bot•••/getMe")
    assert Page.seen[-1][1] == "/bot-secret/getMe"


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────
PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.0.1",
    "198.18.0.1",
    "240.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12::1",
    "ff02::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::10.0.0.1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:0:0:0:0:80ff:fffe",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_seen_through(address: str) -> None:
    assert not provider_http.is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "54.172.60.0",
        "2600:1f18::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::",
    ],
)
def test_a_public_address_is_public(address: str) -> None:
    assert provider_http.is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0x7f.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "0",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "[fe80::1]",
    ],
)
def test_a_private_address_is_refused_however_it_is_written(port: int, host: str) -> None:
    Page.seen = []
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", f"https://{host}:{port}/", connect=1)
    with pytest.raises(ConnectFailed):
        ProviderHttpClient(allow=[f"elsewhere:{port}"]).request(
            "GET", f"http://{host}:{port}/", connect=1
        )
    assert Page.seen == []


def test_a_public_name_that_leads_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
    )
    with pytest.raises(AddressNotAllowed, match="HUB_HTTP_ALLOW"):
        ProviderHttpClient().request("GET", f"https://api.twilio.example:{port}/")


Told = list[tuple[str, int]]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Return where connections are tried; none comes about."""
    found: Told = []

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        found.append(address[:2])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return found


def resolves(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Let a name lead to these addresses, one answer after the other and the last for ever; return
    who asked.
    """
    asked: list[str] = []

    def look_up(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        addresses = answers[min(len(asked), len(answers)) - 1]
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, port),
            )
            for one in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_that_is_bound_anew_meanwhile_is_asked_for_once_and_that_answer_counts(
    monkeypatch: pytest.MonkeyPatch, tried: Told
) -> None:
    asked = resolves(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", "https://rebinding.example/")
    assert (asked, tried) == (["rebinding.example"], [("93.184.216.34", 443)])
    with pytest.raises(AddressNotAllowed):
        ProviderHttpClient().request("GET", "https://rebinding.example/")
    assert len(tried) == 1


def test_of_the_addresses_of_a_name_only_public_ones_are_tried(
    monkeypatch: pytest.MonkeyPatch, tried: Told
) -> None:
    resolves(
        monkeypatch,
        [
            "10.0.0.1",
            "93.184.216.34",
            "::1",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "2606:2800:220:1::1",
        ],
    )
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", "https://mixed.example/")
    assert tried == [("93.184.216.34", 443), ("2606:2800:220:1::1", 443)]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com@127.0.0.1/",
        "https://hooks.slack.com:443@[::1]/",
        "https://127.0.0.1#@hooks.slack.com/",
        "https://127。0。0。1/",
        "https://①②⑦.0.0.1/",
        "https://[::ffff:7f00:1]/",
        "https://127.0.0.1\\@hooks.slack.com/",
        "https://hooks.slack.com\t.127.0.0.1/",
        "https://metadata.google.internal./",
    ],
)
def test_no_way_of_writing_an_address_gets_past(tried: Told, url: str) -> None:
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", url)
    assert tried == []


def test_the_environments_proxies_are_not_taken(
    monkeypatch: pytest.MonkeyPatch, http: ProviderHttpClient, url: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert http.request("GET", f"{url}/").status == 200


@pytest.mark.parametrize("written", ["127.0.0.1:{port}", "localhost:{port}"])
def test_only_the_very_address_that_is_allowed_is_reached(port: int, written: str) -> None:
    entry = written.format(port=port)
    assert ProviderHttpClient(allow=[entry]).request("GET", f"http://{entry}/").status == 200
    other = "localhost" if "127" in written else "127.0.0.1"
    with pytest.raises(AddressNotAllowed):
        ProviderHttpClient(allow=[entry]).request("GET", f"http://{other}:{port}/")
    with pytest.raises(AddressNotAllowed):
        ProviderHttpClient(allow=[entry[:-1]]).request("GET", f"http://{entry}/")


def test_an_allowed_address_may_be_written_without_its_usual_port() -> None:
    with pytest.raises(ConnectFailed) as problem:
        ProviderHttpClient(allow=["nobody.invalid:80"]).request("GET", "http://nobody.invalid/")
    assert not isinstance(problem.value, AddressNotAllowed)


def test_without_encryption_nobody_is_reached_who_is_not_allowed() -> None:
    with pytest.raises(AddressNotAllowed, match=r"HUB_HTTP_ALLOW") as problem:
        ProviderHttpClient().request("GET", "http://api.twilio.com/")
    assert "api.twilio.com:80" in str(problem.value)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "file:///etc/passwd", "gopher://x", "//example.com", "https://", "x"],
)
def test_what_is_no_web_address_is_not_sent(url: str) -> None:
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", url)


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate that nobody has signed, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Callable[..., int]]:
    """Give a function that serves over TLS and returns the port."""
    running = []

    def start(adapt: Callable[[ssl.SSLContext], None] = lambda context: None) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        adapt(context)
        running.append(manager := serving(context))
        return manager.__enter__()

    yield start
    for manager in running:
        manager.__exit__(None, None, None)


def test_a_certificate_that_nobody_signed_is_refused(secure: Callable[..., int]) -> None:
    Page.seen = []
    number = secure()
    with pytest.raises(ConnectFailed, match="certificate is not trusted"):
        ProviderHttpClient(allow=[f"127.0.0.1:{number}"]).request(
            "POST", f"https://127.0.0.1:{number}/", body=b"data"
        )
    assert Page.seen == []


def test_certificates_of_ones_own_are_trusted_when_told(
    secure: Callable[..., int], certificate: Path
) -> None:
    number = secure()
    own = ProviderHttpClient(
        allow=[f"127.0.0.1:{number}", f"localhost:{number}"], ca_file=str(certificate)
    )
    assert own.request("GET", f"https://127.0.0.1:{number}/").status == 200
    with pytest.raises(ConnectFailed, match="certificate is not trusted"):
        own.request("GET", f"https://localhost:{number}/")  # the certificate is for another name


def test_old_tls_is_refused(secure: Callable[..., int], certificate: Path) -> None:
    def only_old(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")

    number = secure(only_old)
    with pytest.raises(ConnectFailed, match="TLS"):
        ProviderHttpClient(allow=[f"127.0.0.1:{number}"], ca_file=str(certificate)).request(
            "GET", f"https://127.0.0.1:{number}/"
        )


def test_tls_1_2_is_enough(secure: Callable[..., int], certificate: Path) -> None:
    def only_1_2(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    number = secure(only_1_2)
    http = ProviderHttpClient(allow=[f"127.0.0.1:{number}"], ca_file=str(certificate))
    assert http.request("GET", f"https://127.0.0.1:{number}/").status == 200


def test_a_plain_server_behind_https_means_not_sent(port: int) -> None:
    Page.seen = []
    with pytest.raises(ConnectFailed):
        ProviderHttpClient(allow=[f"127.0.0.1:{port}"]).request(
            "POST", f"https://127.0.0.1:{port}/", body=b"data", read=1
        )
    assert Page.seen == []
