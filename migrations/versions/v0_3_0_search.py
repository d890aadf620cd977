"""Add the tables of the search index."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_search"
down_revision = "0.3.0_texts"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "search_prefixes",
        sa.Column("prefix", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("word", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("prefix", "word", name=op.f("pk_search_prefixes")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_search_prefixes_word"), "search_prefixes", ["word"])
    for kind in ("contact", "request"):
        table = f"{kind}_words"
        owner = f"{kind}_id"
        op.create_table(
            table,
            sa.Column("word", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column(owner, ID, nullable=False),
            sa.ForeignKeyConstraint([owner], [f"{kind}s.id"], name=op.f(f"fk_{table}_{owner}")),
            sa.PrimaryKeyConstraint("word", owner, name=op.f(f"pk_{table}")),
            sqlite_with_rowid=False,
        )
        op.create_index(op.f(f"ix_{table}_{owner}_word"), table, [owner, "word"])
    op.create_table(
        "address_parts",
        sa.Column("part", sa.LargeBinary(), nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_address_parts_contact_id")
        ),
        sa.PrimaryKeyConstraint("part", "contact_id", name=op.f("pk_address_parts")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_address_parts_contact_id"), "address_parts", ["contact_id"])
    op.create_table(
        "unindexed_rows",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unindexed_rows")),
    )


def downgrade() -> None:
    for table in (
        "unindexed_rows",
        "address_parts",
        "request_words",
        "contact_words",
        "search_prefixes",
    ):
        op.drop_table(table)
