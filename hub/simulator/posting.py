"""Post to the hub as a chat provider does: once, to this machine, without following redirects."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hub.core.bind_address import is_loopback

LARGEST_ANSWER = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """The hub's answer: an HTTP `status`, or 0 and the reason in `failure`."""

    status: int = 0
    failure: str = ""
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    @property
    def taken(self) -> bool:
        return 200 <= self.status < 300

    @property
    def words(self) -> str:
        """Say it on a page: `answered 200`, or why nothing came."""
        return f"answered {self.status}" if self.status else self.failure


def post(url: str, body: bytes, headers: dict[str, str], *, patience: float) -> Answer:
    """Post `body` and wait `patience` seconds for the answer."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return Answer(failure="not sent, because the address is not on this machine")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=patience)
    try:
        connection.connect()
    except OSError:
        return Answer(failure="no connection")
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(
            "POST", target, body, {"Accept": "*/*", "Connection": "close", **headers}
        )
        answer = connection.getresponse()
        return Answer(
            answer.status,
            "",
            {name.lower(): value for name, value in answer.getheaders()},
            answer.read(LARGEST_ANSWER),
        )
    except (OSError, http.client.HTTPException):
        return Answer(failure=f"no response within {patience:g} s")
    finally:
        connection.close()
