"""URLs of endpoints: in any notation, only public addresses of other machines are accepted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from hub.core.errors import Refused
from hub.endpoints.target_urls import check_url
from tests.conftest import config_of
from tests.hub_fixtures import hub_demo as hub_demo

PRIVATE = [
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "localhost",
    "10.0.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0xa9.254.0251.254",
    "100.100.100.200",
    "168.63.129.16",
    "2822734096",  # the same in decimal
    "0250.077.0201.020",  # and in octal
    "192.0.0.192",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a83f:8110]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::8.8.8.8]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fd00:ec2::254]",
]


@pytest.mark.parametrize("host", PRIVATE)
@pytest.mark.parametrize("port", ["", ":8443"])
def test_private_address_is_refused_in_any_notation(hub_demo: Flask, host: str, port: str) -> None:
    with pytest.raises(Refused) as problem:
        check_url(f"https://{host}{port}/hooks")
    assert (problem.value.code, problem.value.field) == ("bad_url", "url")


@pytest.mark.parametrize(
    "url",
    [
        "https://app.invalid\\@127.0.0.1/",
        "https://app.invalid:443@127.0.0.1/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
        "https://app.invalid:0/",
        "https://app.invalid:99999/",
        "https://app.invalid:-1/",
        "https://app.invalid/\r\nHost: x",
        "https://app.invalid/\tx",
        "https://app.invalid/\x00",
        "https:///hooks",
        "https:app.invalid",
        "//app.invalid/",
        "file:///etc/passwd",
        "gopher://app.invalid/",
        "https://app.invalid:25/",
        f"https://app.invalid/{'x' * 2000}",
        "https://[fe80::1%25eth0]/",
    ],
)
def test_url_in_another_form_is_refused(hub_demo: Flask, url: str) -> None:
    with pytest.raises(Refused) as problem:
        check_url(url)
    assert problem.value.field == "url"


@pytest.mark.parametrize(
    "host", ["hub.example", "HUB.example", "hub.example.", "Hub.Example.:8443"]
)
def test_own_address_is_refused_in_any_notation(
    hub_demo: Flask, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    config = replace(config_of(hub_demo), public_url="https://hub.example/path")
    monkeypatch.setitem(hub_demo.extensions, "hub.config", config)
    with pytest.raises(Refused, match="own address"):
        check_url(f"https://{host}/path/api")
