"""Show the documentation of the running version, without a network: the pages of `docs/`."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, url_for

from hub.admin.auth.guard import admin, require_role
from hub.admin.documentation import rendering
from hub.core.vocabulary import Role


@admin.get("/docs", defaults={"slug": ""})
@admin.get("/docs/<path:slug>")
@require_role(Role.VIEWER)
def docs(slug: str) -> Any:
    """Show a page of the documentation."""
    return render_template(
        "docs.html",
        slug=slug,
        page_content=rendering.render(slug, url_for("admin.docs")),
        contents=rendering.contents(),
    )


@admin.get("/docs/images/<name>")
@require_role(Role.VIEWER)
def docs_image(name: str) -> Any:
    """Send an image of the documentation."""
    return Response(rendering.find_image(name).read_bytes(), mimetype="image/png")
