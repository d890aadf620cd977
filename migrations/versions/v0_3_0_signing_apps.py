"""Let signing apps report events: their source, and webhooks that are completed by calls."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_signing_apps"
down_revision = "0.3.0_reminder_rechecks"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
SOURCE = "fk_connections_source_id"
WAITING = sa.text("fetch_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("provider_callbacks", sa.Column("fetch_at", TIME, nullable=True))
    op.create_index(
        "ix_provider_callbacks_fetch_at",
        "provider_callbacks",
        ["fetch_at"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    with op.batch_alter_table("connections") as connections:
        connections.add_column(sa.Column("source_id", ID, nullable=True))
        connections.create_foreign_key(SOURCE, "sources", ["source_id"], ["id"])


def downgrade() -> None:
    with op.batch_alter_table("connections") as connections:
        connections.drop_constraint(SOURCE, type_="foreignkey")
        connections.drop_column("source_id")
    op.drop_index("ix_provider_callbacks_fetch_at", "provider_callbacks")
    op.drop_column("provider_callbacks", "fetch_at")
