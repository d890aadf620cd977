"""Compute until when a message may be sent."""

from __future__ import annotations

from datetime import datetime, timedelta

from hub import integrations
from hub.core.errors import NotFound
from hub.lib.times import LATEST
from hub.messaging.policy import night

# a message that could not be sent for longer is no longer worth sending, unless its integration
# declares another `lifetime`
WORTH_SENDING = timedelta(hours=24)


def find_expiry(
    expires_at: datetime | None,
    integration: str,
    created_at: datetime,
    *,
    night_of_recipient: str | None = None,
) -> datetime:
    """Return until when a message may be sent: its own expiry, or the end of its lifetime.

    A lifetime that ends in the recipient's night, or at a weekend without reminders, is extended.
    """
    end = night.prolong(night_of_recipient, created_at + _lifetime(integration))
    return min(expires_at or LATEST, end)


def _lifetime(integration: str) -> timedelta:
    try:
        return timedelta(hours=integrations.get(integration).lifetime)
    except NotFound:
        return WORTH_SENDING
