"""Add the goal and the timer of messages that a fallback may follow."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_fallback_timers"
down_revision = "0.3.0_time"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
TIMED = sa.text("escalate_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("messages", sa.Column("fallback_goal", sa.String(), nullable=True))
    op.add_column("messages", sa.Column("fallback_minutes", sa.Integer(), nullable=True))
    op.add_column("messages", sa.Column("asked_at", TIME, nullable=True))
    op.create_index(
        op.f("ix_messages_escalate_at"),
        "messages",
        ["escalate_at"],
        sqlite_where=TIMED,
        postgresql_where=TIMED,
    )
    op.create_index(
        "ix_messages_timed_changed_at",
        "messages",
        ["changed_at"],
        sqlite_where=TIMED,
        postgresql_where=TIMED,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_timed_changed_at", "messages")
    op.drop_index(op.f("ix_messages_escalate_at"), "messages")
    for name in ("asked_at", "fallback_minutes", "fallback_goal"):
        op.drop_column("messages", name)
