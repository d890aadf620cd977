"""Changing what a connection may send."""

from __future__ import annotations

from dataclasses import fields

from flask import current_app

from hub.connections.connection_tests import lock_connection
from hub.core.errors import Refused
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import outbox
from hub.messaging.policy import policy, rules, spending
from hub.messaging.policy.rules import Rules
from hub.shared import audit


@transaction
def save(connection_id: str, wanted: Rules) -> None:
    """Keep other rules for a connection, from the next message on.

    Raises Refused that names the field.
    """
    fresh = rules.validate_rules(wanted)
    connection = lock_connection(connection_id)
    before = policy.rules_of(connection.info)
    if connection.archived_at is not None:
        raise Refused("archived", "This connection is archived and no longer sends messages.")
    if fresh.currency != before.currency and spending.spending_of(connection.id, now()).month:
        why = (
            f"This month's spending is counted in {before.currency}. Change the currency"
            " next month."
        )
        raise Refused("other_currency", why, field="currency")
    changed = [
        one.name for one in fields(Rules) if getattr(before, one.name) != getattr(fresh, one.name)
    ]
    connection.rules = fresh.to_json()
    if fresh.quiet != before.quiet:
        outbox.recheck_quiet_hours(connection.id)
    audit.record(
        "connection.rules_changed", connection.id, connection.title, rules=", ".join(changed)
    )
    current_app.extensions.get("hub.remembered", {}).pop(("capped",), None)
