"""Store platform events for webhook endpoints, as processed callbacks do.

Runs in a separate process, with the hub's settings in the environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from sqlalchemy import exists, select

from hub import create_app
from hub.core import config
from hub.db.engine import db
from hub.db.store import transaction
from hub.endpoints import endpoints
from hub.endpoints.endpoints import EndpointSettings
from hub.endpoints.platform_events import NewEvent, store_events
from hub.models import Message, PlatformEvent, Source, WebhookEndpoint

TYPES = ("sms_sent", "sms_delivered", "sms_failed", "sms_undelivered")  # one endpoint for each
BATCH = 500


def main(url: str) -> int:
    """Create the endpoints if they are missing, and store an event about each message without."""
    app = create_app(config.load(), blueprints=False)
    with app.app_context():
        source_id = db.session.scalars(select(Source.id).where(Source.slug == "default")).one()
        if db.session.scalar(select(WebhookEndpoint.id).limit(1)) is None:
            for name in TYPES:
                settings = EndpointSettings(url=url, events=[name], with_addresses=True)
                endpoints.create(source_id, settings, test=False)
        has_event = exists().where(PlatformEvent.message_id == Message.id)
        messages = db.session.scalars(select(Message.id).where(~has_event)).all()
        for start in range(0, len(messages), BATCH):
            store(source_id, messages[start : start + BATCH], start)
        return len(messages)


@transaction
def store(source_id: str, messages: Sequence[str], start: int) -> None:
    """Store an event about each message, in turn of the types."""
    store_events(
        [
            NewEvent(
                cause=f"{message_id}:{TYPES[number % len(TYPES)].partition('_')[2]}",
                type=TYPES[number % len(TYPES)],
                source_id=source_id,
                test=False,
                message_id=message_id,
            )
            for number, message_id in enumerate(messages, start)
        ]
    )


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
