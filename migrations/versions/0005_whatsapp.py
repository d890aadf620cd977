"""conversations, for the inbox; templates that providers approve, and what they stand for"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
UNREAD = sa.text("unread > 0")


def upgrade() -> None:
    op.add_column("attempts", sa.Column("template", sa.String(), nullable=False, server_default=""))
    op.add_column("connections", sa.Column("templates_due_at", TIME, nullable=True))
    op.create_table(
        "conversations",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("last_id", ID, nullable=False),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_conversations_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_conversations_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint(
            "connection_id", "contact_id", name=op.f("uq_conversations_connection_id_contact_id")
        ),
    )
    op.create_index(op.f("ix_conversations_last_id"), "conversations", ["last_id"])
    op.create_index(
        "ix_conversations_unread",
        "conversations",
        ["last_id"],
        sqlite_where=UNREAD,
        postgresql_where=UNREAD,
    )
    op.drop_table("provider_templates")  # nothing was ever written there
    op.create_table(
        "provider_templates",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in (
                "external_id",
                "name",
                "locale",
                "category",
                "kind",
                "state",
                "reason",
                "text",
                "variables",
            )
        ),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_provider_templates_connection_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_templates")),
        sa.UniqueConstraint(
            "connection_id",
            "external_id",
            name=op.f("uq_provider_templates_connection_id_external_id"),
        ),
    )
    op.create_table(
        "template_mappings",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("name", "locale")),
        sa.Column("provider_template_id", ID, nullable=False),
        sa.Column("variables", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_template_mappings_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["provider_template_id"],
            ["provider_templates.id"],
            name=op.f("fk_template_mappings_provider_template_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_template_mappings")),
        sa.UniqueConstraint(
            "connection_id",
            "name",
            "locale",
            name=op.f("uq_template_mappings_connection_id_name_locale"),
        ),
    )
    op.create_table(
        "media_files",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=True),
        sa.Column("test", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("name", "content_type")),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, TIME, nullable=False) for name in ("created_at", "expires_at")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_media_files_source_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_files")),
    )
    op.create_index(op.f("ix_media_files_expires_at"), "media_files", ["expires_at"])


def downgrade() -> None:
    op.drop_table("media_files")
    op.drop_table("template_mappings")
    op.drop_table("provider_templates")
    op.create_table(
        "provider_templates",
        sa.Column("id", ID, nullable=False),
        sa.Column("connection_id", ID, nullable=False),
        sa.Column("template_id", ID, nullable=True),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("external_id", "name", "locale", "category", "state", "variables")
        ),
        sa.Column("synced_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.id"], name=op.f("fk_provider_templates_connection_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("fk_provider_templates_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_templates")),
        sa.UniqueConstraint(
            "connection_id",
            "external_id",
            name=op.f("uq_provider_templates_connection_id_external_id"),
        ),
    )
    op.drop_table("conversations")
    op.drop_column("connections", "templates_due_at")
    op.drop_column("attempts", "template")
