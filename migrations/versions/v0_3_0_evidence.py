"""Add the evidence of requests, legal holds, and the keys that sign evidence."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_evidence"
down_revision = "0.3.0_links"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
PERSON_COLUMNS = ("contact_id", "address_key", "other_key")


def upgrade() -> None:
    for table in ("messages", "inbound_messages"):
        op.add_column(table, sa.Column("content_salt", sa.LargeBinary(16), nullable=True))
        op.add_column(table, sa.Column("content_hash", sa.LargeBinary(32), nullable=True))
    op.create_table(
        "evidence_rows",
        sa.Column("id", ID, nullable=False),
        sa.Column("request_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("contact_id", ID, nullable=True),
        sa.Column("address_key", sa.LargeBinary(32), nullable=True),
        sa.Column("other_key", sa.LargeBinary(32), nullable=True),
        sa.Column("last_at", TIME, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("values", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_rows")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_evidence_rows_request_id")
        ),
        sa.UniqueConstraint(
            "request_id", "number", name=op.f("uq_evidence_rows_request_id_number")
        ),
    )
    for column in PERSON_COLUMNS:
        op.create_index(
            op.f(f"ix_evidence_rows_{column}"),
            "evidence_rows",
            [column],
            sqlite_where=sa.text(f"{column} IS NOT NULL"),
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_table(
        "evidence_holds",
        sa.Column("request_id", ID, nullable=False),
        sa.Column("placed_at", TIME, nullable=False),
        sa.Column("placed_by", sa.String(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_evidence_holds")),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name=op.f("fk_evidence_holds_request_id")
        ),
    )
    op.create_table(
        "evidence_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("public", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("retired_at", TIME, nullable=True),
        sa.Column("compromised", sa.Boolean(), nullable=False),
        sa.Column("succession", sa.String(), nullable=False),
        sa.Column("private", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence_keys")),
    )


def downgrade() -> None:
    for table in ("evidence_keys", "evidence_holds", "evidence_rows"):
        op.drop_table(table)
    for table in ("messages", "inbound_messages"):
        op.drop_column(table, "content_hash")
        op.drop_column(table, "content_salt")
