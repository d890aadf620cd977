"""The rail: which pages there are, where the reader is, and what waits behind each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from flask import Flask, current_app, request, url_for


class Place(NamedTuple):
    """One page of the rail; `within` are the endpoints that belong to it, so that the rail shows
    where one is.
    """

    title: str
    icon: str
    endpoint: str
    within: tuple[str, ...] = ()
    gap: bool = False


class Count(NamedTuple):
    """A number beside a place: how many, in words for the hover, and whether it is bad news."""

    number: int
    words: str
    bad: bool = False


class Item(NamedTuple):
    """A place as the template draws it."""

    title: str
    icon: str
    href: str
    here: bool
    gap: bool
    waiting: Count | None


def install(app: Flask, counts: Callable[[], Mapping[str, Count]] = dict) -> None:
    """Give the templates `nav()`; `counts` names what waits by the endpoint of its place, asked
    once a page that has a rail.
    """
    app.jinja_env.globals["nav"] = lambda: rail(counts())


def rail(counts: Mapping[str, Count]) -> list[Item]:
    """List the places that exist in this app, and the simulator where it runs."""
    items = [
        Item(
            place.title,
            place.icon,
            url_for(place.endpoint),
            here(place),
            place.gap,
            counts.get(place.endpoint),
        )
        for place in PLACES
        if place.endpoint in current_app.view_functions
    ]
    config = current_app.extensions["hub.config"]
    if config.demo:
        simulator = f"{config.simulator_url}/"
        items.append(Item("Simulator", "phone", simulator, here=False, gap=False, waiting=None))
    return items


def here(place: Place) -> bool:
    """Tell whether the page being shown belongs to a place."""
    return request.endpoint in (place.endpoint, *place.within)


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
    "send_one",
    "connection_action",
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
    "change_source",
    "api_keys",
    "add_api_key",
    "edit_api_key",
    "revoke_api_key",
    "opt_out_rules",
    "save_opt_out_rules",
)

PLACES = (
    Place("Overview", "compass", "admin.overview"),
    Place(
        "Messages",
        "chat-left-text",
        "admin.messages",
        ("admin.message", "admin.callbacks", "admin.codes"),
    ),
    Place("Requests", "pen", "admin.requests", ("admin.request_page",)),
    Place("Inbox", "inbox", "admin.inbox", ("admin.conversation", "admin.answer")),
    Place(
        "Opt-outs",
        "slash-circle",
        "admin.suppressions",
        ("admin.add_suppression", "admin.remove_opt_out", "admin.import_suppressions"),
    ),
    Place(
        "Integrations",
        "plug",
        "admin.integrations",
        tuple(f"admin.{name}" for name in CONNECTION),
        gap=True,
    ),
    Place(
        "Templates", "file-text", "admin.templates", ("admin.map_template", "admin.unmap_template")
    ),
    Place("Activity", "clock-history", "admin.activity", gap=True),
    Place("Settings", "sliders", "admin.settings", tuple(f"admin.{name}" for name in SETTINGS)),
    Place("Documentation", "book", "admin.docs", gap=True),
    Place("API reference", "code-slash", "api_document.docs"),
)
