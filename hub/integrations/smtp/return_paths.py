"""Addresses that reports of failed deliveries are sent to, one for each message (VERP)."""

from __future__ import annotations

from uuid import UUID


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
