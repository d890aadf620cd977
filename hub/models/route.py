"""Routes: the recipients of each event, and the channels to reach them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.core.vocabulary import Connective
from hub.db.engine import Base
from hub.db.types import Id, OptionalDetails, Time, foreign_key, partial_index, primary_key

# a team has a route for each connection that posts an event; other audiences have one in force
GENERAL = text("replaced_at IS NULL AND source_id IS NULL AND audience <> 'team'")
OF_SOURCE = text("replaced_at IS NULL AND source_id IS NOT NULL AND audience <> 'team'")


class Route(Base):
    """Event type and audience to ordered steps; for every source, or for one.

    A saved change creates a new row with new steps. The old row remains, because messages refer to
    its steps and ladders that have begun continue with them.
    """

    __tablename__ = "routes"
    __table_args__ = (
        partial_index("uq_routes_general", "event_type", "audience", where=GENERAL, unique=True),
        partial_index(
            "uq_routes_of_source",
            "source_id",
            "event_type",
            "audience",
            where=OF_SOURCE,
            unique=True,
        ),
    )

    id: Mapped[str] = primary_key("rte")
    source_id: Mapped[str | None] = foreign_key("src", "sources.id")
    event_type: Mapped[str]
    audience: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)
    version: Mapped[int] = mapped_column(default=1)  # of the same source, event and audience
    replaced_at: Mapped[datetime | None] = mapped_column(Time)  # NULL: in force
    # no other step follows messages of ladders that began before
    stopped_at: Mapped[datetime | None] = mapped_column(Time)
    author_id: Mapped[str | None] = mapped_column(Id("usr"))  # NULL: installed by Signpost
    continue_after_opt_out: Mapped[bool] = mapped_column(default=False)
    # paid channels are used only while at most so many signatures are missing; NULL: always
    paid_when_missing: Mapped[int | None]
    # when reminders are sent, for the route of the event request.reminder; NULL: the default
    schedule: Mapped[dict[str, Any] | None] = mapped_column(OptionalDetails)

    steps: Mapped[list[RouteStep]] = relationship(
        order_by="RouteStep.position", back_populates="route"
    )


class RouteStep(Base):
    """A channel or one connection, and the template to use."""

    __tablename__ = "route_steps"
    __table_args__ = (UniqueConstraint("route_id", "position"),)

    id: Mapped[str] = primary_key("stp")
    route_id: Mapped[str] = foreign_key("rte", "routes.id")
    position: Mapped[int]
    connective: Mapped[str] = mapped_column(default=Connective.ALSO.value)
    # what the step before must achieve, and how long it has; only for `otherwise`
    goal: Mapped[str | None]
    wait_minutes: Mapped[int | None]  # NULL: only a failure moves on
    channel: Mapped[str]
    # NULL: the first enabled connection of the channel
    connection_id: Mapped[str | None] = foreign_key("con", "connections.id")
    template: Mapped[str]  # the name that all channels and locales of the template share
    # the step is skipped for people without a recorded consent, also if no rule requires one
    consented_only: Mapped[bool] = mapped_column(default=False)
    # its messages may have deduplication keys of version 0.2.0
    legacy: Mapped[bool] = mapped_column(default=False)

    route: Mapped[Route] = relationship(back_populates="steps")
