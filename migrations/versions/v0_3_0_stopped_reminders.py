"""Add when a user stopped the messages that ask a signer to sign."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_stopped_reminders"
down_revision = "0.3.0_withdrawals"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("signers", sa.Column("reminders_stopped_at", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("signers", "reminders_stopped_at")
