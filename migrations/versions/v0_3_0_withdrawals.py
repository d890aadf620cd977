"""Add the stopped messages that their provider is to cancel."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_withdrawals"
down_revision = "0.3.0_shorteners"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("message_id", ID, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_withdrawals")),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_withdrawals_message_id")
        ),
    )
    op.create_index(op.f("ix_withdrawals_due_at"), "withdrawals", ["due_at"])


def downgrade() -> None:
    op.drop_table("withdrawals")
