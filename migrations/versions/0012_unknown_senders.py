"""messages of unknown senders: no contact stands behind them"""

import sqlalchemy as sa
from alembic import op

import hub.db.types

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("inbound", "conversations"):
        with op.batch_alter_table(name) as table:
            table.alter_column("contact_id", existing_type=hub.db.types.Id("ctc"), nullable=True)


def downgrade() -> None:
    for name in ("conversations", "inbound"):
        rows = sa.table(name, sa.column("contact_id"))
        op.execute(sa.delete(rows).where(rows.c.contact_id.is_(None)))
        with op.batch_alter_table(name) as table:
            table.alter_column("contact_id", existing_type=hub.db.types.Id("ctc"), nullable=False)
