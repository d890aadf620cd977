"""Add drafts to templates, and the syntax, author and note of each version."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_texts"
down_revision = "0.3.0_routes"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
EMPTY = sa.text("''")
# the audiences of the texts that 0.2.0 installed
AUDIENCES = {
    "request_sent": "signer",
    "request_signed_others": "others",
    "request_signed_actor": "signer",
    "request_completed": "signer",
    "request_reminder": "signer",
}


def upgrade() -> None:
    for name in ("audience", "draft_subject", "draft_by"):
        op.add_column(
            "templates", sa.Column(name, sa.String(), nullable=False, server_default=EMPTY)
        )
    op.add_column(
        "templates",
        sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column("templates", sa.Column("draft_text", sa.String(), nullable=True))
    op.add_column("templates", sa.Column("draft_at", TIME, nullable=True))
    # versions that exist are in the syntax of 0.2.0
    op.add_column(
        "template_versions",
        sa.Column("syntax", sa.String(), nullable=False, server_default=sa.text("'jinja'")),
    )
    op.add_column(
        "template_versions",
        sa.Column("shipped", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column(
        "template_versions",
        sa.Column("note", sa.String(), nullable=False, server_default=EMPTY),
    )
    op.add_column("template_versions", sa.Column("author_id", ID, nullable=True))
    templates = sa.table("templates", sa.column("name"), sa.column("audience"))
    for name, audience in AUDIENCES.items():
        op.execute(templates.update().where(templates.c.name == name).values(audience=audience))
    op.execute(
        templates.update().where(templates.c.name.startswith("team_")).values(audience="team")
    )


def downgrade() -> None:
    for name in ("author_id", "note", "shipped", "syntax"):
        op.drop_column("template_versions", name)
    for name in ("draft_at", "draft_text", "revision", "draft_by", "draft_subject", "audience"):
        op.drop_column("templates", name)
