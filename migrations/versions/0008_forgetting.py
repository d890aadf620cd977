"""removing messages and contacts without looking through whole tables for each: what refers to one
is indexed
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TOLD = sa.text("edits_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "ix_messages_edits_id", "messages", ["edits_id"], sqlite_where=TOLD, postgresql_where=TOLD
    )
    op.create_index("ix_suppressions_address_key", "suppressions", ["address_key"])
    for table in ("windows", "paces", "conversations"):
        op.create_index(f"ix_{table}_contact_id", table, ["contact_id"])
    op.create_index("ix_suppressions_message_id", "suppressions", ["message_id"])


def downgrade() -> None:
    op.drop_index("ix_suppressions_message_id", "suppressions")
    for table in ("conversations", "paces", "windows"):
        op.drop_index(f"ix_{table}_contact_id", table)
    op.drop_index("ix_suppressions_address_key", "suppressions")
    op.drop_index("ix_messages_edits_id", "messages")
