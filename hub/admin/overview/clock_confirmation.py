"""Show a clock that Signpost does not trust, and let an admin confirm it."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, url_for

from hub.admin.auth.guard import admin, has_role, require_role
from hub.core.vocabulary import Role
from hub.db.types import now
from hub.lib.localized import format_datetime
from hub.shared import clock_check


@admin.get("/clock")
@require_role(Role.VIEWER)
def clock() -> Any:
    """Show the problem with the clock, and how to fix it."""
    return render_template(
        "clock.html",
        problem=clock_check.problem(),
        current_time=format_datetime(now(), "MMM d, y, HH:mm"),
        may_confirm=has_role(Role.ADMIN),
    )


@admin.post("/clock")
@require_role(Role.ADMIN)
def confirm_clock() -> Any:
    """Confirm the clock, so that Signpost trusts it."""
    clock_check.confirm()
    flash("Clock confirmed. Signpost deletes old data again.", "good")
    return redirect(url_for("admin.overview"), 303)
