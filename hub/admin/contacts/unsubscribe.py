"""Show the page of an unsubscribe link, and act on one click of a mailbox's own button.

Opening the page changes nothing, because mail scanners open links. The form and the mailboxes post
the same body (RFC 8058).
"""

from __future__ import annotations

from typing import Any

from flask import make_response, render_template, request

from hub.admin.auth.guard import accepts_body, admin, opened_by_signers, posted_by_others, public
from hub.admin.auth.page_rate_limits import limit_wrong_links
from hub.admin.view import public_pages
from hub.messaging.contacts import unsubscribing

MAX_BODY_SIZE = 10_000  # bytes


@admin.route("/u/<token>", methods=["GET", "POST"])
@public
@opened_by_signers
@posted_by_others
@accepts_body(MAX_BODY_SIZE)
@limit_wrong_links("unsubscribe")
def unsubscribe(token: str) -> Any:
    """Ask whether to unsubscribe, or unsubscribe the recipient of the link's message."""
    page = unsubscribing.preview_unsubscribe(token)
    is_done = False
    status = 200 if page else 404
    if request.method == "POST" and page:
        is_done = request.form.get("List-Unsubscribe") == "One-Click"
        status = 200 if is_done else 400
    if is_done:
        unsubscribing.unsubscribe(token)
    response = make_response(
        render_template(
            "unsubscribe.html",
            page_of_link=page,
            done=is_done,
            locale=public_pages.reader_locale(page.locale if page else None),
        ),
        status,
    )
    response.headers["X-Robots-Tag"] = "noindex"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
