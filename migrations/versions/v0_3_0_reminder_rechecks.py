"""Store how far the reminders of a source were checked after a change of settings."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_reminder_rechecks"
down_revision = "0.3.0_recorded_prices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sources", sa.Column("reminders_position", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("sources", "reminders_position")
