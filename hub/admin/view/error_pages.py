"""Show error pages, which say what happened, why, and how to fix it."""

from __future__ import annotations

from typing import NamedTuple

from flask import Response, make_response, render_template

from hub.admin.view import public_pages


class Problem(NamedTuple):
    """The texts of one HTTP status."""

    title: str
    reason: str
    remedy: str


STORED_ANYWAY = (
    "Your change was saved, but the page could not be shown because of an unexpected error."
)


def page(
    status: int, *, reason: str = "", remedy: str = "", request_id: str = "", retry_after: int = 0
) -> Response:
    """Return the error page of an HTTP status.

    `reason` and `remedy` replace its usual texts, except on the pages of signers. `retry_after`: in
    seconds.
    """
    if public_pages.is_for_signer():
        locale = public_pages.reader_locale(None)
        problem = _problem_of_signer(status, locale, retry_after, stored=reason == STORED_ANYWAY)
        return _respond(
            render_template(
                "public_error.html", problem=problem, request_id=request_id, locale=locale
            ),
            status,
            retry_after,
        )
    usual = PROBLEMS.get(status) or PROBLEMS[500 if status >= 500 else 400]
    problem = Problem(usual.title, reason or usual.reason, remedy or usual.remedy)
    if retry_after and not remedy:
        problem = problem._replace(remedy=f"Wait {_seconds(retry_after)} and try again.")
    # `bare` leaves out the navigation, because it reads the database, which may have failed
    content = render_template(
        "error.html", status=status, problem=problem, request_id=request_id, bare=status >= 500
    )
    return _respond(content, status, retry_after)


def _problem_of_signer(status: int, locale: str, retry_after: int, *, stored: bool) -> Problem:
    """Return the texts of a status for people who do not use Signpost, in their language."""
    known = status
    if status not in SIGNER_STATUSES:
        known = 500 if status >= 500 else 400
    reason = "problem_stored" if stored else f"problem_reason_{known}"
    values = {"count": retry_after or 60} if known == 429 else {}
    return Problem(
        public_pages.error_sentence(f"problem_title_{known}", locale),
        public_pages.error_sentence(reason, locale),
        public_pages.error_sentence(f"problem_remedy_{known}", locale, **values),
    )


def _respond(content: str, status: int, retry_after: int) -> Response:
    response = make_response(content, status)
    response.headers["Cache-Control"] = "no-store"
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def _seconds(count: int) -> str:
    return "1 second" if count == 1 else f"{count} seconds"


SIGNER_STATUSES = (400, 404, 413, 429, 500, 503)
PROBLEMS = {
    400: Problem(
        "This request could not be read",
        "The form was open for too long, or it was changed before it reached Signpost.",
        "Go back, reload the page and try again.",
    ),
    403: Problem(
        "You do not have access to this page",
        "Your role does not allow it.",
        "Ask an admin to change your role, or to do this for you.",
    ),
    404: Problem(
        "Page not found",
        "The URL is wrong, or the page no longer exists.",
        "Check the URL, or start from the overview.",
    ),
    405: Problem(
        "This URL does not support this method",
        "The page exists, but it does not accept this kind of request.",
        "Open the page and use its button.",
    ),
    409: Problem(
        "This is not possible at the moment",
        "Something has changed since the page was opened.",
        "Go back and reload the page.",
    ),
    413: Problem(
        "The upload is too large",
        "The form or file is larger than this page accepts.",
        "Send a smaller file or a shorter text.",
    ),
    429: Problem(
        "Too many attempts",
        "Signpost limits how often this action can be used.",
        "Wait a minute and try again.",
    ),
    500: Problem(
        "Sorry, there is a problem with Signpost",
        "An unexpected error stopped this page. Nothing was saved.",
        "Reload the page. If the error remains, search the log for the request ID.",
    ),
    503: Problem(
        "The database cannot be reached",
        "Signpost cannot read or save anything until the database is back. Signing apps"
        " and providers repeat their requests.",
        "Check that the database server is running, and check the log of Signpost.",
    ),
}
