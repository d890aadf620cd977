"""Requests reach public addresses only, however an address is written."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from hub.lib.provider_http import AddressNotAllowed, ConnectFailed, ProviderHttpClient
from hub.lib.public_addresses import is_public
from tests.lib.provider_pages import Page
from tests.lib.provider_pages import http as http
from tests.lib.provider_pages import port as port
from tests.lib.provider_pages import url as url

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
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "168.63.129.16",
    "192.0.0.192",  # metadata of Oracle's cloud
    "::ffff:192.0.0.192",
    "::ffff:168.63.129.16",
    "64:ff9b::168.63.129.16",
    "2002:a83f:8110::",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:0:0:0:0:80ff:fffe",
    "2001:db8::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_address_is_recognized_in_any_notation(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "168.63.129.15",
        "54.172.60.0",
        "2600:1f18::1",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2002:808:808::",
    ],
)
def test_public_address_is_recognized(address: str) -> None:
    assert is_public(address)


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
def test_private_address_is_refused_in_any_notation(port: int, host: str) -> None:
    Page.requests = []
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", f"https://{host}:{port}/", connect=1)
    with pytest.raises(ConnectFailed):
        ProviderHttpClient(allow=[f"elsewhere:{port}"]).request(
            "GET", f"http://{host}:{port}/", connect=1
        )
    assert Page.requests == []


def test_public_name_that_resolves_to_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))],
    )
    with pytest.raises(AddressNotAllowed, match="HUB_HTTP_ALLOW"):
        ProviderHttpClient().request("GET", f"https://api.twilio.example:{port}/")


Addresses = list[tuple[str, int]]


@pytest.fixture
def connect_attempts(monkeypatch: pytest.MonkeyPatch) -> Addresses:
    """Return the addresses of attempted connections, all of which are refused."""
    addresses: Addresses = []

    def connect(self: socket.socket, address: tuple[str, int]) -> None:
        addresses.append(address[:2])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return addresses


def set_dns_answers(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Resolve every name to these addresses, one answer after another; return the queried names."""
    queried: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        queried.append(host)
        addresses = answers[min(len(queried), len(answers)) - 1]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return queried


def test_connection_uses_the_checked_dns_answer(
    monkeypatch: pytest.MonkeyPatch, connect_attempts: Addresses
) -> None:
    lookups = set_dns_answers(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", "https://rebinding.example/")
    assert (lookups, connect_attempts) == (["rebinding.example"], [("93.184.216.34", 443)])
    with pytest.raises(AddressNotAllowed):
        ProviderHttpClient().request("GET", "https://rebinding.example/")
    assert len(connect_attempts) == 1


def test_only_public_addresses_of_a_name_are_tried(
    monkeypatch: pytest.MonkeyPatch, connect_attempts: Addresses
) -> None:
    set_dns_answers(
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
    assert connect_attempts == [("93.184.216.34", 443), ("2606:2800:220:1::1", 443)]


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
def test_private_url_is_refused_in_any_notation(connect_attempts: Addresses, url: str) -> None:
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", url)
    assert connect_attempts == []


def test_proxies_of_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, http: ProviderHttpClient, url: str
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert http.request("GET", f"{url}/").status == 200


@pytest.mark.parametrize("written", ["127.0.0.1:{port}", "localhost:{port}"])
def test_allowed_address_applies_to_its_port_only(port: int, written: str) -> None:
    entry = written.format(port=port)
    assert ProviderHttpClient(allow=[entry]).request("GET", f"http://{entry}/").status == 200
    other = "localhost" if "127" in written else "127.0.0.1"
    with pytest.raises(AddressNotAllowed):
        ProviderHttpClient(allow=[entry]).request("GET", f"http://{other}:{port}/")
    with pytest.raises(AddressNotAllowed):
        ProviderHttpClient(allow=[entry[:-1]]).request("GET", f"http://{entry}/")


def test_allowed_address_may_omit_the_default_port() -> None:
    with pytest.raises(ConnectFailed) as problem:
        ProviderHttpClient(allow=["nobody.invalid:80"]).request("GET", "http://nobody.invalid/")
    assert not isinstance(problem.value, AddressNotAllowed)


def test_plain_http_address_must_be_allowed() -> None:
    with pytest.raises(AddressNotAllowed, match=r"HUB_HTTP_ALLOW") as problem:
        ProviderHttpClient().request("GET", "http://api.twilio.com/")
    assert "api.twilio.com:80" in str(problem.value)


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com/", "file:///etc/passwd", "gopher://x", "//example.com", "https://", "x"],
)
def test_invalid_web_address_is_not_sent(url: str) -> None:
    with pytest.raises(ConnectFailed):
        ProviderHttpClient().request("GET", url)
