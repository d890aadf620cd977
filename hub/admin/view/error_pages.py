"""Error pages: what is so, why, and what to do, in the look of the other pages."""

from __future__ import annotations

from typing import NamedTuple

from flask import Response, make_response, render_template


class Problem(NamedTuple):
    """The words of one HTTP status."""

    title: str
    why: str
    remedy: str


def page(
    status: int, *, why: str = "", remedy: str = "", request_id: str = "", retry_after: int = 0
) -> Response:
    """Answer with the page of a status; `why` and `remedy` take the place of its usual words,
    `retry_after` is in seconds.
    """
    words = PROBLEMS.get(status) or PROBLEMS[500 if status >= 500 else 400]
    problem = Problem(words.title, why or words.why, remedy or words.remedy)
    if retry_after and not remedy:
        problem = problem._replace(remedy=f"Wait {_seconds(retry_after)} and do it again.")
    # the rail asks the database, which may be what failed
    answer = make_response(
        render_template(
            "error.html", status=status, problem=problem, request_id=request_id, bare=status >= 500
        ),
        status,
    )
    answer.headers["Cache-Control"] = "no-store"
    if retry_after:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def _seconds(count: int) -> str:
    return "1 second" if count == 1 else f"{count} seconds"


PROBLEMS = {
    400: Problem(
        "This request cannot be read.",
        "The form was open for too long, or its page was changed on the way.",
        "Go back, reload the page and send it again.",
    ),
    403: Problem(
        "This is not open to you.",
        "Your role does not include it.",
        "Ask an admin to do it, or to change your role.",
    ),
    404: Problem(
        "There is nothing at this address.",
        "The link is mistyped, or what it led to was never there.",
        "Start from the overview, or search the messages.",
    ),
    405: Problem(
        "This address does not do that.",
        "It exists, but it was asked in a way it does not answer.",
        "Open the page it belongs to, and use its button.",
    ),
    413: Problem(
        "That is too much at once.",
        "What was sent is larger than this page takes.",
        "Send less of it.",
    ),
    429: Problem(
        "That was too often.",
        "So many tries in a short time look like a mistake, so they wait.",
        "Wait a minute and do it again.",
    ),
    500: Problem(
        "We made a mistake.",
        "An unexpected error stopped this page. Nothing was stored.",
        "Load the page again. If the error stays, search the log for the request ID.",
    ),
    503: Problem(
        "The database does not answer.",
        "Nothing can be read or stored until it does. What signing apps and providers send"
        " meanwhile, they send again.",
        "Look whether the database server runs, and at the hub’s log.",
    ),
}
