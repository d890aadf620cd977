"""Add the night in which a message waits until the morning, for automatic reminders."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_night"
down_revision = "0.3.0_stopped_routes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("night", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "night")
