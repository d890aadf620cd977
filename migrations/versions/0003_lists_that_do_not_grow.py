"""indexes of lists and searches; when a connection was called back last"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
FAILED = sa.text("code <> ''")
WRONG = sa.text("error <> ''")


def upgrade() -> None:
    op.add_column("connections", sa.Column("called_at", TIME, nullable=True))
    op.create_index(
        "ix_messages_connection_id_status_id", "messages", ["connection_id", "status", "id"]
    )
    op.create_index("ix_messages_source_id_test_id", "messages", ["source_id", "test", "id"])
    op.create_index(
        "ix_messages_code_id",
        "messages",
        ["code", "id"],
        sqlite_where=FAILED,
        postgresql_where=FAILED,
    )
    op.drop_index("ix_messages_status_id", "messages")
    op.drop_index("ix_messages_provider_id", "messages")
    op.create_index("ix_requests_state_id", "requests", ["state", "id"])
    op.create_index(
        "ix_receipts_error", "receipts", ["id"], sqlite_where=WRONG, postgresql_where=WRONG
    )


def downgrade() -> None:
    op.drop_index("ix_receipts_error", "receipts")
    op.drop_index("ix_requests_state_id", "requests")
    op.create_index("ix_messages_provider_id", "messages", ["provider_id"])
    op.create_index("ix_messages_status_id", "messages", ["status", "id"])
    op.drop_index("ix_messages_code_id", "messages")
    op.drop_index("ix_messages_source_id_test_id", "messages")
    op.drop_index("ix_messages_connection_id_status_id", "messages")
    op.drop_column("connections", "called_at")
