"""Replace the routes that Signpost installs by those of version 0.2.0: one text message each.

Runs in a separate process, with the hub's settings in the environment.
"""

from __future__ import annotations

import json

from hub import create_app
from hub.core import config
from hub.core.vocabulary import Audience, Channel, EventType
from hub.signing import routes
from hub.signing.routes import RouteIn, StepIn

NOTIFIED = {
    (EventType.SENT, Audience.SIGNER),
    (EventType.SIGNED, Audience.OTHERS),
    (EventType.SIGNED, Audience.SIGNER),
    (EventType.COMPLETED, Audience.SIGNER),
    (EventType.REMINDER, Audience.SIGNER),
}


def main() -> int:
    """Save a route of one step, or of none, for each event and audience; return their number."""
    app = create_app(config.load(), blueprints=False)
    with app.app_context():
        installed = routes.read_routes_in_force(None)
        for (event_type, audience), route in installed.items():
            is_notified = (event_type, audience) in NOTIFIED
            entered = RouteIn([StepIn(Channel.SMS.value)] if is_notified else [])
            routes.save_route(event_type, audience, None, entered, replaces=route.id)
        return len(installed)


if __name__ == "__main__":
    print(json.dumps(main()))
