"""Let invitations be followed by a text over a second connection if the first one fails.

This runs in a separate process with the hub's settings in the environment.
"""

from __future__ import annotations

import sys

from sqlalchemy import select

from hub import create_app
from hub.connections import connections
from hub.core import config
from hub.core.vocabulary import Connective
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Connection, Route, RouteStep
from tests.chaos.prepare import INTEGRATION


@transaction
def set_route(connection_ids: list[str]) -> None:
    """Replace the route of invitations by a ladder with a step for each connection."""
    in_force = select(Route).where(
        Route.event_type == "request.sent", Route.audience == "signer", Route.replaced_at.is_(None)
    )
    for route in db.session.scalars(in_force).all():
        route.replaced_at = now()
    db.session.flush()
    route = Route(event_type="request.sent", audience="signer", version=2)
    for position, connection_id in enumerate(connection_ids, 1):
        route.steps.append(
            RouteStep(
                position=position,
                connective=Connective.ALSO if position == 1 else Connective.OTHERWISE,
                goal=None if position == 1 else "delivered",
                channel="sms",
                connection_id=connection_id,
                template="request_sent",
            )
        )
    db.session.add(route)


def main(account: str, token: str, sender: str) -> None:
    app = create_app(config.load())
    with app.app_context():
        values = {"account_sid": account, "auth_token": token, "sender": sender}
        connections.enable(connections.add(INTEGRATION, "Fallback", False, values))
        ids = db.session.scalars(select(Connection.id).order_by(Connection.id)).all()
        db.session.rollback()
        set_route(list(ids))


if __name__ == "__main__":
    main(*sys.argv[1:])
