"""what a connection may send: its rules, what messages cost, and which were sent by hand"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("rules", sa.String(), nullable=False, server_default=""))
    op.add_column(
        "messages", sa.Column("by_hand", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("messages", sa.Column("estimate", sa.Numeric(12, 5), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "estimate")
    op.drop_column("messages", "by_hand")
    op.drop_column("connections", "rules")
