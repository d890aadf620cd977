"""rows that cannot be read, and why: set aside so that they hold back no other"""

import sqlalchemy as sa
from alembic import op

import hub.db.types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "set_aside",
        sa.Column("id", hub.db.types.Id("sas"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("row", sa.String(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("since", hub.db.types.Time(), nullable=False),
        sa.Column("next_at", hub.db.types.Time(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_set_aside")),
        sa.UniqueConstraint("kind", "row", name=op.f("uq_set_aside_kind_row")),
    )


def downgrade() -> None:
    op.drop_table("set_aside")
