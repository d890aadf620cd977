"""opt-outs, consents, platform events and incoming messages of one source; limits of API keys"""

import uuid
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
OPEN = sa.text("lifted_at IS NULL")
OF_ALL = sa.text("lifted_at IS NULL AND source_id IS NULL")
OF_ONE = sa.text("lifted_at IS NULL AND source_id IS NOT NULL")
KEY = ["address_key", "channel", "sender", "test"]
TABLES = ("suppressions", "consents", "platform_events", "inbound")
BATCH = 500
# statuses of messages that reached the provider: nobody can answer the others
SENT = ("sending", "unknown", "accepted", "sent", "delivered", "read", "undelivered")

events = sa.table(
    "platform_events",
    *(sa.column(name, ID) for name in ("id", "message_id", "request_id", "source_id")),
    sa.column("cause"),
)
inbound = sa.table(
    "inbound", *(sa.column(name, ID) for name in ("id", "connection_id", "contact_id", "source_id"))
)
messages = sa.table(
    "messages",
    *(sa.column(name, ID) for name in ("id", "connection_id", "contact_id", "source_id")),
    sa.column("status"),
)
requests = sa.table("requests", *(sa.column(name, ID) for name in ("id", "source_id")))
connections = sa.table(
    "connections", sa.column("id", ID), *(sa.column(name) for name in ("channel", "sender"))
)
suppressions = sa.table(
    "suppressions",
    *(sa.column(name, ID) for name in ("id", "source_id")),
    *(
        sa.column(name)
        for name in (
            "address_key",
            "channel",
            "sender",
            "test",
            "reason",
            "since",
            "lifted_at",
            "lifted_why",
        )
    ),
)
consents = sa.table(
    "consents", *(sa.column(name, ID) for name in ("contact_id", "source_id")), sa.column("source")
)
chats = sa.table("chats", *(sa.column(name, ID) for name in ("contact_id", "source_id")))
keys = sa.table("api_keys", sa.column("source_id", ID))


