"""The mail server of a connection, and the sign-in there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.integrations.smtp.form import UNENCRYPTED
from hub.integrations.smtp.oauth import TokenSource


@dataclass(frozen=True)
class Server:
    """A mail server and the sign-in there. `username` is "" if none is needed."""

    host: str
    port: int
    encryption: str
    username: str
    password: str
    own_name: str  # the name that Signpost greets the server with
    tokens: TokenSource | None = None  # instead of a password


def server_of(
    settings: Mapping[str, Any], url: str, own_name: str, tokens: TokenSource | None
) -> Server:
    """Return the server of a connection's settings, or the one at `url` in its place.

    `url` is "" unless it replaces the server: `smtp://host:port`, without encryption.
    """
    if url:
        host, _, port = url.partition("://")[2].rpartition(":")
        encryption = UNENCRYPTED
    else:
        host = settings["host"]
        port = settings["port"]
        encryption = settings["encryption"]
    return Server(
        host.strip("[]"),
        int(port),
        encryption,
        settings.get("username") or "",
        settings.get("password") or "",
        own_name,
        tokens,
    )
