"""Add versions and connected steps of routes, and rename their audiences."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import uuid_utils
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0.3.0_routes"
down_revision = "0.3.0_webhooks"
branch_labels = None
depends_on = None

ID = sa.LargeBinary(16).with_variant(postgresql.UUID(), "postgresql")
TIME = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")

GENERAL = sa.text("replaced_at IS NULL AND source_id IS NULL AND audience <> 'team'")
OF_SOURCE = sa.text("replaced_at IS NULL AND source_id IS NOT NULL AND audience <> 'team'")

# the new audiences of an old one, by event
BOTH = ("signer", "others")
ABOUT_ONE = {
    "actor": ("signer",),
    "others": ("others",),
    "pending": ("others",),
    "signers": BOTH,
}
AUDIENCES = {
    "request.viewed": ABOUT_ONE,
    "request.signed": ABOUT_ONE,
    "request.declined": ABOUT_ONE,
    "request.expired": {
        "actor": ("signer",),
        "pending": ("signer",),
        "others": BOTH,
        "signers": BOTH,
    },
}
ABOUT_ALL = dict.fromkeys(("actor", "others", "pending", "signers"), ("signer",))


def upgrade() -> None:
    false = sa.false()
    for column in (
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("replaced_at", TIME, nullable=True),
        sa.Column("author_id", ID, nullable=True),
        sa.Column("continue_after_opt_out", sa.Boolean(), nullable=False, server_default=false),
        sa.Column("paid_when_missing", sa.Integer(), nullable=True),
        sa.Column("schedule", sa.JSON(), nullable=True),
    ):
        op.add_column("routes", column)
    for column in (
        sa.Column("connective", sa.String(), nullable=False, server_default="also"),
        sa.Column("goal", sa.String(), nullable=True),
        sa.Column("wait_minutes", sa.Integer(), nullable=True),
        sa.Column("consented_only", sa.Boolean(), nullable=False, server_default=false),
        # true for existing rows, and for those that a process of 0.2.0 still adds
        sa.Column("legacy", sa.Boolean(), nullable=False, server_default=sa.true()),
    ):
        op.add_column("route_steps", column)
    rename_audiences()
    op.create_index(
        "uq_routes_general",
        "routes",
        ["event_type", "audience"],
        unique=True,
        sqlite_where=GENERAL,
        postgresql_where=GENERAL,
    )
    op.create_index(
        "uq_routes_of_source",
        "routes",
        ["source_id", "event_type", "audience"],
        unique=True,
        sqlite_where=OF_SOURCE,
        postgresql_where=OF_SOURCE,
    )


def downgrade() -> None:
    op.drop_index("uq_routes_of_source", "routes")
    op.drop_index("uq_routes_general", "routes")
    for name in ("connective", "goal", "wait_minutes", "consented_only", "legacy"):
        op.drop_column("route_steps", name)
    for name in (
        "version",
        "replaced_at",
        "author_id",
        "continue_after_opt_out",
        "paid_when_missing",
        "schedule",
    ):
        op.drop_column("routes", name)


# ── Rows ──────────────────────────────────────────────────────────────────────────────────────────
ROUTES = sa.table(
    "routes",
    sa.column("id", ID),
    sa.column("source_id", ID),
    sa.column("event_type", sa.String()),
    sa.column("audience", sa.String()),
    sa.column("enabled", sa.Boolean()),
    sa.column("version", sa.Integer()),
    sa.column("replaced_at", TIME),
    sa.column("continue_after_opt_out", sa.Boolean()),
)
STEPS = sa.table(
    "route_steps",
    sa.column("id", ID),
    sa.column("route_id", ID),
    sa.column("position", sa.Integer()),
    sa.column("connective", sa.String()),
    sa.column("consented_only", sa.Boolean()),
    sa.column("legacy", sa.Boolean()),
    sa.column("channel", sa.String()),
    sa.column("connection_id", ID),
    sa.column("template", sa.String()),
)


def rename_audiences() -> None:
    """Give every route for people its new audience, so that each cell has one route in force.

    A route of 0.2.0 for all signers becomes two, where the event is about one of them. Routes that
    come together become one, with the steps of all. Routes that notified nobody are replaced.
    """
    bind = op.get_bind()
    routes = [dict(row._mapping) for row in bind.execute(sa.select(ROUTES).order_by(ROUTES.c.id))]
    routes = [route for route in routes if route["audience"] in ABOUT_ALL]
    in_force: dict[tuple[Any, str, str], list[dict[str, Any]]] = {}
    for route in sorted(routes, key=lambda route: not route["enabled"]):
        for renamed in renamed_routes(bind, route):
            cell = (renamed["source_id"], renamed["event_type"], renamed["audience"])
            in_force.setdefault(cell, []).append(renamed)
    for (source_id, _, _), cell_routes in in_force.items():
        first, *rest = cell_routes
        for route in rest:
            if route["enabled"]:
                move_steps(bind, route["id"], first["id"])
            replace_route(bind, route["id"])
        if source_id is not None and not first["enabled"]:
            replace_route(bind, first["id"])
    hide_general_routes(bind)


def renamed_routes(bind: sa.Connection, route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a route with its new audience, and a copy for its second audience, if any."""
    audiences = AUDIENCES.get(route["event_type"], ABOUT_ALL)[route["audience"]]
    change = sa.update(ROUTES).where(ROUTES.c.id == route["id"])
    bind.execute(change.values(audience=audiences[0]))
    yield route | {"audience": audiences[0]}
    for audience in audiences[1:]:
        copied = route | {"id": new_id(bind), "audience": audience}
        bind.execute(sa.insert(ROUTES).values(copied))
        for step in bind.execute(sa.select(STEPS).where(STEPS.c.route_id == route["id"])).all():
            # no message refers to the copy of a step
            values = dict(step._mapping) | {"id": new_id(bind), "route_id": copied["id"]}
            values["legacy"] = False
            bind.execute(sa.insert(STEPS).values(values))
        yield copied


