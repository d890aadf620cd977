"""Add an index for lists of contacts of one kind."""

from alembic import op

revision = "0.3.0_contact_lists"
down_revision = "0.3.0_fallback_timers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_contacts_kind_id"), "contacts", ["kind", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_contacts_kind_id"), "contacts")
