"""The page of a short link that opens nothing fits a phone and is accessible."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.browser.conftest import NARROW
from tests.browser.page_checks import accessibility_problems, layout_of
from tests.live_hub import Hub


def test_page_of_short_links_fits_and_is_accessible(browser: Browser, hub: Hub) -> None:
    # a window without the checks of `Tabs`, because the page has a stricter policy
    page = browser.new_page(base_url=hub.url, viewport=NARROW)  # type: ignore[arg-type]
    for color_scheme in ("light", "dark"):
        page.emulate_media(color_scheme=color_scheme)  # type: ignore[arg-type]
        answer = page.goto("/l/nothing")
        assert answer
        assert answer.status == 404
        layout = layout_of(page)
        assert layout.headings == 1, color_scheme
        assert layout.overflow == "", color_scheme
        assert accessibility_problems(page) == [], color_scheme
    page.close()
