"""Add to links the message that they are in, when they ended, and how often people opened them.

Version 0.2.0 has the table, and stores nothing in it.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_short_links"
down_revision = "0.3.0_handlers"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
FOREIGN_KEY = "fk_links_message_id"
INDEX = "ix_links_message_id"
HAS_MESSAGE = sa.text("message_id IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("links") as links:
        links.add_column(sa.Column("message_id", ID, nullable=True))
        links.add_column(sa.Column("ended_at", TIME, nullable=True))
        links.add_column(sa.Column("opens", sa.Integer(), nullable=False, server_default="0"))
        links.add_column(sa.Column("last_opened_at", TIME, nullable=True))
        links.create_foreign_key(FOREIGN_KEY, "messages", ["message_id"], ["id"])
    op.create_index(
        INDEX, "links", ["message_id"], sqlite_where=HAS_MESSAGE, postgresql_where=HAS_MESSAGE
    )


def downgrade() -> None:
    op.drop_index(INDEX, "links")
    with op.batch_alter_table("links") as links:
        links.drop_constraint(FOREIGN_KEY, type_="foreignkey")
        for name in ("message_id", "ended_at", "opens", "last_opened_at"):
            links.drop_column(name)
