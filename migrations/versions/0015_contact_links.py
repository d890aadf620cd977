"""contacts that a webhook shows to be one person are linked"""

import sqlalchemy as sa
from alembic import op

import hub.db.types

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contact_links",
        sa.Column("id", hub.db.types.Id("ctl"), nullable=False),
        sa.Column("contact_id", hub.db.types.Id("ctc"), nullable=False),
        sa.Column("other_id", hub.db.types.Id("ctc"), nullable=False),
        sa.Column("receipt_id", hub.db.types.Id("rcp"), nullable=True),
        sa.Column("linked_at", hub.db.types.Time(), nullable=False),
        sa.Column("undone_at", hub.db.types.Time(), nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_contact_links_contact_id_contacts")
        ),
        sa.ForeignKeyConstraint(
            ["other_id"], ["contacts.id"], name=op.f("fk_contact_links_other_id_contacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_links")),
        sa.UniqueConstraint(
            "contact_id", "other_id", name=op.f("uq_contact_links_contact_id_other_id")
        ),
    )
    op.create_index(op.f("ix_contact_links_other_id"), "contact_links", ["other_id"])


def downgrade() -> None:
    op.drop_table("contact_links")
