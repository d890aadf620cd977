"""Signing in and out in a browser."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import State, Tabs
from tests.conftest import PASSWORD
from tests.live_hub import Hub


def sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_setup_link_is_void_after_the_first_admin(open_page: Tabs, hub: Hub, admin: State) -> None:
    page = open_page()
    page.goto(hub.first_admin_link)
    expect(page.get_by_role("heading", name="This link is no longer valid")).to_be_visible()
    page.get_by_role("link", name="Sign in").click()
    expect(page).to_have_url(f"{hub.url}/sign-in")


def test_sign_in_opens_the_requested_page_and_sign_out_closes_it(
    open_page: Tabs, hub: Hub, admin: State, javascript: bool
) -> None:
    page = open_page(javascript=javascript)
    page.goto("/messages?show=lost")
    sign_in(page, "dana@acme.example")
    expect(page).to_have_url(f"{hub.url}/messages?show=lost")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto("/messages")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_wrong_password_shows_the_remaining_attempts(
    open_page: Tabs, hub: Hub, admin: State
) -> None:
    page = open_page()
    page.goto("/sign-in")
    for hint in ("do not match", "3 attempts", "2 attempts", "1 attempt"):
        sign_in(page, "nobody@acme.example", "not the password")
        expect(page.get_by_role("alert")).to_contain_text(
            "The email address and password do not match."
        )
        expect(page.get_by_role("alert")).to_contain_text(hint)
    expect(page.get_by_label("Email")).to_have_value("nobody@acme.example")


def test_form_sent_after_signing_out_elsewhere_leads_back_to_its_page(
    open_page: Tabs, sign_in_user: Callable[..., State]
) -> None:
    state = sign_in_user()
    page = open_page(state)
    elsewhere = open_page(state)
    page.goto("/settings/api-keys")
    elsewhere.goto("/")
    elsewhere.get_by_role("button", name="Sign out").click()
    expect(elsewhere.get_by_text("You are signed out.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Contracts")
    page.get_by_role("button", name="Create API key").click()
    expect(page.get_by_text("You are signed out. Sign in and try again.")).to_be_visible()
