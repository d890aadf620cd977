"""Build the main navigation: its pages, the current page, and their counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flask import Flask, current_app, request, url_for


class NavigationPage(NamedTuple):
    """One page of the navigation."""

    title: str
    icon: str
    endpoint: str
    paths: tuple[str, ...]  # the first parts of the paths for which it is marked as current
    has_gap_before: bool = False


class NavigationCount(NamedTuple):
    """The count of a page in the navigation."""

    number: int
    description: str  # for the tooltip and screen readers
    is_problem: bool = False


class NavigationItem(NamedTuple):
    """A page of the navigation as the template shows it."""

    title: str
    icon: str
    href: str
    is_current: bool
    has_gap_before: bool
    counter: NavigationCount | None


def install(app: Flask, counts: Callable[[], Mapping[str, NavigationCount]] = dict) -> None:
    """Add `nav()` to the templates.

    `counts`: returns the counts by endpoint, and is called once for each page with a navigation.
    """
    app.jinja_env.globals["nav"] = lambda: build_navigation(counts())


def build_navigation(counts: Mapping[str, NavigationCount]) -> list[NavigationItem]:
    """Return the pages that exist in this application, and the simulator in a demo."""
    items = [
        NavigationItem(
            page.title,
            page.icon,
            url_for(page.endpoint),
            is_current(page),
            page.has_gap_before,
            counts.get(page.endpoint),
        )
        for page in PAGES
        if page.endpoint in current_app.view_functions
    ]
    config = current_app.extensions["hub.config"]
    if config.demo:
        simulator = f"{config.simulator_url}/"
        items.append(
            NavigationItem(
                "Simulator",
                "phone",
                simulator,
                is_current=False,
                has_gap_before=False,
                counter=None,
            )
        )
    return items


def is_current(page: NavigationPage) -> bool:
    """Return whether the current page belongs to a page of the navigation."""
    rule = request.url_rule
    return rule is not None and rule.rule.split("/")[1] in page.paths


PAGES = (
    NavigationPage("Overview", "compass", "admin.overview", ("",)),
    NavigationPage(
        "Messages", "chat-left-text", "admin.messages", ("messages", "receipts", "codes")
    ),
    NavigationPage("Requests", "pen", "admin.requests", ("requests",)),
    NavigationPage("People", "people", "admin.people", ("people", "contacts")),
    NavigationPage("Inbox", "inbox", "admin.inbox", ("inbox",)),
    NavigationPage("Opt-outs", "slash-circle", "admin.suppressions", ("opt-outs",)),
    NavigationPage(
        "Integrations",
        "plug",
        "admin.integrations",
        ("integrations", "connections"),
        has_gap_before=True,
    ),
    NavigationPage("Routing", "signpost-split", "admin.routing", ("routing",)),
    NavigationPage("Templates", "file-text", "admin.templates", ("templates",)),
    NavigationPage(
        "Webhooks",
        "broadcast",
        "admin.webhook_endpoints",
        ("webhook-endpoints", "webhook-events"),
    ),
    NavigationPage("Handlers", "lightning-charge", "admin.handlers", ("handlers",)),
    NavigationPage(
        "Activity", "clock-history", "admin.activity", ("activity",), has_gap_before=True
    ),
    NavigationPage("Settings", "sliders", "admin.settings", ("settings", "account")),
    NavigationPage("Documentation", "book", "admin.docs", ("docs",), has_gap_before=True),
    NavigationPage("API reference", "code-slash", "api_document.docs", ("api",)),
)
