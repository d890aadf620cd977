"""The contract between Signpost and a message broker that receives platform events.

A broker is an integration like the others, in a package of this folder. It declares its texts, its
form and its publisher. Everything else is the same for all brokers: which events an endpoint
receives, their order, retries, and the pages.
"""

from __future__ import annotations

import importlib.util
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hub.integrations.settings_fields import ConfigForm
from hub.integrations.values import CheckResult
from hub.lib.guarded_sockets import (
    AddressNotAllowed,
    ConnectFailed,
    NotConnected,
    NotResolved,
    check_address,
    endpoint_name,
    open_socket,
)

CONTENT_TYPE = "application/json; charset=utf-8"
SPEC_VERSION = "1.0"  # of CloudEvents
PUBLISH_SECONDS = 20.0  # for a batch; the claim of its events lasts longer
CONNECT_SECONDS = 10.0
NOT_CONNECTED = "Signpost could not connect to the broker."

__all__ = [
    "CONNECT_SECONDS",
    "CONTENT_TYPE",
    "NOT_CONNECTED",
    "PUBLISH_SECONDS",
    "AddressNotAllowed",
    "Broker",
    "BrokerEvent",
    "ConnectFailed",
    "Network",
    "Publisher",
    "Rejection",
    "Server",
    "WrongSetting",
]


class WrongSetting(ConnectFailed):
    """The broker did not accept a setting. `field` is its name in the form."""

    def __init__(self, problem: str, field: str) -> None:
        self.field = field
        super().__init__(problem)


@dataclass(frozen=True)
class BrokerEvent:
    """A platform event to publish. Events with the same key are published one after the other."""

    id: str
    type: str
    source: str  # the slug
    at: str  # RFC 3339
    key: str
    body: bytes  # JSON

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes of CloudEvents 1.0, by name."""
        return {
            "id": self.id,
            "type": self.type,
            "source": f"signpost/{self.source}",
            "time": self.at,
            "specversion": SPEC_VERSION,
        }


@dataclass(frozen=True)
class Rejection:
    """The reason why an event was not published, as a sentence for admins.

    `final`: the broker will never accept this event, so it is not tried again.
    """

    problem: str
    final: bool = False


@dataclass(frozen=True)
class Server:
    """A server of a broker, as an admin entered it."""

    host: str
    port: int
    is_encrypted: bool

    @property
    def name(self) -> str:
        """Host and port in the format of HUB_HTTP_ALLOW."""
        return endpoint_name(self.host.lower(), self.port)


@dataclass(frozen=True)
class Network:
    """The rules for connections, and the certificates of known authorities.

    `allowed` holds the `host:port` entries that may be private or not encrypted.
    """

    allowed: frozenset[str]
    ca_file: str

    def check(self, server: Server) -> None:
        """Resolve a server's name, and check all of its addresses. Raises ConnectFailed."""
        self._check_encryption(server)
        try:
            check_address(server.host, server.port, allowed=self.allowed)
        except NotResolved:
            raise ConnectFailed(NOT_CONNECTED) from None

    def check_reachable(self, servers: Sequence[Server]) -> None:
        """Return if one of the servers accepts connections; raise ConnectFailed otherwise."""
        failure: ConnectFailed | None = None
        for server in servers:
            try:
                self.open_socket(server).close()
                return
            except ConnectFailed as problem:
                failure = problem
        if failure is not None:
            raise failure

    def open_socket(self, server: Server) -> socket.socket:
        """Connect to an allowed address of a server. Raises ConnectFailed."""
        self._check_encryption(server)
        try:
            return open_socket(
                server.host, server.port, allowed=self.allowed, seconds=CONNECT_SECONDS
            )
        except (NotResolved, NotConnected):
            # the same sentence for refused and filtered ports, so that nobody scans ports with it
            raise ConnectFailed(NOT_CONNECTED) from None

    def _check_encryption(self, server: Server) -> None:
        if not server.is_encrypted and server.name not in self.allowed:
            raise AddressNotAllowed(
                f"The connection to {server.name} is not encrypted.",
                f"Choose TLS, or ask an operator to add {server.name} to HUB_HTTP_ALLOW.",
            )


class Publisher(ABC):
    """A connection to a broker, which is made when it is needed. One thread uses it at a time."""

    def __init__(self, settings: Mapping[str, Any], network: Network) -> None:
        self.settings = settings
        self.network = network

    @abstractmethod
    def open(self) -> Any:
        """Connect and sign in, unless that is done. Raises ConnectFailed with a sentence."""

    @abstractmethod
    def publish(self, events: Sequence[BrokerEvent]) -> list[Rejection | None]:
        """Publish events within PUBLISH_SECONDS; return a rejection or None for each.

        None means that the broker confirmed that it stored the event. No two events have the same
        key. Raises ConnectFailed if nothing was published.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connection. Everything that was published is confirmed or rejected."""


class Broker(ABC):
    """A kind of message broker: its texts, its settings and its publisher."""

    name: ClassVar[str]  # the name of the package's folder, which never changes
    title: ClassVar[str]
    summary: ClassVar[str]
    module: ClassVar[str]  # the Python module that it needs, which may be missing
    extra: ClassVar[str]  # the optional dependency of `hub` that installs the module
    docs: ClassVar[str] = "brokers"  # a page of the documentation
    server_field: ClassVar[str] = "servers"  # the field of the form with the server
    batch: ClassVar[int] = 500  # events that are published together
    Form: ClassVar[type[ConfigForm]]

    @classmethod
    def account_of(cls, settings: Mapping[str, Any]) -> str:
        """Return what stored secrets belong to beside the fields that they are bound to."""
        del settings
        return ""

    @classmethod
    def is_installed(cls) -> bool:
        """Return whether the Python module that it needs is installed."""
        return importlib.util.find_spec(cls.module) is not None

    @classmethod
    @abstractmethod
    def servers(cls, settings: Mapping[str, Any]) -> list[Server]:
        """Return the servers in the settings."""

    @classmethod
    def address(cls, settings: Mapping[str, Any]) -> str:
        """Return the address that pages show, without secrets."""
        return f"{cls.name}://{','.join(server.name for server in cls.servers(settings))}"

    publisher: ClassVar[type[Publisher]]

    @classmethod
    def check(cls, settings: Mapping[str, Any], network: Network) -> CheckResult:
        """Test the settings without publishing an event, and describe the result."""
        publisher = cls.publisher(settings, network)
        try:
            publisher.open()
        except WrongSetting as problem:
            return CheckResult(False, str(problem), field=problem.field)
        except ConnectFailed as problem:
            return CheckResult(False, str(problem), field=cls.server_field)
        finally:
            publisher.close()
        return CheckResult(True, "Signpost is connected to the broker.")
