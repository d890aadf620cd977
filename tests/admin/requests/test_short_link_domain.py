"""Codes of short links, their own domain, and the domains of public shorteners."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from hub.core.setting_parsers import parse_link_url
from hub.lib import redaction, short_codes
from hub.lib.public_shorteners import find_public_shorteners
from tests.admin.requests.test_short_links import post, text_of, visit
from tests.hub_fixtures import hub_demo as hub_demo

OTHER_PATHS = ("/", "/sign-in", "/healthz", "/readyz", "/api/v1/openapi.json", "/l", "/metrics")


def test_codes_are_uniform_and_have_more_than_64_bits() -> None:
    codes = [short_codes.new_code() for _ in range(20_000)]
    assert len(set(codes)) == len(codes)
    assert len(short_codes.ALPHABET) ** short_codes.LENGTH >= 2**64
    for position in range(short_codes.LENGTH):
        counts = Counter(code[position] for code in codes)
        assert set(counts) == set(short_codes.ALPHABET)
        expected = len(codes) / len(short_codes.ALPHABET)
        # chi-squared with 61 degrees of freedom exceeds 140 once in ten million positions
        assert sum((count - expected) ** 2 / expected for count in counts.values()) < 140


@given(code=st.text(short_codes.ALPHABET, min_size=11, max_size=11), rest=st.text(max_size=20))
def test_log_contains_no_code(code: str, rest: str) -> None:
    entry = {"event": f"GET https://hub.example.com/l/{code} {rest}", "path": f"/l/{code}?x={rest}"}
    masked = redaction.mask_log_event(None, "", entry)
    assert f"/l/{code}" not in str(masked["event"])
    assert f"/l/{code}" not in str(masked["path"])


class TestOwnDomain:
    """A hub with a domain for its short links."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_LINK_URL": "https://go.example.com"}

    def test_links_begin_with_it_and_only_they_are_served(self, hub_demo: Flask) -> None:
        answer = post()
        text = text_of(answer["messages"][0]["id"])
        found = re.search(r"https://go\.example\.com(/l/[0-9A-Za-z]{11})", text)
        assert found
        assert visit(hub_demo, found[1], Host="go.example.com").status_code == 302
        assert visit(hub_demo, found[1]).status_code == 302
        assert visit(hub_demo, "/l/x", Host="go.example.com").status_code == 404
        for path in (
            "/",
            "/sign-in",
            "/healthz",
            "/readyz",
            "/api/v1/openapi.json",
            "/l",
            "/metrics",
        ):
            response = visit(hub_demo, path, Host="go.example.com")
            assert response.status_code == 404
            assert "127.0.0.1" not in response.text
        webhook = visit(
            hub_demo, "/api/rpc/webhooks/twilio/sms", method="POST", Host="go.example.com"
        )
        assert webhook.status_code == 404
        assert visit(hub_demo, found[1], Host="evil.example").status_code == 404


@pytest.mark.parametrize("url", ["https://go.example.com/s", "http://go.example.com", "go.example"])
def test_domain_with_a_path_or_without_https_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"use|plain"):
        parse_link_url(url)


@pytest.mark.parametrize("text", ["Sign: bit.ly/x", "https://www.tinyurl.com/a", "(T.CO/y)"])
def test_public_shortener_is_found(text: str) -> None:
    assert len(find_public_shorteners(text)) == 1


@pytest.mark.parametrize("text", ["rabbit.ly", "https://bit.lyon.fr", "me@t.co", "t.com"])
def test_other_domain_is_no_public_shortener(text: str) -> None:
    assert find_public_shorteners(text) == []
