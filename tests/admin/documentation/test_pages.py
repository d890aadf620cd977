"""The documentation pages of a running hub, and their links in the navigation."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hatchling import build

from hub.admin.documentation import rendering
from hub.core.vocabulary import Role
from hub.lib.request_checks import POLICY
from tests.conftest import Browser

ROOT = Path(__file__).resolve().parents[3]
ADDRESSES = [f"/docs/{slug}".rstrip("/") for slug in rendering.pages()]


@pytest.fixture
def viewer(browser_for: Callable[..., Browser]) -> Browser:
    return browser_for(Role.VIEWER)


@pytest.mark.parametrize("address", ["/docs", "/docs/rules", "/docs/images/message-1440.png"])
def test_documentation_requires_sign_in(anonymous: Browser, address: str) -> None:
    answer = anonymous.get(address)
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/sign-in")


def test_every_page_has_one_title_and_the_strict_policy(viewer: Browser) -> None:
    assert len(ADDRESSES) > 70
    for address in ADDRESSES:
        page = viewer.get(address)
        assert page.status_code == 200, address
        assert page.text.count("<h1") == 1, address
        assert page.headers["Content-Security-Policy"] == POLICY
        assert not re.search(r"\sstyle=|<script>|\son\w+=", page.text), address
        assert "<!--" not in page.text


def test_pages_load_everything_from_the_hub(viewer: Browser) -> None:
    for address in ADDRESSES:
        for source in re.findall(r'<img[^>]* src="([^"]+)"', viewer.get(address).text):
            assert viewer.get(source).content_type == "image/png", (address, source)


def test_links_between_pages_and_to_images_work(viewer: Browser) -> None:
    followed: set[str] = set()
    for address in ADDRESSES:
        followed |= set(re.findall(r'href="(/docs[^"#]*)', viewer.get(address).text))
    assert {"/docs/api", "/docs/images/rules-1440.png", "/docs/integration-guide"} <= followed
    assert not [link for link in followed if viewer.get(link).status_code != 200]


def test_cell_of_a_table_names_its_column(viewer: Browser) -> None:
    page = viewer.get("/docs/settings").text
    assert '<td data-label="Default"><div><code>data</code></div></td>' in page
    assert "<td><div></div></td>" in page, "an empty cell needs no name"


def test_link_to_an_unpublished_file_is_shown_as_text(viewer: Browser) -> None:
    page = viewer.get("/docs/benchmarks").text
    assert "<a>benchmarks</a>" in page
    assert "benchmarks/README.md" not in page


@pytest.mark.parametrize(
    "address",
    [
        "/docs/nothing",
        "/docs/images/nothing.png",
        "/docs/..%2f..%2fREADME",
        "/docs/images/..%2fREADME.md",
    ],
)
def test_unknown_page_is_not_found(viewer: Browser, address: str) -> None:
    assert viewer.get(address).status_code == 404


def test_wheel_contains_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build.build_wheel(str(tmp_path))) as wheel:
        packaged = set(wheel.namelist())
    expected = {page.source for page in rendering.pages().values()}
    assert {
        source if source.startswith("hub/") else f"hub/{source}" for source in expected
    } <= packaged
    assert "hub/docs/screenshots/message-1440.png" in packaged


def test_navigation_marks_documentation_as_current(viewer: Browser) -> None:
    assert 'href="/docs" aria-current="page"' in viewer.get("/docs/rules").text


class TestUnderAPathPrefix:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_PUBLIC_URL": "http://127.0.0.1:8000/hub"}

    def test_links_and_images_carry_the_prefix(self, viewer: Browser) -> None:
        page = viewer.get("/docs/rules").text
        assert 'href="/hub/docs/images/rules-1440.png"' in page
        assert 'href="/hub/docs/codes"' in page
