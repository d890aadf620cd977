"""Post to the hub as a chat provider does: once, to this machine, without following redirects."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hub.core.bind_address import is_loopback

MAX_RESPONSE_BYTES = 64 * 1024


@dataclass(frozen=True)
class HubResponse:
    """The hub's response: an HTTP `status`, or 0 with the reason in `failure`."""

    status: int = 0
    failure: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    @property
    def is_accepted(self) -> bool:
        return 200 <= self.status < 300

    @property
    def summary(self) -> str:
        """Describe the response for a page, such as `response 200`, or why there was none."""
        return f"response {self.status}" if self.status else self.failure


def post(url: str, body: bytes, headers: dict[str, str], *, timeout: float) -> HubResponse:
    """Post `body` and wait at most `timeout` seconds for the response."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return HubResponse(failure="not sent, because the address is not on this machine")
    connection_class = (
        http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    )
    connection = connection_class(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.connect()
    except OSError:
        return HubResponse(failure="no connection")
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(
            "POST", target, body, {"Accept": "*/*", "Connection": "close", **headers}
        )
        response = connection.getresponse()
        return HubResponse(
            response.status,
            "",
            {name.lower(): value for name, value in response.getheaders()},
            response.read(MAX_RESPONSE_BYTES),
        )
    except (OSError, http.client.HTTPException):
        return HubResponse(failure=f"no response within {timeout:g} s")
    finally:
        connection.close()
