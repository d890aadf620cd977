"""WhatsApp's rules: its addresses, and the 24-hour window for free text.

https://www.twilio.com/docs/whatsapp/key-concepts
"""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

from hub.simulator.account import Account
from hub.simulator.file import File
from hub.simulator.scripted_numbers import PREFIX

WINDOW_SECONDS = 24 * 3600.0  # after the person's last message
# a business-scoped user ID, of a person without a number
PERSON = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (
    sender TEXT, person TEXT, opened REAL NOT NULL, PRIMARY KEY (sender, person)) WITHOUT ROWID;
"""


class Windows:
    """The time of each person's last message to each sender. Addresses carry their prefix."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def open(self, sender: str, person: str, *, ago: float = 0.0) -> None:
        """Open or renew a window as of `ago` seconds ago."""
        with self._file.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO windows VALUES (?, phone_of(?), ?)",
                (sender, person, time.time() - ago),
            )

    def seconds_left(self, sender: str, person: str) -> float:
        """Return for how many seconds the window stays open, 0 if it is closed."""
        rows = self._file.rows(
            "SELECT opened FROM windows WHERE sender = ? AND person = phone_of(?)", (sender, person)
        )
        return max(rows[0]["opened"] + WINDOW_SECONDS - time.time(), 0.0) if rows else 0.0


def sender(account: Account) -> str:
    """Return the address of the account's only WhatsApp sender."""
    return PREFIX + account.credentials.phone_number


def callback_fields(recipient: str, status: str, error_message: str) -> dict[str, str]:
    """Return the WhatsApp fields of a status callback, with the number masked as Twilio does."""
    fields = {
        "ChannelInstallSid": "XE" + hashlib.sha256(b"simulator").hexdigest()[:32],
        "ChannelPrefix": PREFIX.rstrip(":"),
        "ChannelToAddress": recipient.removeprefix(PREFIX)[:-4] + "XXXX",
    }
    fields |= {"StructuredMessage": "false"} if status == "sent" else {}
    fields |= (
        {"EventType": status.upper()} if status in ("delivered", "read", "undelivered") else {}
    )
    return fields | ({"ChannelStatusMessage": error_message} if error_message else {})


def sender_resource(account: Account) -> dict[str, Any]:
    """Return the sender as `GET /v2/Channels/Senders` does.

    Shape: Twilio's OpenAPI document twilio_messaging_v2.
    """
    sid = "XE" + hashlib.sha256(sender(account).encode()).hexdigest()[:32]
    return {
        "sid": sid,
        "status": "ONLINE",
        "sender_id": sender(account),
        "configuration": {
            "waba_id": "100000000000001",
            "verification_method": None,
            "verification_code": None,
            "voice_application_sid": None,
        },
        "webhook": {
            "callback_url": None,
            "callback_method": "POST",
            "fallback_url": None,
            "fallback_method": "POST",
            "status_callback_url": None,
            "status_callback_method": "POST",
        },
        "profile": {
            "name": "Signpost's simulator",
            "about": "Hello",
            "address": None,
            "description": None,
            "logo_url": None,
            "banner_url": None,
            "privacy_url": None,
            "terms_of_service_url": None,
            "accent_color": None,
            "vertical": None,
            "websites": None,
            "emails": None,
            "phone_numbers": None,
        },
        "properties": {"quality_rating": "HIGH", "messaging_limit": "1K Customers/24hr"},
        "offline_reasons": None,
        "compliance": None,
        "url": f"https://messaging.twilio.com/v2/Channels/Senders/{sid}",
    }
