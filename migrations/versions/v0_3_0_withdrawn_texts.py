"""Let admins stop using a text that they added."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_withdrawn_texts"
down_revision = "0.3.0_test_reminders"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("templates", sa.Column("withdrawn_at", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("templates", "withdrawn_at")
