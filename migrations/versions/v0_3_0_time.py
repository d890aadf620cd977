"""Add scheduled events and the settings of automatic reminders."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_time"
down_revision = "0.3.0_search"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def upgrade() -> None:
    for name in ("due_at", "planned_at", "canceled_at"):
        op.add_column("events", sa.Column(name, TIME, nullable=True))
    op.create_index(
        op.f("ix_events_due_at"),
        "events",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.add_column("requests", sa.Column("reminders", sa.String(), nullable=True))
    op.add_column("signers", sa.Column("reminders_handled_at", TIME, nullable=True))
    op.add_column(
        "sources", sa.Column("reminded_by", sa.String(), nullable=False, server_default="hub")
    )
    op.add_column("sources", sa.Column("reminders_since", TIME, nullable=True))
    op.add_column("sources", sa.Column("reminders", sa.String(), nullable=True))
    op.add_column("sources", sa.Column("time_zone", sa.String(), nullable=False, server_default=""))
    _switch_reminders_on()


def _switch_reminders_on() -> None:
    """Count the reminders of open requests from now on, except those of apps that remind."""
    bind = op.get_bind()
    current_time = datetime.now(UTC)
    if bind.dialect.name == "sqlite":
        current_time = (current_time - EPOCH) // timedelta(microseconds=1)
    # reminders of users have no ID in an app; those of test keys say nothing about live requests
    bind.execute(
        sa.text(
            "UPDATE sources SET reminded_by = 'app' WHERE id IN (SELECT events.source_id"
            " FROM events JOIN requests ON requests.id = events.request_id"
            " WHERE events.type = 'request.reminder' AND events.external_id <> ''"
            " AND NOT requests.test)"
        )
    )
    bind.execute(sa.text("UPDATE sources SET reminders_since = :now"), {"now": current_time})
    bind.execute(
        sa.text(
            "UPDATE signers SET remind_at = :now WHERE state IN ('pending', 'viewed')"
            " AND request_id IN (SELECT id FROM requests WHERE state = 'open')"
        ),
        {"now": current_time},
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_events_due_at"), "events")
    for name in ("due_at", "planned_at", "canceled_at"):
        op.drop_column("events", name)
    op.drop_column("requests", "reminders")
    op.drop_column("signers", "reminders_handled_at")
    for name in ("reminded_by", "reminders_since", "reminders", "time_zone"):
        op.drop_column("sources", name)
