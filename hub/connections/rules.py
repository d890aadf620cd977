"""Change the rules of a connection."""

from __future__ import annotations

from dataclasses import fields

from flask import current_app
from sqlalchemy import update

from hub.connections.connection_tests import lock_connection
from hub.core.errors import Refused
from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.db.store import transaction, wake
from hub.db.types import now
from hub.messaging.policy import policy, rules, spending
from hub.messaging.policy.policy import QUIET
from hub.messaging.policy.rules import Rules
from hub.messaging.state.message_batch import messages as message_table
from hub.shared import audit


@transaction
def save(connection_id: str, new_rules: Rules) -> None:
    """Store new rules of a connection, which apply from the next message. Raises Refused with the
    field.
    """
    validated = rules.validate_rules(new_rules)
    connection = lock_connection(connection_id)
    former = policy.get_rules(connection.info)
    if connection.archived_at is not None:
        raise Refused("archived", "This connection is archived and no longer sends messages.")
    if validated.currency != former.currency and spending.read_spending(connection.id, now()).month:
        reason = (
            f"This month's spending is counted in {former.currency}. Change the currency"
            " next month."
        )
        raise Refused("other_currency", reason, field="currency")
    changed = [
        field.name
        for field in fields(Rules)
        if getattr(former, field.name) != getattr(validated, field.name)
    ]
    connection.rules = validated.to_json()
    if validated.quiet != former.quiet:
        _recheck_quiet_hours(connection.id)
    audit.record(
        "connection.rules_changed", connection.id, connection.title, rules=", ".join(changed)
    )
    current_app.extensions.get("hub.cached", {}).pop(("capped",), None)


@transaction
def _recheck_quiet_hours(connection_id: str) -> None:
    """Check messages that wait for quiet hours again now, because the rules may have changed."""
    waiting = (
        message_table.c.connection_id == connection_id,
        message_table.c.status == Status.QUEUED,
        message_table.c.code == QUIET,
    )
    db.session.execute(update(message_table).where(*waiting).values(due_at=now()))
    wake("deliver")
