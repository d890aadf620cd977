"""Addresses that reports of failed deliveries are sent to, one for each message (VERP).

Reports and replies name a message by this address, or by its Message-ID.
"""

from __future__ import annotations

import re
from uuid import UUID

MAX_LOCAL_PART = 64 - 33  # characters before the @ of the base; mail servers allow 64 (RFC 5321)
_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
MESSAGE_ID = re.compile(rf"\bmsg_({_UUID})@", re.IGNORECASE)
RETURN_ADDRESS = re.compile(rf"\+({_UUID})@", re.IGNORECASE)


def return_address(message_id: str, base: str) -> str:
    """Return the address for reports about a message: `base` with the message's ID after a `+`.

    A message of a test without a real ID gets `base` itself.
    """
    try:
        uuid = UUID(message_id.partition("_")[2])
    except ValueError:
        return base
    local_part, _, domain = base.rpartition("@")
    return f"{local_part}+{uuid.hex}@{domain}"
