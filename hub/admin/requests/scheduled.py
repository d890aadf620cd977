"""List the scheduled events of a request on its page, and cancel them."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, url_for

from hub.admin.auth.guard import admin, require_role
from hub.admin.requests import pages
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.signing import scheduled_events


@admin.post("/requests/<request_id>/scheduled/<event_id>/cancel")
@require_role(Role.OPERATOR)
def cancel_scheduled(request_id: str, event_id: str) -> Any:
    """Cancel a scheduled event of a request."""
    row = pages.get_request_or_404(request_id)
    try:
        scheduled_events.cancel(scheduled_events.find_event_of(row.id, event_id).id)
    except Refused as error:
        flash(str(error), "warn")
    else:
        flash("Canceled. The scheduled messages are not sent.", "good")
    return redirect(url_for("admin.request_page", request_id=request_id), 303)
