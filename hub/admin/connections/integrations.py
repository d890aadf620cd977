"""Show the integrations, with a card for each that shows the status of its connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, request, url_for

from hub import integrations as registry
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.connections import connection_health
from hub.admin.connections.connection_health import HealthNotice
from hub.admin.view import datetimes
from hub.admin.view.filters import plural
from hub.connections import connections
from hub.core.vocabulary import ConnectionState, Role
from hub.integrations.base import Integration
from hub.messaging.send.provider_health import SLOWED, UNREACHABLE
from hub.models import Connection

BROKEN = ConnectionState.BROKEN.value
ENABLED = ConnectionState.ENABLED.value
NEW = ConnectionState.NEW.value
DISABLED = ConnectionState.DISABLED.value
WORST_FIRST = (BROKEN, UNREACHABLE, SLOWED, ENABLED, NEW, DISABLED)
SHOWN_UNDER = {UNREACHABLE: BROKEN, SLOWED: ENABLED, NEW: DISABLED}
FILTERS = (
    ("", "All"),
    (BROKEN, "Needs attention"),
    (ENABLED, "Enabled"),
    (DISABLED, "Disabled"),
    ("none", "Not set up"),
)


@dataclass(frozen=True)
class Card:
    """One integration, with the state of its connection that most needs attention."""

    integration: type[Integration]
    state: str | None  # None: not set up
    problem: tuple[str, str] | None  # its tone and text
    connections: list[tuple[Connection, str]]  # each with its state
    note: str
    href: str
    button: str
    other_href: str

    @property
    def filter(self) -> str:
        return "none" if self.state is None else SHOWN_UNDER.get(self.state, self.state)


@admin.get("/integrations")
@require_role(Role.VIEWER)
def integrations() -> Any:
    """Show all integrations."""
    chosen_state = request.args.get("state", "")
    by_name: dict[str, list[Connection]] = {}
    all_connections = connections.list_connections()
    notices = connection_health.describe_health(all_connections)
    for connection in all_connections:
        by_name.setdefault(connection.integration, []).append(connection)
    cards = [
        _card(integration_class, by_name.get(name, []), notices)
        for name, integration_class in registry.registry().items()
    ]
    order = (*WORST_FIRST, None)
    cards.sort(key=lambda card: order.index(card.state) if card.state in order else len(order))
    filters = [
        {
            "title": title,
            "href": url_for("admin.integrations", state=state or None),
            "here": chosen_state == state,
            "count": sum(not state or card.filter == state for card in cards),
        }
        for state, title in FILTERS
    ]
    return render_template(
        "integrations.html",
        groups=_groups([card for card in cards if chosen_state in ("", card.filter)]),
        filters=filters,
        missing=[
            connection
            for connection in all_connections
            if connection.integration not in registry.registry()
        ],
    )


@admin.get("/integrations/<name>")
@require_role(Role.VIEWER)
def integration(name: str) -> Any:
    """Redirect to an integration's only connection, the list of several, or a new one's form."""
    integration_class = registry.get(name)
    return redirect(
        _href(integration_class, connections.list_connections(integration_class.name)), 303
    )


def _groups(cards: list[Card]) -> list[tuple[str, list[Card]]]:
    """Return the cards that send messages, then those of signing apps under their heading."""
    channels = [card for card in cards if not card.integration.is_source]
    signing_apps = [card for card in cards if card.integration.is_source]
    return [group for group in (("", channels), ("Signing apps", signing_apps)) if group[1]]


def _rank(state: str) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)


def _card(
    integration_class: type[Integration], own: list[Connection], notices: Mapping[str, HealthNotice]
) -> Card:
    states = {
        connection.id: (
            notices[connection.id].kind if connection.id in notices else connection.state
        )
        for connection in own
    }
    worst = min(own, key=lambda connection: _rank(states[connection.id]), default=None)
    state = states[worst.id] if worst else None
    problem = None
    if worst and state == BROKEN:
        problem = _problem(worst)
    elif worst and worst.id in notices:
        problem = "warn", notices[worst.id].text
    note = plural(len(own), "connection") if len(own) > 1 else ""
    if worst and len(own) == 1 and state == DISABLED:
        note = f"disabled {datetimes.format_relative(worst.state_at)}"
    can_add = own and has_role(Role.ADMIN)
    return Card(
        integration=integration_class,
        state=state,
        problem=problem,
        connections=[(connection, states[connection.id]) for connection in own],
        note=note,
        href=url_for("admin.connection", slug=worst.slug)
        if worst
        else _href(integration_class, own),
        button=_button(state),
        other_href=url_for("admin.new_connection", name=integration_class.name) if can_add else "",
    )


def _button(state: str | None) -> str:
    """Return the label of a card's button; `state` is None for an integration not set up."""
    is_admin = has_role(Role.ADMIN)
    if state is None:
        return "Set up" if is_admin else "View integration"
    return "Fix connection" if state == BROKEN and is_admin else "View connection"


def _problem(connection: Connection) -> tuple[str, str]:
    count = connections.count_waiting(connection.id)
    reason = f"Since {datetimes.format_datetime(connection.state_at)}: {connection.state_reason}"
    return "bad", f"{reason} {waiting_text(count)}".strip()


def waiting_text(count: int) -> str:
    """Return a sentence about the messages that wait for a broken connection, or '' if there is
    none.
    """
    if not count:
        return ""
    messages = plural(count, "message is waiting and is", "messages are waiting and are")
    return f"{messages} sent once the test passes."


def _href(integration_class: type[Integration], own: list[Connection]) -> str:
    if len(own) == 1:
        return url_for("admin.connection", slug=own[0].slug)
    return (
        url_for("admin.integrations")
        if own
        else url_for("admin.new_connection", name=integration_class.name)
    )
