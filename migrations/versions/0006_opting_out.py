"""messages that go to who wants none; why an address was closed, and opened again"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "messages", sa.Column("exempt", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("inbound", sa.Column("keyword", sa.String(), nullable=False, server_default=""))
    for name in ("why", "lifted_why"):
        op.add_column(
            "suppressions", sa.Column(name, sa.String(), nullable=False, server_default="")
        )


def downgrade() -> None:
    for name in ("lifted_why", "why"):
        op.drop_column("suppressions", name)
    op.drop_column("inbound", "keyword")
    op.drop_column("messages", "exempt")
