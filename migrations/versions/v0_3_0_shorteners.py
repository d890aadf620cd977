"""Add to links the service that is to shorten them further."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_shorteners"
down_revision = "0.3.0_short_links"
branch_labels = None
depends_on = None

INDEX = "ix_links_shortener"
IS_WAITING = sa.text("shortener <> ''")


def upgrade() -> None:
    op.add_column("links", sa.Column("shortener", sa.String(), nullable=False, server_default=""))
    op.create_index(
        INDEX, "links", ["shortener", "id"], sqlite_where=IS_WAITING, postgresql_where=IS_WAITING
    )


def downgrade() -> None:
    op.drop_index(INDEX, "links")
    op.drop_column("links", "shortener")
