"""opt-outs of a connection without a sender belong to that connection, since a blank sender means
every sender
"""

import sqlalchemy as sa
from alembic import op

import hub.db.types
from hub.db.types import new_id

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SUPPRESSIONS = sa.table(
    "suppressions",
    sa.column("id", hub.db.types.Id("sup")),
    sa.column("address_key", sa.LargeBinary()),
    sa.column("channel", sa.String()),
    sa.column("sender", sa.String()),
    sa.column("test", sa.Boolean()),
    sa.column("reason", sa.String()),
    sa.column("code", sa.String()),
    sa.column("why", sa.String()),
    sa.column("lifted_why", sa.String()),
    sa.column("message_id", hub.db.types.Id("msg")),
    sa.column("since", hub.db.types.Time()),
    sa.column("lifted_at", hub.db.types.Time()),
)
CONNECTIONS = sa.table(
    "connections",
    sa.column("id", hub.db.types.Id("con")),
    sa.column("channel", sa.String()),
    sa.column("sender", sa.String()),
    sa.column("test", sa.Boolean()),
)
MESSAGES = sa.table(
    "messages",
    sa.column("id", hub.db.types.Id("msg")),
    sa.column("connection_id", hub.db.types.Id("con")),
)
MADE_BY_A_CONNECTION = ("keyword", "provider")


def upgrade() -> None:
    database = op.get_bind()
    blank = database.execute(
        sa.select(CONNECTIONS.c.id, CONNECTIONS.c.channel, CONNECTIONS.c.test).where(
            CONNECTIONS.c.sender == ""
        )
    ).all()
    rows = (
        database.execute(
            sa.select(SUPPRESSIONS, MESSAGES.c.connection_id.label("by"))
            .outerjoin(MESSAGES, MESSAGES.c.id == SUPPRESSIONS.c.message_id)
            .where(
                SUPPRESSIONS.c.sender == "",
                SUPPRESSIONS.c.channel != "",
                SUPPRESSIONS.c.reason.in_(MADE_BY_A_CONNECTION),
            )
        )
        .mappings()
        .all()
    )
    for row in rows:
        # which connection it was is known by the message; else it goes on holding for each that it
        # may have been
        able = [
            one.id
            for one in blank
            if one.channel == row["channel"] and (one.test or not row["test"])
        ]
        meant = [one for one in able if one == row["by"]] or (
            able if row["lifted_at"] is None else []
        )
        for number, connection_id in enumerate(meant):
            if number == 0:
                database.execute(
                    sa.update(SUPPRESSIONS)
                    .where(SUPPRESSIONS.c.id == row["id"])
                    .values(sender=connection_id)
                )
            else:
                copy = {name: row[name] for name in SUPPRESSIONS.columns.keys()}  # noqa: SIM118
                database.execute(
                    sa.insert(SUPPRESSIONS).values(
                        {**copy, "id": new_id("sup"), "sender": connection_id}
                    )
                )


def downgrade() -> None:
    database = op.get_bind()
    names = [row.id for row in database.execute(sa.select(CONNECTIONS.c.id))]
    rows = (
        database.execute(
            sa.select(SUPPRESSIONS)
            .where(SUPPRESSIONS.c.sender.in_(names), SUPPRESSIONS.c.lifted_at.is_(None))
            .order_by(SUPPRESSIONS.c.id)
        )
        .mappings()
        .all()
    )
    seen = set()
    for row in rows:  # one open row for each address and channel
        key = (row["address_key"], row["channel"], row["test"])
        if key in seen:
            database.execute(sa.delete(SUPPRESSIONS).where(SUPPRESSIONS.c.id == row["id"]))
        seen.add(key)
    database.execute(
        sa.update(SUPPRESSIONS).where(SUPPRESSIONS.c.sender.in_(names)).values(sender="")
    )
