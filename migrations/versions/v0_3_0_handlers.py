"""Let handlers receive events: endpoints of no source, and whether an event is a test."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_handlers"
down_revision = "0.3.0_signing_apps"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")


def upgrade() -> None:
    op.add_column("platform_events", sa.Column("test", sa.Boolean(), nullable=True))
    with op.batch_alter_table("webhook_endpoints") as table:
        table.alter_column("source_id", existing_type=ID, nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM webhook_endpoints WHERE source_id IS NULL")
    with op.batch_alter_table("webhook_endpoints") as table:
        table.alter_column("source_id", existing_type=ID, nullable=False)
    op.drop_column("platform_events", "test")
