"""Add when the link in a message expires."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_links"
down_revision = "0.3.0_source_language"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("messages", sa.Column("link_expires_at", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "link_expires_at")
