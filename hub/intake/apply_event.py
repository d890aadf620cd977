"""Apply an event of a callback that is no status: a message, a button, a chat, a call."""

from __future__ import annotations

from datetime import datetime

from hub.core.errors import Refused
from hub.integrations.base import ButtonPress, ChatLinked, ChatPermission, Inbound, WebhookEvent
from hub.integrations.call_events import CallOptOut, CallReport
from hub.lib import times
from hub.messaging.inbox import calls, chat_membership, inbound, opt_out
from hub.messaging.track.statuses import Origin
from hub.signing import button_actions, chat_invitations


def apply_event(event: WebhookEvent, origin: Origin, received_at: datetime) -> bool:
    """Apply a message, a button, a chat link or a change of membership.

    Returns False if no connection of this hub has the event's destination.
    """
    if (
        isinstance(event, Inbound | ChatLinked | ChatPermission)
        and not event.address.strip()
        and not _may_lack_sender(event, origin)
    ):
        raise Refused("no_address", "This webhook contains no sender or recipient address.")
    at = times.clamp_reported(event.at, received_at)
    match event:
        case Inbound() if not origin.connection_ids:
            opt_out.process_unassigned_keyword(event, at, origin.callback_id)
            return True
        case Inbound():
            return inbound.store_inbound(event, origin, received_at)
        case CallReport():
            return calls.report_call(event, origin, at)
        case CallOptOut():
            return calls.opt_out_by_key(event, origin, at)
        case ButtonPress():
            button_actions.perform_action(
                event.token,
                event.name,
                origin=origin,
                reply_to=event.reply_to,
                post=event.provider_id,
            )
            return True
        case ChatLinked():
            return chat_invitations.link_chat(event, origin, at)
        case ChatPermission():
            return chat_membership.apply_membership(event, origin, at)
    return True


def _may_lack_sender(event: WebhookEvent, origin: Origin) -> bool:
    """Return whether an event counts without a sender, as a message to a connection does."""
    return isinstance(event, Inbound) and bool(origin.connection_ids)
