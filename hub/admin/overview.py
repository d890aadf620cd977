"""The first page."""

from __future__ import annotations

from typing import Any

from flask import redirect, url_for

from hub.admin.guard import admin, needs
from hub.vocabulary import Role


@admin.get("/")
@needs(Role.VIEWER)
def overview() -> Any:
    """Lead to the integrations."""
    return redirect(url_for("admin.integrations"), 303)
