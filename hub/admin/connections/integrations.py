"""Integrations: a card each, with what it is and how its connections are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import redirect, render_template, request, url_for

from hub import integrations as registry
from hub.admin.auth.guard import admin, may, needs
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
    """One integration: the state is that of its connection which needs the reader most."""

    integration: type[Integration]
    state: str | None
    why: tuple[str, str] | None
    connections: list[tuple[Connection, str]]  # each with its state
    note: str
    href: str
    button: str
    other_href: str

    @property
    def filter(self) -> str:
        return "none" if self.state is None else SHOWN_UNDER.get(self.state, self.state)


@admin.get("/integrations")
@needs(Role.VIEWER)
def integrations() -> Any:
    """Show every integration there is."""
    wanted = request.args.get("state", "")
    by_name: dict[str, list[Connection]] = {}
    standing = connections.all_connections()
    health_notice = connection_health.health_of(standing)
    for connection in standing:
        by_name.setdefault(connection.integration, []).append(connection)
    cards = [
        _card(cls, by_name.get(name, []), health_notice)
        for name, cls in registry.registry().items()
    ]
    order = (*WORST_FIRST, None)
    cards.sort(key=lambda card: order.index(card.state) if card.state in order else len(order))
    filters = [
        {
            "title": title,
            "href": url_for("admin.integrations", state=state or None),
            "here": wanted == state,
            "count": sum(not state or card.filter == state for card in cards),
        }
        for state, title in FILTERS
    ]
    return render_template(
        "integrations.html",
        cards=[card for card in cards if wanted in ("", card.filter)],
        filters=filters,
        missing=[one for one in standing if one.integration not in registry.registry()],
    )


@admin.get("/integrations/<name>")
@needs(Role.VIEWER)
def integration(name: str) -> Any:
    """Lead to an integration's connection, to the list where there are several, or to setting one
    up.
    """
    cls = registry.get(name)
    return redirect(_leads_to(cls, connections.all_connections(cls.name)), 303)


def _rank(state: str) -> int:
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)


def _card(
    cls: type[Integration], mine: list[Connection], health_notice: Mapping[str, HealthNotice]
) -> Card:
    states = {
        one.id: health_notice[one.id].kind if one.id in health_notice else one.state for one in mine
    }
    worst = min(mine, key=lambda one: _rank(states[one.id]), default=None)
    state = states[worst.id] if worst else None
    why = None
    if worst and state == BROKEN:
        why = _why(worst)
    elif worst and worst.id in health_notice:
        why = "warn", health_notice[worst.id].text
    note = plural(len(mine), "connection") if len(mine) > 1 else ""
    if worst and len(mine) == 1 and state == DISABLED:
        note = f"disabled {datetimes.ago(worst.state_at)}"
    can_add = mine and may(Role.ADMIN)
    return Card(
        integration=cls,
        state=state,
        why=why,
        connections=[(one, states[one.id]) for one in mine],
        note=note,
        href=url_for("admin.connection", slug=worst.slug) if worst else _leads_to(cls, mine),
        button=_button(state),
        other_href=url_for("admin.new_connection", name=cls.name) if can_add else "",
    )


def _button(state: str | None) -> str:
    """Return the label of a card's button; `state` is None where nothing is set up."""
    if not may(Role.ADMIN):
        return "Open"
    if state is None:
        return "Set up"
    return "Fix connection" if state == BROKEN else "Open"


def _why(connection: Connection) -> tuple[str, str]:
    count = connections.count_waiting(connection.id)
    told = f"Since {datetimes.exact(connection.state_at)}: {connection.state_reason}"
    return "bad", f"{told} {waits(count)}".strip()


def waits(count: int) -> str:
    """Say how many messages wait, and for what."""
    if not count:
        return ""
    told = plural(count, "message is waiting and is", "messages are waiting and are")
    return f"{told} sent once the test passes."


def _leads_to(cls: type[Integration], mine: list[Connection]) -> str:
    if len(mine) == 1:
        return url_for("admin.connection", slug=mine[0].slug)
    return url_for("admin.integrations") if mine else url_for("admin.new_connection", name=cls.name)
