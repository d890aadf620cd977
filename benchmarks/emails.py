"""Connect a hub to the mail server's stand-in, and fill its tables with emails that wait.

Runs in a separate process, with the hub's settings in the environment, while the hub's own
processes rest.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from benchmarks.bulk_insert import Tables, generate_ids
from benchmarks.filling import MESSAGE
from hub import create_app
from hub.connections import connections
from hub.core import config
from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.engine import db
from hub.models import Contact, Message, MessageBody
from hub.shared.address_keys import address_key

INTEGRATION = "smtp"
DAY = 86_400_000  # milliseconds
LINK = "https://sign.example/r/agr-{n}/eric"
TEXT = (
    "Hello Eric,\n\nAcme HR sent you “Employment Agreement”. Please review and sign it.\n\n" + LINK
)
SENDER = {"locale": "en", "sender_name": "Acme HR", "sender_address": "hr@acme.example"}


def connect(port: int) -> str:
    """Add a live connection to the stand-in and enable it, which tests it."""
    values = {
        "host": "127.0.0.1",
        "port": str(port),
        "encryption": "none",
        "sign_in": "password",
        "from_address": "documents@acme.example",
        "from_name": "Acme",
        "reply_to": "address",
        "unsubscribe": "reminders",
    }
    connection_id = connections.add(INTEGRATION, "Bench mail", False, values)
    connections.enable(connection_id)
    return connection_id


def fill(tables: Tables, count: int, connection: str) -> None:
    """Add emails to different people, each with a button, as a signing request's are."""
    moment = time.time_ns() // 1_000_000
    people = list(generate_ids(count, moment - DAY, DAY // 2))
    first = db.session.query(Contact).count()

    def contact(n: int, number: int) -> tuple[Any, ...]:
        address = f"eric.{first + n}@example.com"
        key = address_key("email", address)
        return tables.id(number), "email", address, key, False, tables.time(moment)

    columns = ("id", "kind", "address", "address_key", "test", "created_at")
    tables.insert(Contact, columns, (contact(n, number) for n, (number, _) in enumerate(people)))
    made = list(generate_ids(count, moment - 1000, 900))
    at = tables.time(moment)
    until = tables.time(moment + DAY)
    carrier = tables.known(connection)

    def message(n: int, number: int) -> tuple[Any, ...]:
        person = tables.id(people[n][0])
        fixed = ("email", False, None, person, carrier, "queued", 0, at, until, at, None, None)
        return (tables.id(number), *fixed)

    def body(n: int, number: int) -> tuple[Any, ...]:
        button = {"text": "Review and sign", "url": LINK.format(n=n), "token": "", "style": ""}
        content = {
            "subject": "Acme HR sent you “Employment Agreement” to sign",
            "text": TEXT.format(n=n),
            "buttons": [button],
            "letterhead": SENDER,
        }
        return tables.id(number), tables.seal(MESSAGE_CONTENT, number, content)

    tables.insert(Message, MESSAGE, (message(n, number) for n, (number, _) in enumerate(made)))
    bodies = (body(n, number) for n, (number, _) in enumerate(made))
    tables.insert(MessageBody, ("owner_id", "content"), bodies)


def main(port: int = 0, count: int = 0, connection: str = "") -> str:
    app = create_app(config.load())
    with app.app_context():
        if port:
            return connect(port)
        tables = Tables(app)
        fill(tables, count, connection)
        db.session.rollback()
        tables.finish()
        return connection


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
