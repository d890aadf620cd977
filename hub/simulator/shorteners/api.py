"""Answer as Bitly and Rebrandly do. Certain tokens and domains make them refuse, fail or hang.

https://dev.bitly.com/api-reference and https://developers.rebrandly.com/reference
"""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from hub.lib.short_codes import ALPHABET
from hub.simulator.context import current_simulator

api = Blueprint("shorteners", __name__)

REFUSED = "refused"  # a token or key that the service does not accept
LIMITED = "limited"
BROKEN = "broken"
SLOW = "slow"  # it answers after SLOW_SECONDS
UNKNOWN_DOMAIN = "unknown.example"
SLOW_SECONDS = 4.0
STATUSES = {REFUSED: (403, "FORBIDDEN"), LIMITED: (429, "RATE_LIMIT_EXCEEDED"), BROKEN: (500, "")}


def list_links() -> dict[str, str]:
    """Return the long URL of each short link that was made, for tests."""
    links: dict[str, str] = current_app.extensions.setdefault("shorteners", {})
    return links


# ── Bitly ─────────────────────────────────────────────────────────────────────────────────────────
@api.post("/bitly/v4/shorten")
def shorten_with_bitly() -> Response:
    """Return the link of a long URL, the same each time."""
    if refusal := _refuse_bitly():
        return refusal
    body = _json_body()
    domain = str(body.get("domain") or "bit.ly")
    long_url = body.get("long_url")
    if domain == UNKNOWN_DOMAIN or not body.get("group_guid"):
        return _bitly_error(400, "INVALID_ARG_DOMAIN")
    if not isinstance(long_url, str) or not long_url.startswith(("http://", "https://")):
        return _bitly_error(400, "INVALID_ARG_LONG_URL")
    link = f"https://{domain}/{_code_of(long_url)}"
    is_known = link in list_links()
    list_links()[link] = long_url
    answer = jsonify(
        {"link": link, "id": link.removeprefix("https://"), "long_url": long_url, "archived": False}
    )
    answer.status_code = 200 if is_known else 201
    return answer


@api.get("/bitly/v4/user")
def bitly_user() -> Response:
    """Return the user of the token."""
    return _refuse_bitly() or jsonify({"login": "acme", "name": "Acme HR"})


def _refuse_bitly() -> Response | None:
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not token:
        return _bitly_error(403, "FORBIDDEN")
    if token == SLOW:
        current_simulator().pause(SLOW_SECONDS)
    status, message = STATUSES.get(token, (0, ""))
    return _bitly_error(status, message) if status else None


def _bitly_error(status: int, message: str) -> Response:
    answer = jsonify({"message": message, "description": "", "resource": "bitlinks"})
    answer.status_code = status
    return answer


# ── Rebrandly ─────────────────────────────────────────────────────────────────────────────────────
@api.post("/rebrandly/v1/links")
def shorten_with_rebrandly() -> Response:
    """Make a link. A slashtag that is taken is refused."""
    if refusal := _refuse_rebrandly():
        return refusal
    body = _json_body()
    named = body.get("domain")
    domain = str(named.get("fullName") or "") if isinstance(named, dict) else "rebrand.ly"
    destination = str(body.get("destination") or "")
    slashtag = str(body.get("slashtag") or _code_of(destination))
    if domain == UNKNOWN_DOMAIN:
        return _rebrandly_error(404, "NotFound")
    short_url = f"{domain}/{slashtag}"
    if f"https://{short_url}" in list_links():
        return _rebrandly_error(403, "AlreadyExists")
    list_links()[f"https://{short_url}"] = destination
    return jsonify({"id": _code_of(short_url), "slashtag": slashtag, "shortUrl": short_url})


@api.get("/rebrandly/v1/account")
def rebrandly_account() -> Response:
    """Return the account of the key."""
    return _refuse_rebrandly() or jsonify({"id": "acme", "email": "hr@acme.example"})


def _refuse_rebrandly() -> Response | None:
    key = request.headers.get("apikey", "")
    if not key or key == REFUSED:
        return _rebrandly_error(401, "Unauthorized")
    if key == SLOW:
        current_simulator().pause(SLOW_SECONDS)
    status, message = STATUSES.get(key, (0, ""))
    return _rebrandly_error(status, message) if status else None


def _rebrandly_error(status: int, code: str) -> Response:
    answer = jsonify({"code": code, "message": ""})
    answer.status_code = status
    return answer


# ── Both ──────────────────────────────────────────────────────────────────────────────────────────
def _json_body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    return body if isinstance(body, dict) else {}


def _code_of(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:7])
