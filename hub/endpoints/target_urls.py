"""Check the URL and the headers that an admin or a signing app enters for an endpoint."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from flask import current_app

from hub.core.config import Config
from hub.core.errors import Refused
from hub.core.quotes import quoted
from hub.endpoints.allowed_addresses import allowed_addresses
from hub.lib.provider_http import host_port
from hub.lib.public_addresses import is_public

MAX_URL_LENGTH = 2000
MAX_HEADERS = 20
MAX_VALUE_LENGTH = 2000
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
# set by Signpost or by the HTTP client
_RESERVED = {
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def check_url(url: str) -> str:
    """Return a URL as it is stored; raise Refused with the reason and the remedy.

    The address is checked again with each connection, because names can change.
    """
    clean = url.strip()
    config: Config = current_app.extensions["hub.config"]
    try:
        parts = urlsplit(clean)
        port = parts.port
    except ValueError:
        raise _refused("This is not a URL. Enter one such as https://app.example/hooks.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or len(clean) > MAX_URL_LENGTH:
        raise _refused("Enter a URL such as https://app.example/hooks.")
    if not clean.isascii() or re.search(r"[\x00-\x20\x7f\\]", clean) or "%" in parts.hostname:
        raise _refused("Percent-encode spaces, backslashes and letters that are not ASCII.")
    if parts.username is not None or parts.password is not None:
        raise _refused("Remove the user name and password, and enter them as Basic auth instead.")
    if parts.fragment:
        raise _refused("Remove the part after #, which is never sent.")
    if host_port(clean) in allowed_addresses():
        return clean
    if parts.scheme != "https":
        reason = f"Use https, or ask an operator to add {host_port(clean)} to HUB_HTTP_ALLOW."
        raise _refused(reason)
    if port is not None and port < 1024 and port != 443:
        raise _refused("Use port 443, or one from 1024.")
    if parts.hostname.rstrip(".") == urlsplit(config.public_url).hostname:
        raise _refused("This is Signpost’s own address. Enter the address of your app.")
    _check_addresses(parts.hostname, clean)
    return clean


def _check_addresses(host: str, url: str) -> None:
    """Refuse a name that has private addresses only. An unknown name may resolve later."""
    try:
        entries = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    if not any(is_public(str(entry[4][0])) for entry in entries):
        raise _refused(
            "This address is not on the public internet. Enter a public one, or ask an operator"
            f" to add {host_port(url)} to HUB_HTTP_ALLOW."
        )


def check_headers(headers: Mapping[str, str], *, has_user: bool) -> dict[str, str]:
    """Return static headers as they are stored; raise Refused with the reason and the remedy."""
    if len(headers) > MAX_HEADERS:
        raise Refused("too_many_headers", f"Use at most {MAX_HEADERS} headers.", field="headers")
    checked: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if _HEADER_NAME.fullmatch(name) is None or lower in {known.lower() for known in checked}:
            reason = f"{quoted(name[:50])} is not a header name, or it occurs twice."
            raise Refused("bad_header", reason, field="headers")
        if lower in _RESERVED or lower.startswith("webhook-"):
            raise Refused("reserved_header", f"Signpost sets {name} itself.", field="headers")
        if lower == "authorization" and has_user:
            reason = "Use either the header Authorization or Basic auth."
            raise Refused("two_authorizations", reason, field="headers")
        if _HEADER_VALUE.fullmatch(value) is None or len(value) > MAX_VALUE_LENGTH:
            reason = f"The value of {name} may have {MAX_VALUE_LENGTH} printable ASCII characters."
            raise Refused("bad_header", reason, field="headers")
        checked[name] = value.strip()
    return checked


def _refused(reason: str) -> Refused:
    return Refused("bad_url", reason, field="url")
