"""Let each source have a language, in which posts to its team are written."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_source_language"
down_revision = "0.3.0_night"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sources", sa.Column("locale", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("sources", "locale")
