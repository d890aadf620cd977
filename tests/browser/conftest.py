"""Fixtures of a real browser and a running hub, with checks on every page."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    Request,
    Response,
    expect,
    sync_playwright,
)

from hub.core.vocabulary import Role
from tests.browser.handler_code import write_handlers
from tests.conftest import PASSWORD
from tests.live_hub import Hub, live_hub

HERE = Path(__file__).parent
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
# what a page may load, and that nothing may be written inline
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}
# an email in a frame has its own styles, and runs and loads nothing
FRAMED_EMAILS = (
    {
        "sandbox",
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "frame-ancestors 'self'",
    },
    {  # the simulator's, whose links open
        "sandbox allow-popups",
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "frame-ancestors 'self'",
    },
)
ASSETS = ("script", "stylesheet", "font", "image")
# a refusal by the hub that the browser itself logs
NOTED = re.compile(r"^Failed to load resource: the server responded with a status of 4\d\d")

State = dict[str, Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests in this folder, so that a run can leave them out."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("browser")


# ── Once for all ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Return the path of Chromium: CHROMIUM if `make test` sets it, otherwise from bin/chromium."""
    path = os.environ.get("CHROMIUM")
    reason = ""
    if path is None:
        result = subprocess.run(
            [HERE.parent.parent / "bin" / "chromium"], capture_output=True, text=True, check=False
        )
        path = result.stdout.strip()
        reason = result.stderr.strip()
    if path:
        return path
    reason = (
        reason
        or "No Chromium was found for the browser tests. Install one, or name it: "
        "CHROMIUM=/path/to/chrome make test"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def playwright(chromium_path: str) -> Iterator[Playwright]:
    expect.set_options(timeout=10_000)
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright, chromium_path: str) -> Iterator[Browser]:
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium's sandbox refuses to be root
    started = playwright.chromium.launch(
        executable_path=chromium_path, args=[*sandbox, "--disable-dev-shm-usage"]
    )
    yield started
    started.close()


@pytest.fixture(scope="session")
def hub(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """Run a whole hub in its own folder: web server, workers, cron, queue server and simulator."""
    folder = tmp_path_factory.mktemp("hub")
    with live_hub(folder, handlers=write_handlers(folder)) as started:
        yield started


@pytest.fixture(scope="session")
def admin(browser: Browser, hub: Hub) -> State:
    """Set up the first admin through the printed link and return the cookies of the browser."""
    return become_first_admin(browser, hub)


def become_first_admin(browser: Browser, hub: Hub) -> State:
    # the first page, too, works bare
    context = browser.new_context(base_url=hub.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(hub.first_admin_link)
    page.get_by_label("Your name").fill("Dana Whitfield")
    page.get_by_label("Email").fill("dana@acme.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account and sign in").click()
    expect(page.get_by_role("navigation", name="Main")).to_contain_text("Overview")
    state: State = dict(context.storage_state())
    context.close()
    return state


# ── For each test ─────────────────────────────────────────────────────────────────────────────────
@dataclass
class Tabs:
    """Browser windows of one sign-in, which record every problem of their pages."""

    browser: Browser
    hub: Hub
    problems: list[str] = field(default_factory=list)
    opened: list[BrowserContext] = field(default_factory=list)

    def __call__(
        self, state: State | None = None, *, javascript: bool = True, size: dict[str, int] = WIDE
    ) -> Page:
        """Open a window with these cookies."""
        context = self.browser.new_context(
            base_url=self.hub.url,
            storage_state=state,
            java_script_enabled=javascript,
            viewport=size,  # type: ignore[arg-type]
            reduced_motion="reduce",  # colors that fade are measured half-way
        )
        self.opened.append(context)
        watch(context, self.hub, self.problems)
        return context.new_page()

    def close(self) -> None:
        for context in self.opened:
            context.close()
        assert not self.problems, "\n".join(self.problems)


@pytest.fixture
def open_page(browser: Browser, hub: Hub) -> Iterator[Tabs]:
    """Return a function that opens windows, and fail the test on any problem of their pages."""
    tabs = Tabs(browser, hub)
    yield tabs
    tabs.close()


def watch(context: BrowserContext, hub: Hub, problems: list[str]) -> None:
    """Record each problem of the pages of a browser context."""

    def on_response(response: Response) -> None:
        if response.request.resource_type == "document" and response.url.startswith(hub.url):
            problems.extend(header_problems(response))
        if response.request.resource_type in ASSETS and response.status >= 400:
            problems.append(f"{response.url}: answered {response.status}")

    def on_failure(request: Request) -> None:
        # one that the page was left before it came is no fault
        if request.resource_type in ASSETS and "ERR_ABORTED" not in (request.failure or ""):
            problems.append(f"{request.url}: {request.failure}")

    context.on(
        "console",
        lambda message: (
            problems.append(f"{message.page.url if message.page else ''}: {message.text}")
            if message.type == "error" and not NOTED.match(message.text)
            else None
        ),
    )
    context.on("weberror", lambda error: problems.append(f"script: {error.error}"))
    context.on("requestfailed", on_failure)
    context.on("response", on_response)


def header_problems(response: Response) -> list[str]:
    """Return the missing or weak security headers of a page."""
    if 300 <= response.status < 400:
        return []
    problems = [f"{response.url}: answered {response.status}"] if response.status >= 500 else []
    policy = {
        part.strip() for part in response.headers.get("content-security-policy", "").split(";")
    }
    loose = [part for part in policy if "unsafe" in part or "*" in part or "http" in part]
    if (not policy >= POLICY or loose) and policy not in FRAMED_EMAILS:
        problems.append(f"{response.url}: content-security-policy is {'; '.join(sorted(policy))!r}")
    if response.headers.get("x-content-type-options") != "nosniff":
        problems.append(f"{response.url}: x-content-type-options is missing")
    return problems


@pytest.fixture
def admin_page(open_page: Tabs, admin: State) -> Page:
    """Return a page signed in as the first admin."""
    return open_page(admin)


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def javascript(request: pytest.FixtureRequest) -> bool:
    """Return whether the browser runs JavaScript: the test runs both ways."""
    return bool(request.param)


@pytest.fixture(scope="session")
def sign_in_user(playwright: Playwright, hub: Hub, admin: State) -> Callable[..., State]:
    """Return a function that adds a user with a role and returns the cookies of their sign-in."""

    def add(role: Role = Role.ADMIN, name: str = "") -> State:
        name = name or f"Some {role.title} {next(hub.numbers)}"
        email = f"{name.lower().replace(' ', '.')}@acme.example"
        boss = playwright.request.new_context(base_url=hub.url, storage_state=admin)
        fields = {"name": name, "email": email, "role": str(role.value)}
        page = boss.post(
            "/settings/users",
            form={**fields, "csrf_token": token_in(boss.get("/settings/users").text())},
        ).text()
        link = re.search(r"http://[^<\s]+/password/[\w-]+", page)
        assert link, page
        boss.dispose()
        newcomer = playwright.request.new_context(base_url=hub.url)
        token = token_in(newcomer.get(link[0]).text())
        assert newcomer.post(link[0], form={"password": PASSWORD, "csrf_token": token}).ok
        state: State = dict(newcomer.storage_state())
        newcomer.dispose()
        return state

    return add


def token_in(html: str) -> str:
    """Return the CSRF token of a page with a form."""
    match = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert match, "this page has no form"
    return match[1]
