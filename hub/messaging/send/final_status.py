"""Decide at the claim whether a message ends without a call to the provider."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from hub.core.vocabulary import Status
from hub.integrations.base import Outbound
from hub.messaging.compose import media
from hub.messaging.compose.skipped_steps import LINK_EXPIRED
from hub.messaging.policy import night
from hub.messaging.policy.policy import QUIET, Policy, PolicyDecision, PolicyQuestion
from hub.messaging.send.calls import DueMessage
from hub.messaging.send.predecessors import REACHED, Succession
from hub.messaging.state.message_batch import MessageRow

ERASED = "The message's text or recipient was deleted."
NOTHING_TO_SIGN = "The signer has nothing to sign anymore."
FALLBACKS_STOPPED = "An admin stopped the fallbacks of this version of the route."
NOTHING_TO_EDIT = "The post to update does not exist."


class FinalStatus(NamedTuple):
    """The end of a message that is not sent."""

    status: Status
    fact_name: str
    code: str = ""
    reason: str = ""


def find_final_status(
    due: DueMessage, decision: PolicyDecision, current_time: datetime, succession: Succession
) -> FinalStatus | None:
    """Return the final status of a message that must not be sent, or None if it can be sent."""
    row = due.row
    if row.stop_reason:
        return FinalStatus(Status.CANCELED, "stopped", reason=row.stop_reason)
    if succession.is_obsolete:
        return FinalStatus(Status.CANCELED, "stopped", reason=NOTHING_TO_SIGN)
    if succession.is_stopped:
        return FinalStatus(Status.CANCELED, "stopped", reason=FALLBACKS_STOPPED)
    if succession.is_reached:
        return FinalStatus(Status.CANCELED, REACHED, REACHED)
    if due.request_expires_at is not None and due.request_expires_at <= current_time:
        return FinalStatus(Status.EXPIRED, "expired", "request_expired")
    if row.link_expires_at is not None and row.link_expires_at <= current_time:
        return FinalStatus(Status.EXPIRED, "expired", LINK_EXPIRED)
    if row.expires_at is not None and row.expires_at <= current_time:
        return FinalStatus(Status.EXPIRED, "expired", row.code)  # the reason is what it waited for
    if decision.code:
        return FinalStatus(Status.SUPPRESSED, "suppressed", decision.code)
    if due.content is None or due.erased:
        return FinalStatus(Status.CANCELED, "erased", reason=ERASED)
    morning = night.end_of_night(row.night, current_time)
    if morning is not None and row.expires_at is not None and morning >= row.expires_at:
        return FinalStatus(Status.SUPPRESSED, "suppressed", QUIET)
    return None


def find_final_status_before_call(
    row: MessageRow, outbound: Outbound, question: PolicyQuestion, policy: Policy
) -> FinalStatus | None:
    """Return the final status of a message that cannot be sent unchanged or exceeds a spending
    limit; None otherwise.
    """
    if row.edits_id and not (outbound.edits or outbound.reply_to):
        return FinalStatus(Status.CANCELED, "nothing to edit", reason=NOTHING_TO_EDIT)
    if media.is_file_missing(outbound.files):
        return FinalStatus(Status.FAILED, "file gone", "media_gone")
    if row.estimate is None:
        code, row.estimate = policy.spend(question, outbound.text)
        if code:
            return FinalStatus(Status.SUPPRESSED, "suppressed", code)
    return None
