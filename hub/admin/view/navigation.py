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
    other_endpoints: tuple[str, ...] = ()  # endpoints for which this page is marked as current
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
    return request.endpoint in (page.endpoint, *page.other_endpoints)


CONNECTION = (
    "new_connection",
    "add_connection",
    "connection",
    "change_connection",
    "rename_connection",
    "archive_connection",
    "connection_rules",
    "change_connection_rules",
    "retest_connection",
    "enable_connection",
    "disable_connection",
    "send_test_message",
    "connection_action",
    "change_connection_source",
)
WEBHOOKS = (
    "webhook_endpoint",
    "webhook_delivery",
    "webhook_events",
    "new_webhook_endpoint",
    "edit_webhook_endpoint",
    "rotate_webhook_secret",
    "disable_webhook_endpoint",
    "delete_webhook_endpoint",
    "send_test_event",
    "test_endpoint_connection",
    "resend_webhooks",
)
SETTINGS = (
    "account",
    "set_time_zone",
    "users",
    "add_user",
    "deactivate_user",
    "new_password_link",
    "sources",
    "add_source",
    "source",
    "change_connection_source",
    "api_keys",
    "add_api_key",
    "edit_api_key",
    "revoke_api_key",
    "opt_out_rules",
    "save_opt_out_rules",
)

TEXTS = (
    "map_template",
    "unmap_template",
    "text",
    "edit_text",
    "text_version",
    "restore_text",
    "add_text",
    "text_files",
    "preview_text_files",
    "import_text_files",
)
PAGES = (
    NavigationPage("Overview", "compass", "admin.overview"),
    NavigationPage(
        "Messages",
        "chat-left-text",
        "admin.messages",
        ("admin.message", "admin.callbacks", "admin.codes"),
    ),
    NavigationPage(
        "Requests",
        "pen",
        "admin.requests",
        ("admin.request_page", "admin.evidence", "admin.place_hold"),
    ),
    NavigationPage(
        "People",
        "people",
        "admin.people",
        ("admin.contact", "admin.record_consent", "admin.confirm_erasure", "admin.erase_contact"),
    ),
    NavigationPage("Inbox", "inbox", "admin.inbox", ("admin.conversation", "admin.send_reply")),
    NavigationPage(
        "Opt-outs",
        "slash-circle",
        "admin.suppressions",
        ("admin.add_suppression", "admin.remove_opt_out", "admin.import_suppressions"),
    ),
    NavigationPage(
        "Integrations",
        "plug",
        "admin.integrations",
        tuple(f"admin.{name}" for name in CONNECTION),
        has_gap_before=True,
    ),
    NavigationPage(
        "Routing",
        "signpost-split",
        "admin.routing",
        ("admin.route", "admin.change_route", "admin.follow_general_route"),
    ),
    NavigationPage(
        "Templates",
        "file-text",
        "admin.templates",
        tuple(f"admin.{name}" for name in TEXTS),
    ),
    NavigationPage(
        "Webhooks",
        "broadcast",
        "admin.webhook_endpoints",
        tuple(f"admin.{name}" for name in WEBHOOKS),
    ),
    NavigationPage(
        "Handlers", "lightning-charge", "admin.handlers", ("admin.handler", "admin.handler_event")
    ),
    NavigationPage("Activity", "clock-history", "admin.activity", has_gap_before=True),
    NavigationPage(
        "Settings", "sliders", "admin.settings", tuple(f"admin.{name}" for name in SETTINGS)
    ),
    NavigationPage("Documentation", "book", "admin.docs", has_gap_before=True),
    NavigationPage("API reference", "code-slash", "api_document.docs"),
)
