"""posts to a place where a team reads, buttons that act once, reminders that are put off, and chats
that people linked
"""

import sqlalchemy as sa
from alembic import op

import hub.db.types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

THREADED = sa.text("thread <> ''")
CARRIED = sa.text("event_id IS NOT NULL")
USED = sa.text("used_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("connections", sa.Column("place", sa.String(), nullable=False, server_default=""))
    op.add_column("requests", sa.Column("url", sa.LargeBinary(), nullable=True))
    op.add_column("signers", sa.Column("snoozed_until", hub.db.types.Time(), nullable=True))
    with op.batch_alter_table("actions") as table:
        table.add_column(sa.Column("connection_id", hub.db.types.Id("con"), nullable=True))
        table.add_column(sa.Column("event_id", hub.db.types.Id("evt"), nullable=True))
        table.add_column(sa.Column("used_by", sa.String(), nullable=False, server_default=""))
        table.add_column(sa.Column("outcome", sa.String(), nullable=False, server_default=""))
        table.create_foreign_key(
            "fk_actions_connection_id_connections", "connections", ["connection_id"], ["id"]
        )
        table.create_foreign_key("fk_actions_event_id_events", "events", ["event_id"], ["id"])
        table.create_index(
            "ix_actions_event_id", ["event_id"], sqlite_where=CARRIED, postgresql_where=CARRIED
        )
        table.create_index(
            "ix_actions_used", ["subject", "used_at"], sqlite_where=USED, postgresql_where=USED
        )
    op.create_table(
        "chats",
        sa.Column("connection_id", hub.db.types.Id("con"), nullable=False),
        sa.Column("source_id", hub.db.types.Id("src"), nullable=False),
        sa.Column("address_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("contact_id", hub.db.types.Id("ctc"), nullable=False),
        sa.Column("linked_at", hub.db.types.Time(), nullable=False),
        sa.Column("receipt_id", hub.db.types.Id("rcp"), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_chats_connection_id_connections")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_chats_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_chats_source_id_sources")
        ),
        sa.PrimaryKeyConstraint("connection_id", "source_id", "address_key", name=op.f("pk_chats")),
    )
    op.create_index(op.f("ix_chats_contact_id"), "chats", ["contact_id"])
    op.create_index(
        "ix_messages_thread",
        "messages",
        ["connection_id", "thread", "id"],
        sqlite_where=THREADED,
        postgresql_where=THREADED,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_thread", "messages")
    op.drop_table("chats")
    with op.batch_alter_table("actions") as table:
        table.drop_index("ix_actions_used")
        table.drop_index("ix_actions_event_id")
        for name in ("event_id", "connection_id", "used_by", "outcome"):
            table.drop_column(name)
    op.drop_column("signers", "snoozed_until")
    op.drop_column("requests", "url")
    op.drop_column("connections", "place")
