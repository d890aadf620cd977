"""Respond to short links: redirect people, and show robots a neutral page.

The pages need no other file, because nothing else is served under the domain of short links. They
set no cookie and read none.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache

from flask import Blueprint, Response, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from hub.accounts import rate_limits
from hub.admin.view import public_pages
from hub.lib import request_checks
from hub.messaging.track import link_opens
from hub.shared.security_log import find_network
from hub.shared.sentences import sentence

PATH = "/l/"
MAX_USER_AGENT = 1024  # characters that are compared with those of robots
# headers of browsers that load a page before the person opens it
PREFETCH_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
EARLY = ("prefetch", "prerender", "preview")
STYLE = Markup(
    ":root{color-scheme:light dark}"
    "body{margin:3rem auto;max-width:32rem;padding:0 1.25rem;"
    "font:1.0625rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}"
    "h1{font-size:1.5rem;line-height:1.25}"
)
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; frame-ancestors 'none';"
        " base-uri 'none'; form-action 'none'"
    ),
}
PAGE = Markup(
    '<!doctype html>\n<html lang="{locale}">\n<head>\n<meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="robots" content="noindex, nofollow">\n<title>{title}</title>\n'
    "<style>{style}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{text}</p>\n</main>\n"
    "</body>\n</html>\n"
)

short_links = Blueprint("short_links", __name__)
request_checks.add_request_checks(short_links, link_hosts=True)


@short_links.get(PATH)
@short_links.get(f"{PATH}<path:code>")
def open_short_link(code: str = "") -> Response:
    """Redirect a person to the target of a link, and count it."""
    network = find_network(request.remote_addr or "") or "unknown"
    if not rate_limits.may_try_code(network):
        return _page("too_many_links_title", "too_many_links", 429)
    link = link_opens.find_link(code)
    if link is None:
        rate_limits.count_wrong_code(network)
        return not_found()
    if _is_early() or is_robot(request.headers.get("User-Agent", "")):
        return _page("short_link_title", "short_link_text", 200)
    link_opens.count_open(link.id)
    response = Response(status=302, headers=HEADERS)
    response.headers["Location"] = link.target
    return response


def not_found() -> Response:
    """Return the page of every link that opens nothing, whatever the reason."""
    return _page("invalid_link_title", "invalid_short_link", 404)


@short_links.errorhandler(HTTPException)
def handle_error(_: HTTPException) -> Response:
    """Return the same page for every other error, such as for a character that no code has."""
    return not_found()


def handle_unmatched(_: HTTPException) -> Response:
    """Return the same page for a URL or a method that matches no route."""
    return request_checks.add_headers(not_found())


def _page(title: str, text: str, status: int) -> Response:
    locale = public_pages.reader_locale(None)
    body = PAGE.format(
        locale=locale,
        title=sentence(title, locale),
        text=sentence(text, locale),
        style=STYLE,
    )
    return Response(body, status, HEADERS, mimetype="text/html")


def _is_early() -> bool:
    """Return whether nobody has opened the link yet: a check, or a page loaded in advance."""
    if request.method != "GET":
        return True
    purposes = " ".join(request.headers.get(name, "") for name in PREFETCH_HEADERS).lower()
    return any(word in purposes for word in EARLY)


@lru_cache(maxsize=1024)
def is_robot(user_agent: str) -> bool:
    """Return whether a user agent is that of a known robot or preview, or is missing."""
    from crawleruseragents import is_crawler  # only web processes that serve links load its list

    if not user_agent.strip():
        return True
    return bool(is_crawler(user_agent[:MAX_USER_AGENT]))
