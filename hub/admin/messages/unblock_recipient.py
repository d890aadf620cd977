"""Remove the opt-outs that block a message, from the page of the message."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, url_for

from hub.admin.auth.guard import admin, require_role
from hub.admin.messages.message_page import get_message_or_404
from hub.admin.view import confirmation, forms
from hub.admin.view.filters import phone
from hub.admin.view.message_rows import recipient
from hub.core.errors import NotFound
from hub.core.vocabulary import Role
from hub.messaging.contacts import suppressions
from hub.models import Message


@admin.route("/messages/<message_id>/lift", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def lift_suppression(message_id: str) -> Any:
    """Ask for confirmation, and remove the opt-outs that block a message."""
    if not forms.is_submitted():
        return _confirm_lifting(get_message_or_404(message_id))
    try:
        suppressions.lift_opt_outs_of_message(get_message_or_404(message_id).id)
        flash(
            "Opt-out removed. This recipient can receive messages again. Resend this"
            " message if it is still needed.",
            "good",
        )
    except NotFound as error:
        flash(str(error), "info")
    return redirect(url_for("admin.message", message_id=message_id), 303)


def _confirm_lifting(message: Message) -> str:
    page_url = url_for("admin.message", message_id=message.id)
    to = phone(recipient(message.contact, message.connection))
    return confirmation.ask(
        f"Remove opt-outs of {to}",
        [
            f"This removes every opt-out that blocks this message, and {to} can receive messages"
            " again.",
            "Remove opt-outs only if the person asked to receive messages. Otherwise you may break"
            " the law, and the provider may still block the messages.",
        ],
        button="Remove opt-outs",
        cancel=page_url,
        crumbs=[("Messages", url_for("admin.messages")), (f"Message to {to}", page_url)],
    )
