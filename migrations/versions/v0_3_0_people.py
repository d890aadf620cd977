"""Add observers and senders to the people of a request, and the times of turns.

Version 0.2.0 asked all signers at once, so the signers of a sent request count as invited.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_people"
down_revision = "0.3.0_contact_lists"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")

FORMER_KEY = "uq_signers_request_id_external_id"
KEY = "uq_signers_request_id_role_external_id"


def upgrade() -> None:
    op.add_column("requests", sa.Column("sent_at", TIME, nullable=True))
    op.add_column("requests", sa.Column("closed_at", TIME, nullable=True))
    op.add_column(
        "requests", sa.Column("reopenings", sa.Integer(), nullable=False, server_default="0")
    )
    with op.batch_alter_table("signers") as signers:
        signers.add_column(sa.Column("role", sa.String(), nullable=False, server_default="signer"))
        for name in ("invited_at", "opened_at", "declined_at", "removed_at"):
            signers.add_column(sa.Column(name, TIME, nullable=True))
        signers.drop_constraint(FORMER_KEY, type_="unique")
        signers.create_unique_constraint(KEY, ["request_id", "role", "external_id"])
    _fill()


def _fill() -> None:
    """Fill the new columns from what 0.2.0 stored."""
    op.execute("UPDATE requests SET closed_at = state_at WHERE state <> 'open'")
    op.execute(
        "UPDATE requests SET sent_at = (SELECT max(occurred_at) FROM events"
        " WHERE events.request_id = requests.id AND events.type = 'request.sent')"
    )
    op.execute(
        "UPDATE signers SET invited_at = (SELECT min(received_at) FROM events"
        " WHERE events.request_id = signers.request_id AND events.type = 'request.sent')"
    )
    op.execute("UPDATE signers SET opened_at = state_at WHERE state = 'viewed'")
    op.execute("UPDATE signers SET declined_at = state_at WHERE state = 'declined'")


def downgrade() -> None:
    op.execute("DELETE FROM signers WHERE role <> 'signer'")
    with op.batch_alter_table("signers") as signers:
        signers.drop_constraint(KEY, type_="unique")
        signers.create_unique_constraint(FORMER_KEY, ["request_id", "external_id"])
        for name in ("role", "invited_at", "opened_at", "declined_at", "removed_at"):
            signers.drop_column(name)
    with op.batch_alter_table("requests") as requests:
        for name in ("sent_at", "closed_at", "reopenings"):
            requests.drop_column(name)
