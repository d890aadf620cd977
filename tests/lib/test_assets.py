"""Style sheets, scripts and icons: their addresses, caching and compression."""

from __future__ import annotations

import ast
import gzip
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import brotli
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import hub
from hub.admin.view import status_badges
from hub.lib import assets
from tests.conftest import Browser, token_in

PACKAGE = Path(hub.__file__).parent
TEMPLATES = sorted((PACKAGE / "templates").rglob("*.html"))
STYLESHEETS = sorted((PACKAGE / "static").glob("*.css"))
SYMBOL = re.compile(r'<symbol viewBox="0 0 16 16" id="([a-z0-9-]+)">')


def asset_urls(page: TestResponse) -> list[str]:
    """Return the addresses of the style sheets, scripts and icons of a page."""
    matches = re.findall(r'(?:<link[^>]+href|<script[^>]+src)="([^"#]+)', page.text)
    assert matches
    return matches


@pytest.fixture
def stylesheet_url(client: FlaskClient) -> str:
    """Return the address of the style sheet of the sign-in page."""
    return next(url for url in asset_urls(client.get("/sign-in")) if url.endswith(".css"))


def test_assets_are_cached_for_a_year(client: FlaskClient) -> None:
    page = client.get("/sign-in")
    for address in [*asset_urls(page), *re.findall(r'<use href="([^"#]+)#', page.text)]:
        answer = client.get(address)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_asset_of_another_version_is_served_without_long_caching(
    client: FlaskClient, stylesheet_url: str
) -> None:
    other_url = re.sub(r"/static/\w+/", "/static/0123456789abcdef/", stylesheet_url)
    answer = client.get(other_url)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, no-cache"
    response = client.get(other_url, headers={"If-None-Match": answer.headers["ETag"]})
    assert response.status_code == 304
    assert not response.data


@pytest.mark.parametrize("encoding", ["br", "gzip", ""])
def test_asset_is_compressed_as_the_client_accepts(
    client: FlaskClient, stylesheet_url: str, encoding: str
) -> None:
    answer = client.get(stylesheet_url, headers={"Accept-Encoding": encoding})
    read: dict[str, Callable[[bytes], bytes]] = {"br": brotli.decompress, "gzip": gzip.decompress}
    assert answer.headers.get("Content-Encoding", "") == encoding
    assert b".sp-rail" in read.get(encoding, bytes)(answer.data)
    assert "Accept-Encoding" in answer.headers["Vary"]
    response = client.get(
        stylesheet_url,
        headers={"Accept-Encoding": encoding, "If-None-Match": answer.headers["ETag"]},
    )
    assert response.status_code == 304


def test_asset_has_the_security_headers_of_a_page(client: FlaskClient, stylesheet_url: str) -> None:
    page = client.get("/sign-in")
    answer = client.get(stylesheet_url)
    for name in (
        "Content-Security-Policy",
        "X-Content-Type-Options",
        "Referrer-Policy",
        "Cross-Origin-Opener-Policy",
        "Permissions-Policy",
    ):
        assert answer.headers[name] == page.headers[name]


def test_asset_sets_no_cookie(client: FlaskClient, stylesheet_url: str) -> None:
    answer = client.get(stylesheet_url)
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers["Vary"]


def test_asset_is_refused_for_another_host(client: FlaskClient, stylesheet_url: str) -> None:
    assert client.get(stylesheet_url, headers={"Host": "attacker.example"}).status_code == 400


@pytest.mark.parametrize(
    "name", ["nothing.css", "base.css", "../assets.py", "..%2fassets.py", "js", ""]
)
def test_only_assets_of_pages_are_served(
    client: FlaskClient, stylesheet_url: str, name: str
) -> None:
    assert client.get(stylesheet_url.replace("signpost.css", name)).status_code == 404


class TestUnderAPathPrefix:
    """With a path in HUB_PUBLIC_URL, files are served below that path."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_PUBLIC_URL": "http://127.0.0.1:8765/hub"}

    def test_assets_are_below_the_prefix(self, app: Flask, client: FlaskClient) -> None:
        page = client.get("/sign-in")
        for address in asset_urls(page):
            assert address.startswith("/hub/static/")
            answer = app.test_client().get(address, base_url="http://127.0.0.1:8765")
            assert answer.status_code == 200


def used_icons() -> Iterator[str]:
    """Yield the icons that templates and scripts name, and the values of `icon` in Python."""
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        for call in re.findall(r"bootstrap_icon\((.*?)\) ?\}\}|picture=('[a-z0-9-]*')", text):
            yield from re.findall(r"'([a-z0-9-]+)'", "".join(call))
        for table in re.findall(r"\{% set (?:tone_icons|marks) = (\{.*?\}) %\}", text):
            yield from ast.literal_eval(table).values()
    for path in (PACKAGE / "admin").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                values = [
                    value
                    for key, value in pairs
                    if isinstance(key, ast.Constant) and key.value == "icon"
                ]
                yield from (str(value.value) for value in values if isinstance(value, ast.Constant))
    for looks_of_states in (
        status_badges.MESSAGES,
        status_badges.CONNECTIONS,
        status_badges.REQUESTS,
        status_badges.SIGNERS,
    ):
        yield from (badge.icon for badge in looks_of_states.values())


def test_every_used_icon_is_listed() -> None:
    used = set(used_icons()) - {"", "signpost"}  # signpost.svg is a separate file
    assert len(used) > 40
    assert used <= set(assets.ICONS)


def test_every_listed_icon_is_used() -> None:
    sources = [*TEMPLATES, *(PACKAGE / "static" / "js").glob("*.js")]
    sources += [path for room in ("admin", "simulator") for path in (PACKAGE / room).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unused = {name for name in assets.ICONS if not re.search(rf"""['"#]{name}['"]""", text)}
    assert not unused


