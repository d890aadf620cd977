"""The file with handlers that the browser tests' hub runs."""

from __future__ import annotations

from pathlib import Path

CODE = '''
"""Handlers of a test."""

from hub.handlers import on


@on("sms_*", "whatsapp_*")
def count_deliveries(event):
    """Count what happens to messages."""


@on("sms_delivered", "sms_sent", "opted_*")
def update_customer_records(event):
    """Write the status of each message into the records of the customer."""
    send_to_records(event)


def send_to_records(event):
    raise ConnectionError(f"records.example did not answer for {event.data['address']}")


@on("sms_deliverd")
def misspelled(event):
    """Never runs."""
'''


def write_handlers(folder: Path) -> str:
    """Write the file of HUB_HANDLERS; return its path."""
    path = folder / "handlers.py"
    path.write_text(CODE)
    return str(path)
