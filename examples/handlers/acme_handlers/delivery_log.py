"""Write what happens to messages into a separate table, each event once."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from hub.handlers import Event, on

TABLE = """
CREATE TABLE IF NOT EXISTS deliveries (
    event_id TEXT PRIMARY KEY, at TEXT, type TEXT, request TEXT, signer TEXT, code TEXT
)
"""


@on("sms_*", "whatsapp_*", "email_*")
def log_delivery(event: Event) -> None:
    """Store the status of a message. An event that arrives again changes nothing."""
    if event.test and os.environ.get("ACME_LOG_TEST_EVENTS") != "1":
        return
    row = (
        event.id,
        event.at.isoformat(),
        event.type,
        event.data["request_external_id"],
        event.data["signer"],
        event.data["code"],
    )
    # if the file is locked or the disk is full, this raises, and Signpost tries again later
    with closing(sqlite3.connect(os.environ["ACME_LOG_FILE"], timeout=5)) as database, database:
        database.execute(TABLE)
        database.execute("INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?, ?, ?)", row)
