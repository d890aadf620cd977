"""Checks of an open page: it fits, follows the color scheme, and is accessible."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from tests.browser.conftest import NARROW, WIDE

SUFFIX = " · Signpost"
RUN_AXE = (Path(__file__).parent / "accessibility.js").read_text()
READ_LAYOUT = """() => {
  const root = document.documentElement;
  const wide = root.clientWidth;
  let overflow = "";
  if (root.scrollWidth > wide) {
    const right = e => e.getBoundingClientRect().right;
    const out = [...document.body.querySelectorAll("*")].filter(e => right(e) > wide + 1);
    const shown = out.slice(-3).map(e => e.outerHTML.slice(0, 120)).join(" | ");
    overflow = `${root.scrollWidth} of ${wide} px: ${shown}`;
  }
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).map(Number);
  return {
    title: document.title,
    headings: document.querySelectorAll("h1").length,
    overflow,
    brightness: (r + g + b) / 765,
  };
}"""


@dataclass(frozen=True)
class Layout:
    """The layout of a page in its window."""

    title: str
    headings: int  # of the first level
    overflow: str  # the elements that extend beyond the right edge
    brightness: float  # of the background, from 0 to 1


def layout_of(page: Page) -> Layout:
    """Return the title, the headings, the overflow and the brightness of the page."""
    return Layout(**page.evaluate(READ_LAYOUT))


def assert_page_is_usable(page: Page, title: str = "", suffix: str = SUFFIX) -> None:
    """Check a page in wide and light, then in narrow and dark."""
    where = f"{page.url} in light, {WIDE['width']} px wide"
    layout = layout_of(page)
    assert (
        layout.title == title
        if title
        else layout.title.endswith(suffix) and len(layout.title) > len(suffix)
    ), f"{where}: the title is {layout.title!r}"
    assert layout.headings == 1, f"{where}: {layout.headings} headings of the first level"
    assert layout.overflow == "", f"{where}: {layout.overflow}"
    assert layout.brightness > 0.8, f"{where}: the brightness is {layout.brightness}"
    problems = accessibility_problems(page)
    assert not problems, "\n".join([where, *problems])
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.emulate_media(color_scheme="dark")
    where = f"{page.url} in dark, {NARROW['width']} px wide"
    layout = layout_of(page)
    assert layout.overflow == "", f"{where}: {layout.overflow}"
    assert layout.brightness < 0.2, f"{where}: the brightness is {layout.brightness}"
    problems = accessibility_problems(page, "color-contrast")
    assert not problems, "\n".join([where, *problems])


def accessibility_problems(page: Page, *rules: str) -> list[str]:
    """Return the serious violations of axe's rules on the page, by default of all rules."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    problems: list[str] = page.evaluate(RUN_AXE, list(rules))
    return problems
