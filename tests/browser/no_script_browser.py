"""A browser without JavaScript, and the forms that tests submit in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import State, Tabs
from tests.browser.test_connecting import connect, press
from tests.live_hub import Hub


@dataclass
class NoScriptBrowser:
    """An admin's browser without JavaScript, with steps that several forms share."""

    page: Page
    hub: Hub
    tabs: Tabs
    somebody: Callable[..., State]

    def says(self, text: str) -> None:
        expect(self.page.locator("#main")).to_contain_text(text)

    def connection(self, title: str, *, enabled: bool = False) -> str:
        address = connect(self.page, self.hub, title)
        if enabled:
            press(self.page, "Enable connection")
        return address

    def row(self, text: str) -> Locator:
        return self.page.get_by_role("row").filter(has_text=text)

    def new_user(self, name: str) -> None:
        self.page.goto("/settings/users")
        self.page.get_by_label("Name", exact=True).fill(name)
        self.page.get_by_label("Email").fill(f"{name.replace(' ', '.').lower()}@acme.example")
        press(self.page, "Add user")

    def change(self, name: str, button: str) -> None:
        self.page.goto("/settings/users")
        self.row(name).get_by_text("Change", exact=True).click()
        self.row(name).get_by_role("button", name=button).click()

    def deactivate(self, name: str) -> None:
        self.page.goto("/settings/users")
        self.row(name).get_by_text("Change", exact=True).click()
        self.row(name).get_by_role("link", name="Deactivate").click()
        press(self.page, "Deactivate user")


FORMS: dict[str, Callable[[NoScriptBrowser], None]] = {}


def form(
    view: str,
) -> Callable[[Callable[[NoScriptBrowser], None]], Callable[[NoScriptBrowser], None]]:
    """Declare the view to which a function posts a form."""

    def declare(use: Callable[[NoScriptBrowser], None]) -> Callable[[NoScriptBrowser], None]:
        FORMS[view] = use
        return use

    return declare


@pytest.fixture(scope="module")
def tabs(browser: Browser, hub: Hub, admin: State) -> Iterator[Tabs]:
    tabs = Tabs(browser, hub)
    yield tabs
    tabs.close()


@pytest.fixture(scope="module")
def admin_pages(tabs: Tabs, sign_in_user: Callable[..., State]) -> Iterator[Page]:
    """Alternate between two admins, because one alone would exceed the limit of saves."""
    return cycle([tabs(sign_in_user(), javascript=False), tabs(sign_in_user(), javascript=False)])


@pytest.fixture
def no_script(
    admin_pages: Iterator[Page], tabs: Tabs, hub: Hub, sign_in_user: Callable[..., State]
) -> NoScriptBrowser:
    return NoScriptBrowser(next(admin_pages), hub, tabs, sign_in_user)


def open_newest_conversation(no_script: NoScriptBrowser, text: str) -> None:
    """Receive a text from a phone and open its conversation."""
    no_script.hub.receive_text(no_script.hub.number(), text)
    no_script.page.goto("/inbox")
    no_script.row(text).get_by_role("link").first.click()
