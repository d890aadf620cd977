"""WhatsApp's own rules: addresses, and the 24 hours in which a person who wrote may be written to
freely.

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

LASTS = 24 * 3600.0  # seconds a window stays open after the person's last message
# a business-scoped user id, of somebody without a number
PERSON = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (
    sender TEXT, person TEXT, opened REAL NOT NULL, PRIMARY KEY (sender, person)) WITHOUT ROWID;
"""


class Windows:
    """The time of each person's last message to each sender; addresses carry their prefix."""

    def __init__(self, file: File) -> None:
        self._file = file
        file.prepare(SCHEMA)

    def open(self, sender: str, person: str, *, ago: float = 0.0) -> None:
        """Open the window, or renew it, as of so many seconds ago."""
        with self._file.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO windows VALUES (?, phone_of(?), ?)",
                (sender, person, time.time() - ago),
            )

    def left(self, sender: str, person: str) -> float:
        """Return for how many seconds more the window is open; 0: it is closed."""
        rows = self._file.rows(
            "SELECT opened FROM windows WHERE sender = ? AND person = phone_of(?)", (sender, person)
        )
        return max(rows[0]["opened"] + LASTS - time.time(), 0.0) if rows else 0.0


def sender(account: Account) -> str:
    """Write the address of the account's one WhatsApp sender."""
    return PREFIX + account.credentials.phone_number


def callback_fields(recipient: str, word: str, reason: str) -> dict[str, str]:
    """Write what a status callback says on this channel only; the number is masked as Twilio masks
    it.
    """
    fields = {
        "ChannelInstallSid": "XE" + hashlib.sha256(b"simulator").hexdigest()[:32],
        "ChannelPrefix": PREFIX.rstrip(":"),
        "ChannelToAddress": recipient.removeprefix(PREFIX)[:-4] + "XXXX",
    }
    fields |= {"StructuredMessage": "false"} if word == "sent" else {}
    fields |= {"EventType": word.upper()} if word in ("delivered", "read", "undelivered") else {}
    return fields | ({"ChannelStatusMessage": reason} if reason else {})


def sender_resource(account: Account) -> dict[str, Any]:
    """Show the sender as `GET /v2/Channels/Senders` does; shape: Twilio's OpenAPI document
    twilio_messaging_v2.
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