def move_steps(bind: sa.Connection, from_id: Any, to_id: Any) -> None:
    """Append the steps of one route to another."""
    last = bind.scalar(sa.select(sa.func.max(STEPS.c.position)).where(STEPS.c.route_id == to_id))
    moved = sa.select(STEPS.c.id).where(STEPS.c.route_id == from_id).order_by(STEPS.c.position)
    for position, step_id in enumerate(bind.scalars(moved).all(), (last or 0) + 1):
        change = sa.update(STEPS).where(STEPS.c.id == step_id)
        bind.execute(change.values(route_id=to_id, position=position))


def replace_route(bind: sa.Connection, route_id: Any) -> None:
    bind.execute(sa.update(ROUTES).where(ROUTES.c.id == route_id).values(replaced_at=now(bind)))


def hide_general_routes(bind: sa.Connection) -> None:
    """Keep general routes hidden from the sources that had routes of their own for an event.

    In 0.2.0, one own route hid all general routes for people. Now an own route hides the general
    route for the same audience only, so the others get a disabled route.
    """
    rows = bind.execute(sa.select(ROUTES).where(ROUTES.c.replaced_at.is_(None))).all()
    people = [row for row in rows if row.audience in BOTH]
    general = {(row.event_type, row.audience) for row in people if row.source_id is None}
    own = {(row.source_id, row.event_type, row.audience) for row in people if row.source_id}
    for source_id, event_type in {(source_id, event_type) for source_id, event_type, _ in own}:
        for audience in BOTH:
            if (event_type, audience) in general and (source_id, event_type, audience) not in own:
                bind.execute(
                    sa.insert(ROUTES).values(
                        id=new_id(bind),
                        source_id=source_id,
                        event_type=event_type,
                        audience=audience,
                        enabled=False,
                        version=1,
                        continue_after_opt_out=False,
                    )
                )


def new_id(bind: sa.Connection) -> Any:
    value = uuid_utils.uuid7()
    return uuid.UUID(bytes=value.bytes) if bind.dialect.name == "postgresql" else value.bytes


def now(bind: sa.Connection) -> Any:
    current_time = datetime.now(UTC)
    if bind.dialect.name == "postgresql":
        return current_time
    return int(current_time.timestamp() * 1_000_000)
