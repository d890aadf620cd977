"""Changing what a connection may send."""

from __future__ import annotations

from dataclasses import fields

from flask import current_app

from hub import audit
from hub.accounts.checks import locked
from hub.messaging import policy, rules
from hub.messaging.rules import Rules
from hub.store import transaction


@transaction
def save(connection_id: str, wanted: Rules) -> None:
    """Keep other rules for a connection, from the next message on. Raises Refused that names the field."""
    fresh, connection = rules.checked(wanted), locked(connection_id)
    before = policy.rules_of(connection)
    changed = [one.name for one in fields(Rules) if getattr(before, one.name) != getattr(fresh, one.name)]
    connection.rules = fresh.stored()
    audit.record("connection.rules_changed", connection.id, connection.title, rules=", ".join(changed))
    current_app.extensions.get("hub.remembered", {}).pop(("capped",), None)
