"""Check the servers of a message broker that an admin enters for an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.core.errors import Refused
from hub.endpoints.broker_publishing import network
from hub.integrations import brokers
from hub.integrations.broker import AddressNotAllowed, ConnectFailed


def check_servers(kind: str, settings: Mapping[str, Any]) -> None:
    """Refuse private and unencrypted servers that are not allowed.

    A name that does not resolve now may resolve later. The addresses are checked again with each
    connection.
    """
    rules = network()
    broker = brokers.get(kind)
    for server in broker.servers(settings):
        try:
            rules.check(server)
        except AddressNotAllowed as problem:
            raise Refused("bad_server", str(problem), field=broker.server_field) from None
        except ConnectFailed:
            continue