def upgrade() -> None:
    op.add_column(
        "sources",
        sa.Column("applies_to_all", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("api_keys", sa.Column("per_minute", sa.Integer(), nullable=True))
    for table in TABLES:
        op.add_column(table, sa.Column("source_id", ID, nullable=True))
    op.drop_index("uq_suppressions_open", "suppressions")
    op.create_index(
        "uq_suppressions_open",
        "suppressions",
        KEY,
        unique=True,
        sqlite_where=OF_ALL,
        postgresql_where=OF_ALL,
    )
    op.create_index(
        "uq_suppressions_open_of_source",
        "suppressions",
        ["source_id", *KEY],
        unique=True,
        sqlite_where=OF_ONE,
        postgresql_where=OF_ONE,
    )
    op.create_index("ix_suppressions_source_id", "suppressions", ["source_id", "id"])
    _fill()


def downgrade() -> None:
    op.drop_index("ix_suppressions_source_id", "suppressions")
    op.drop_index("uq_suppressions_open_of_source", "suppressions")
    op.drop_index("uq_suppressions_open", "suppressions")
    # the older code knows one open suppression for each address: the oldest stays
    older = suppressions.alias("older")
    again = sa.exists().where(
        older.c.lifted_at.is_(None),
        older.c.id < suppressions.c.id,
        *(older.c[name] == suppressions.c[name] for name in KEY),
    )
    op.execute(
        suppressions.update()
        .where(suppressions.c.lifted_at.is_(None), again)
        .values(lifted_at=suppressions.c.since, lifted_why="The same opt-out stands once more.")
    )
    op.create_index(
        "uq_suppressions_open",
        "suppressions",
        KEY,
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    for table in TABLES:
        op.drop_column(table, "source_id")
    op.drop_column("api_keys", "per_minute")
    op.drop_column("sources", "applies_to_all")


# ── What can be told from the rows that are there ─────────────────────────────────────────────────
def _fill() -> None:
    """Fill in the sources that are certain.

    Other rows apply to all, as before; only admins see them.
    """
    connection = op.get_bind()
    owners = connection.execute(sa.select(keys.c.source_id).distinct()).scalars().all()
    if len(owners) == 1:  # everything that was recorded through the API was recorded by this source
        connection.execute(
            suppressions.update().where(suppressions.c.reason == "api").values(source_id=owners[0])
        )
        connection.execute(
            consents.update().where(consents.c.source == "api").values(source_id=owners[0])
        )
    _fill_links(connection)
    for ids in _batches(connection, events):
        connection.execute(
            events.update()
            .where(events.c.id.in_(ids))
            .values(
                source_id=sa.func.coalesce(
                    sa.select(messages.c.source_id)
                    .where(messages.c.id == events.c.message_id)
                    .scalar_subquery(),
                    sa.select(requests.c.source_id)
                    .where(requests.c.id == events.c.request_id)
                    .scalar_subquery(),
                )
            )
        )
    for ids in _batches(connection, inbound):
        _fill_inbound(connection, {_cause(one): one for one in ids})


def _fill_links(connection: sa.Connection) -> None:
    """Give consents by chat the source that the chat was opened to."""
    found = connection.execute(sa.select(chats.c.contact_id, chats.c.source_id).distinct()).all()
    sources: dict[object, set[object]] = {}
    for contact_id, source_id in found:
        sources.setdefault(contact_id, set()).add(source_id)
    for contact_id, theirs in sources.items():
        if len(theirs) == 1:
            link = sa.and_(consents.c.contact_id == contact_id, consents.c.source == "link")
            connection.execute(consents.update().where(link).values(source_id=theirs.pop()))


def _fill_inbound(connection: sa.Connection, by_cause: dict[str, object]) -> None:
    """Give incoming messages the source of the message they answer, else the last over that sender."""
    answers = sa.select(events.c.cause, events.c.source_id).where(
        events.c.cause.in_(by_cause), events.c.source_id.is_not(None)
    )
    for cause, source_id in connection.execute(answers).all():
        connection.execute(
            inbound.update().where(inbound.c.id == by_cause[cause]).values(source_id=source_id)
        )
    without = sa.and_(inbound.c.id.in_(list(by_cause.values())), inbound.c.source_id.is_(None))
    connection.execute(inbound.update().where(without).values(source_id=_last_writer()))
    filled = sa.select(inbound.c.id, inbound.c.source_id).where(
        inbound.c.id.in_(list(by_cause.values())), inbound.c.source_id.is_not(None)
    )
    for row_id, source_id in connection.execute(filled).all():
        theirs = sa.and_(events.c.cause == _cause(row_id), events.c.source_id.is_(None))
        connection.execute(events.update().where(theirs).values(source_id=source_id))


def _last_writer() -> sa.ScalarSelect[object]:
    carrier = connections.alias("carrier")
    receiver = connections.alias("receiver")
    return (
        sa.select(messages.c.source_id)
        .join(carrier, carrier.c.id == messages.c.connection_id)
        .join(receiver, receiver.c.id == inbound.c.connection_id)
        .where(
            messages.c.contact_id == inbound.c.contact_id,
            messages.c.id < inbound.c.id,
            messages.c.source_id.is_not(None),
            messages.c.status.in_(SENT),
            carrier.c.channel == receiver.c.channel,
            carrier.c.sender == receiver.c.sender,
            sa.or_(carrier.c.id == receiver.c.id, receiver.c.sender != ""),
        )
        .order_by(messages.c.id.desc())
        .limit(1)
        .correlate(inbound)
        .scalar_subquery()
    )


def _batches(connection: sa.Connection, table: sa.TableClause) -> Iterator[list[object]]:
    """Give the ids of a table, some at a time."""
    query = sa.select(table.c.id).order_by(table.c.id).limit(BATCH)
    ids = list(connection.execute(query).scalars())
    while ids:
        yield ids
        ids = list(connection.execute(query.where(table.c.id > ids[-1])).scalars())


def _cause(row_id: object) -> str:
    """Return the cause of the platform event of an incoming message."""
    return f"inb_{row_id if isinstance(row_id, uuid.UUID) else uuid.UUID(bytes=bytes(row_id))}:received"
