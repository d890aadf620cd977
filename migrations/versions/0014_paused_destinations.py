"""destinations of teams that take no posts, which wait; what closed such a destination as if it
were a person is lifted
"""

import sqlalchemy as sa
from alembic import op

import hub.db.types
from hub.db.types import now

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SUPPRESSIONS = sa.table(
    "suppressions",
    sa.column("address_key", sa.LargeBinary()),
    sa.column("reason", sa.String()),
    sa.column("lifted_at", hub.db.types.Time()),
    sa.column("lifted_why", sa.String()),
)
CONNECTIONS = sa.table("connections", sa.column("place", sa.String()))
CONTACTS = sa.table(
    "contacts",
    sa.column("address_key", sa.LargeBinary()),
    sa.column("address", sa.String()),
    sa.column("kind", sa.String()),
)
WHY = (
    "A channel or group of a team is not a recipient who opted out. Signpost pauses such a"
    " destination instead."
)


def upgrade() -> None:
    op.create_table(
        "paused_destinations",
        sa.Column("connection_id", hub.db.types.Id("con"), nullable=False),
        sa.Column("contact_id", hub.db.types.Id("ctc"), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("since", hub.db.types.Time(), nullable=False),
        sa.Column("reopened_at", hub.db.types.Time(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name=op.f("fk_paused_destinations_connection_id_connections"),
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("fk_paused_destinations_contact_id_contacts")
        ),
        sa.PrimaryKeyConstraint("connection_id", "contact_id", name=op.f("pk_paused_destinations")),
    )
    op.create_index(
        op.f("ix_paused_destinations_contact_id"), "paused_destinations", ["contact_id"]
    )
    lift_suppressions()


def lift_suppressions() -> None:
    """Lift what providers closed of the destinations that connections have."""
    places = sa.select(CONTACTS.c.address_key).where(
        CONTACTS.c.kind == "chat",
        CONTACTS.c.address.in_(sa.select(CONNECTIONS.c.place).where(CONNECTIONS.c.place != "")),
    )
    op.get_bind().execute(
        sa.update(SUPPRESSIONS)
        .where(
            SUPPRESSIONS.c.reason == "provider",
            SUPPRESSIONS.c.lifted_at.is_(None),
            SUPPRESSIONS.c.address_key.in_(places),
        )
        .values(lifted_at=now(), lifted_why=WHY)
    )


def downgrade() -> None:
    op.drop_table("paused_destinations")
