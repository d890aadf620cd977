"""Add when the fallbacks of a version of a route were stopped."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_stopped_routes"
down_revision = "0.3.0_withdrawn_texts"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("routes", sa.Column("stopped_at", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("routes", "stopped_at")
