"""Add the kind of endpoints, and the order of deliveries to message brokers."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_brokers"
down_revision = "0.3.0_evidence"
branch_labels = None
depends_on = None

ORDERED = sa.text("order_key IS NOT NULL")


def upgrade() -> None:
    op.add_column(
        "webhook_endpoints",
        sa.Column("kind", sa.String(), nullable=False, server_default="webhook"),
    )
    op.add_column("webhook_deliveries", sa.Column("order_key", sa.String(), nullable=True))
    op.add_column("webhook_deliveries", sa.Column("position", sa.Integer(), nullable=True))
    op.create_index(
        op.f("ix_webhook_deliveries_endpoint_id_order_key_position"),
        "webhook_deliveries",
        ["endpoint_id", "order_key", "position"],
        sqlite_where=ORDERED,
        postgresql_where=ORDERED,
    )


def downgrade() -> None:
    op.drop_index(
        op.f("ix_webhook_deliveries_endpoint_id_order_key_position"), "webhook_deliveries"
    )
    op.drop_column("webhook_deliveries", "position")
    op.drop_column("webhook_deliveries", "order_key")
    op.drop_column("webhook_endpoints", "kind")
