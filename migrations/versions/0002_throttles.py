"""throttles: a rate that recovers, a circuit, and the pace of recipients"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.add_column("connections", sa.Column("per_second", sa.Double(), nullable=True))
    op.drop_table("throttles")  # nothing was ever written there
    op.create_table(
        "throttles",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("ready_at", TIME, nullable=True),
        sa.Column("bulk_at", TIME, nullable=True),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("filled_at", TIME, nullable=True),
        sa.Column("held_until", TIME, nullable=True),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("full", sa.Double(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.Column("opened_at", TIME, nullable=True),
        sa.Column("why", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_throttles")),
    )
    op.create_table(
        "paces",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("contact_id", ID, nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_paces_contact_id_contacts")
        ),
        sa.PrimaryKeyConstraint("name", "contact_id", name=op.f("pk_paces")),
    )


def downgrade() -> None:
    op.drop_table("paces")
    op.drop_table("throttles")
    op.create_table(
        "throttles",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("tokens", sa.Double(), nullable=False),
        sa.Column("filled_at", TIME, nullable=True),
        sa.Column("held_until", TIME, nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("opened_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_throttles")),
    )
    op.drop_column("connections", "per_second")
