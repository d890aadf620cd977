"""Add the time of the SMS that told a contact how to opt out."""

import sqlalchemy as sa
from alembic import op

revision = "0.3.0_opt_out_line"
down_revision = "0.3.0_people"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("contacts", sa.Column("opt_out_line_at", TIME, nullable=True))


def downgrade() -> None:
    op.drop_column("contacts", "opt_out_line_at")
