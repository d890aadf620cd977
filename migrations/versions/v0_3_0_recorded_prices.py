"""Store the currency of reported prices, and find the newest of them by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_recorded_prices"
down_revision = "0.3.0_brokers"
branch_labels = None
depends_on = None

PRICED = sa.text("price IS NOT NULL")


def upgrade() -> None:
    op.add_column("messages", sa.Column("price_currency", sa.String(), nullable=True))
    op.create_index(
        "ix_messages_priced",
        "messages",
        ["connection_id", "id"],
        sqlite_where=PRICED,
        postgresql_where=PRICED,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_priced", "messages")
    op.drop_column("messages", "price_currency")
