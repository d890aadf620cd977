"""Routes: the recipients of each event, and the channels to reach them."""

from __future__ import annotations

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from hub.db.engine import Base
from hub.db.types import foreign_key, primary_key


class Route(Base):
    """Event type and audience to ordered steps; for every source, or for one."""

    __tablename__ = "routes"

    id: Mapped[str] = primary_key("rte")
    source_id: Mapped[str | None] = foreign_key("src", "sources.id")
    event_type: Mapped[str]
    audience: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True)

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
    channel: Mapped[str]
    # NULL: the first enabled connection of the channel
    connection_id: Mapped[str | None] = foreign_key("con", "connections.id")
    template: Mapped[str]  # the name that all channels and locales of the template share

    route: Mapped[Route] = relationship(back_populates="steps")
