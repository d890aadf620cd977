"""The checks of pages find each kind of fault, in any of many elements that look alike."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import WIDE
from tests.browser.page_checks import accessibility_problems, assert_page_is_usable

ROWS = 12
STYLES = """
    body { background: #fff }
    @media (prefers-color-scheme: dark) { body { background: #111; color: #eee } }
    li { height: 2rem }
    .clipped { position: absolute; width: 1px; height: 1px; clip-path: inset(50%) }
    .clipped { overflow: hidden }
"""
COVER = (
    '<div style="position: absolute; z-index: -1; width: 20rem; height: 2rem; background: #555">'
    "</div>"
)
# rows whose text has a low contrast
LOW_CONTRAST = {
    "color": '<li style="color: #aaa">Late</li>',
    "background": '<li><span style="background: #555">Late</span></li>',
    "background of another element": f"<li>{COVER}<span>Late</span></li>",
    "text beside its background": (
        '<li style="background: #000; width: 9rem"><span style="position: relative; left: 12rem;'
        ' color: #ddd">Late</span></li>'
    ),
    "opacity of an element around it": '<li style="opacity: 0.3"><b>Late</b></li>',
}


def list_page(*rows: str, styles: str = "") -> str:
    """Return a page with these rows among many that look alike."""
    plain = [f"<li><span>Row {number}</span> <b>On time</b></li>" for number in range(ROWS)]
    items = "".join([*plain[: ROWS // 2], *rows, *plain[ROWS // 2 :]])
    return (
        f'<!doctype html><html lang="en"><head><title>List · Signpost</title><style>{STYLES}'
        f"{styles}</style></head><body><main><h1>List</h1><ul>{items}</ul></main></body></html>"
    )


def reported(browser: Browser, html: str) -> str:
    """Return what the checks report of a page, or '' if it is usable."""
    page = browser.new_page(viewport=WIDE)  # type: ignore[arg-type]
    page.set_content(html)
    try:
        assert_page_is_usable(page)
    except AssertionError as error:
        return str(error)
    finally:
        page.close()
    return ""


def test_page_without_a_fault_is_usable(browser: Browser) -> None:
    assert reported(browser, list_page()) == ""


@pytest.mark.parametrize("fault", LOW_CONTRAST)
def test_low_contrast_of_one_row_is_found(browser: Browser, fault: str) -> None:
    report = reported(browser, list_page(LOW_CONTRAST[fault]))
    assert "in light, 1440 px wide" in report
    assert "color-contrast" in report
    assert "Late" in report


def test_low_contrast_of_alike_rows_is_reported_once(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(list_page(styles="li b { color: #aaa }"))
    [problem] = accessibility_problems(page, "color-contrast")
    page.close()
    assert f"and {ROWS - 1} that look alike <b>On time</b>" in problem


def test_low_contrast_is_found_although_the_first_of_its_look_is_hidden(browser: Browser) -> None:
    rows = ['<li style="color: #aaa"><i>Late</i></li>'] * 3
    clipped = '<div class="clipped"><ul><li style="color: #aaa"><i>Late</i></li></ul></div>'
    report = reported(browser, list_page(clipped, *rows))
    assert "color-contrast" in report


def test_low_contrast_in_dark_is_found(browser: Browser) -> None:
    styles = "@media (prefers-color-scheme: dark) { b { color: #444 } }"
    report = reported(browser, list_page(styles=styles))
    assert "in dark, 390 px wide" in report
    assert "color-contrast" in report


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("<li><input></li>", "label"),
        ("<li><button></button></li>", "button-name"),
        ('<li><img src="data:,"></li>', "image-alt"),
        ('<li style="width: 500px">Wide</li>', "in dark, 390 px wide"),
        ("<li><h1>Second</h1></li>", "in light, 1440 px wide"),
    ],
)
def test_other_faults_are_found(browser: Browser, row: str, fault: str) -> None:
    assert fault in reported(browser, list_page(row))
