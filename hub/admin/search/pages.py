"""Search people, requests and messages from the box of every page."""

from __future__ import annotations

from typing import Any

from flask import g, redirect, render_template, request, url_for

from hub.admin.auth.guard import admin, require_role
from hub.admin.search import results, sealed_query
from hub.core.vocabulary import Role


@admin.get("/search")
@require_role(Role.VIEWER)
def search() -> Any:
    """Show the results of a search, each with the reason why it matches."""
    sealed = request.args.get("find", "")
    query = sealed_query.open_query(sealed, g.user.id) if sealed else ""
    return render_template(
        "search.html",
        query=query or "",
        is_expired=query is None,
        results=results.search(query) if query else None,
    )


@admin.post("/search")
@require_role(Role.VIEWER)
def start_search() -> Any:
    """Encrypt a query into the URL of its results."""
    query = " ".join(request.form.get("q", "").split())
    if not query:
        return redirect(url_for("admin.search"), 303)
    sealed = sealed_query.seal_query(query, g.user.id)
    return redirect(url_for("admin.search", find=sealed), 303)
