"""A route is edited by keyboard alone, without JavaScript, in few keystrokes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import State, Tabs

MAX_KEYSTROKES = 60  # a person presses more than one key a second


class Keyboard:
    """The keyboard of a person who sees the page and counts each keystroke."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.keystrokes = 0

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)
        self.keystrokes += 1

    def go_to(self, name: str) -> None:
        """Press Tab until the control with this name has the focus."""
        for _ in range(60):
            if self._focused().startswith(name):
                return
            self.press("Tab")
        raise AssertionError(f"{name} is not reached: {self._focused()} has the focus")

    def choose(self, name: str) -> None:
        """Press the button or link with this name."""
        self.go_to(name)
        with self.page.expect_navigation():
            self.press("Enter")

    def _focused(self) -> str:
        """Return the name of the control with the focus, as a screen reader says it."""
        return str(
            self.page.evaluate(
                """() => {
                    const one = document.activeElement
                    const label = one.labels && one.labels.length ? one.labels[0].textContent : ""
                    const text = one.getAttribute("aria-label") || label || one.textContent
                    return text.replace(/\\s+/g, " ").trim()
                }"""
            )
        )


@pytest.mark.parametrize("javascript", [False, True])
def test_ladder_of_three_steps_is_set_by_keyboard(
    open_page: Tabs, admin: State, javascript: bool
) -> None:
    page = open_page(admin, javascript=javascript)
    page.goto("/routing")
    person = Keyboard(page)
    person.go_to("Skip to main content")
    person.press("Enter")
    person.choose("Opened, The sender:")
    person.choose("Add step")
    person.choose("Add “otherwise”")
    person.choose("Add “otherwise”")
    assert page.get_by_label("Time before step 2", exact=True).input_value() == "30"
    person.choose("Save changes")
    expect(page.get_by_text("Changes saved.")).to_be_visible()
    cell = page.get_by_role("link", name="Opened, The sender:")
    expect(cell).to_contain_text("WhatsApp")
    words = " ".join(cell.inner_text().split())
    assert words.endswith("WhatsApp otherwise after 30 min SMS otherwise after 30 min Email")
    assert person.keystrokes <= MAX_KEYSTROKES, f"{person.keystrokes} keystrokes"
    remove_all(page)


def remove_all(page: Page) -> None:
    """Leave the cell as it was, for the next test."""
    for number in (3, 2, 1):
        page.get_by_role("button", name=f"Remove step {number}").click()
    page.locator(".sp-form-foot").get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Nobody is notified.")).to_be_visible()
