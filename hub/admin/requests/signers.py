"""Handle the actions on one signer of a request: remind, resend, snooze, stop, invite to a chat."""

from __future__ import annotations

from typing import Any

from flask import abort, flash, redirect, url_for
from sqlalchemy import select

from hub.admin.auth.guard import admin, require_role
from hub.admin.requests import pages, reminder_results, signer_timeline
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.messaging.compose import resend
from hub.models import Message, Signer
from hub.signing import chat_invitations, reminders, stopping
from hub.signing.cards import card_time


@admin.post("/requests/<request_id>/signers/<signer_id>/<do>")
@require_role(Role.OPERATOR)
def signer_action(request_id: str, signer_id: str, do: str) -> Any:
    """Remind a signer, resend a message, snooze or resume reminders, stop messages, or create a
    link that invites the signer to a chat.
    """
    if do not in _ACTIONS or not is_id("sgn", signer_id):
        abort(404)
    row = pages.get_request_or_404(request_id)
    try:
        if do == "invite":
            return pages.render_request(
                row.id, chat_invitations.invite(row.id, signer_id), signer_id
            )
        flash(*_ACTIONS[do](row.id, signer_id))
    except Refused as error:
        flash(str(error), "warn")
    return redirect(url_for("admin.request_page", request_id=request_id), 303)


def _remind(request_id: str, signer_id: str) -> tuple[str, str]:
    row = pages.get_request_or_404(request_id)
    return reminder_results.describe_reminders(row, reminders.remind(row.id, signer_id))


def _snooze(request_id: str, signer_id: str) -> tuple[str, str]:
    until = reminders.snooze(request_id, signer_id)
    return f"Reminders snoozed until {card_time(until)}.", "good"


def _unsnooze(request_id: str, signer_id: str) -> tuple[str, str]:
    signer = db.session.get(Signer, signer_id)
    was_stopped = signer is not None and signer.reminders_stopped_at is not None
    reminders.unsnooze(request_id, signer_id)
    if was_stopped:
        return "Messages resumed. Canceled messages are not sent again.", "good"
    return "Reminders resumed.", "good"


def _resend(request_id: str, signer_id: str) -> tuple[str, str]:
    query = select(Message).where(Message.request_id == request_id, Message.signer_id == signer_id)
    messages = list(db.session.scalars(query.order_by(Message.id)))
    message = signer_timeline.find_resendable(messages)
    if message is None:
        return "The last message to this signer is in progress or was delivered.", "warn"
    resend.resend(message.id)
    return "Message queued again.", "good"


def _stop(request_id: str, signer_id: str) -> tuple[str, str]:
    stopping.stop_signer(request_id, signer_id)
    return (
        "Messages stopped. Waiting messages were canceled, and no automatic reminders follow.",
        "good",
    )


_ACTIONS: dict[str, Any] = {
    "resend": _resend,
    "stop": _stop,
    "remind": _remind,
    "snooze": _snooze,
    "unsnooze": _unsnooze,
    "invite": None,
}