def test_sprite_holds_exactly_the_listed_icons(client: FlaskClient) -> None:
    page = client.get("/sign-in")
    address = re.search(r'<link[^>]+href="([^"]+/)signpost.css"', page.text)
    assert address
    sprite = client.get(f"{address[1]}icons.svg").text
    assert SYMBOL.findall(sprite) == sorted(assets.ICONS)


def test_unlisted_icon_is_refused_by_name(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(KeyError, match="fake_chat"):
        assets.bootstrap_icon("fake_chat")


def test_no_template_uses_the_icon_font() -> None:
    assert not [path.name for path in TEMPLATES if "bi bi-" in path.read_text(encoding="utf-8")]


# ── Compressed pages ──────────────────────────────────────────────────────────────────────────────
OWN = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": "same-origin"}


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_requested_page_is_compressed(admin: Browser, site: str) -> None:
    answer = admin.get("/messages?q=word", headers={**OWN, "Sec-Fetch-Site": site})
    assert answer.headers["Content-Encoding"] == "gzip"
    assert 'value="word"' in gzip.decompress(answer.data).decode()
    assert {"Accept-Encoding", "Sec-Fetch-Site", "Cookie"} <= set(answer.vary)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "other"])
@pytest.mark.parametrize("path", ["/messages?q=word", "/sign-in", "/nothing-here"])
def test_page_requested_by_another_site_is_not_compressed(
    admin: Browser, site: str, path: str
) -> None:
    headers = {**OWN, "Accept-Encoding": "br, gzip", "Sec-Fetch-Site": site}
    answer = admin.get(path, headers=headers if site else {"Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in answer.headers


def test_compressed_pages_have_random_lengths(admin: Browser) -> None:
    paddings = {len(admin.get("/codes", headers=OWN).headers["X-Padding"]) for _ in range(30)}
    assert len(paddings) > 5


def test_csrf_token_is_signed_again_every_second(admin: Browser) -> None:
    signatures = set()
    for second in range(2):
        with time_machine.travel(datetime.now(UTC) + timedelta(seconds=second), tick=False):
            signatures.add(token_in(admin.get("/account")).rpartition(".")[2])
    assert len(signatures) == 2


def test_api_is_not_compressed(client: FlaskClient) -> None:
    answer = client.get("/api/v1/messages", headers=OWN)
    assert "Content-Encoding" not in answer.headers
    assert "X-Padding" not in answer.headers


def test_api_reference_is_compressed_for_everyone(client: FlaskClient) -> None:
    answer = client.get("/api/docs", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"


# ── Style sheets ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("path", STYLESHEETS, ids=lambda path: path.name)
def test_style_sheets_have_one_declaration_a_line(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    crowded = [line for line in text.splitlines() if re.search(r"[;{}]\s*\S", line)]
    assert not crowded
    assert max(map(len, text.splitlines())) <= 100


def used_classes() -> set[str]:
    """Return the `sp-` classes in templates and code, including names built from two parts."""
    files = [*TEMPLATES, *(PACKAGE / "static" / "js").glob("*.js")]
    files += [path for room in ("admin", "simulator") for path in (PACKAGE / room).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    class_names = set(re.findall(r"\bsp-[a-z0-9-]*[a-z0-9]\b(?!-)", text))
    begins = set(re.findall(r"\b(sp-(?:[a-z0-9]+-)*)(?:\{\{|['\"] ?~)", text))
    suffixes = set(re.findall(r"['\"]([a-z-]+)['\"]", text))
    return class_names | {begin + suffix for begin in begins for suffix in suffixes}


def test_every_class_of_a_style_sheet_is_used() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in STYLESHEETS)
    rules = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    unused = set(re.findall(r"\.(sp-[a-z0-9-]+)", rules)) - used_classes()
    assert not unused


def test_unused_class_is_detected() -> None:
    assert "sp-rail" in used_classes()
    assert not {"sp-toast", "sp-rai", "sp-filters-label"} & used_classes()
