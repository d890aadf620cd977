"""A proxy that adds TLS and a sign-in to a Kafka cluster for tests.

The mock cluster of librdkafka speaks neither. The proxy ends TLS, answers SaslHandshake and
SaslAuthenticate itself, and forwards everything else. See https://kafka.apache.org/protocol
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import certificates
from tests.kafka_cluster import KafkaCluster
from tests.sasl_server import MECHANISMS, Credentials, SignIn, SignInFailed

API_VERSIONS = 18
SASL_HANDSHAKE = 17
SASL_AUTHENTICATE = 36
LOCAL_APIS = (SASL_HANDSHAKE, SASL_AUTHENTICATE)
LAST_VERSION = 1  # of both, in which no field is compact
UNSUPPORTED_MECHANISM = 33
AUTHENTICATION_FAILED = 58
LARGEST_FRAME = 100 * 1024 * 1024  # the default of Kafka
FIRST_COMPACT_VERSIONS = 3  # of ApiVersions


class Disconnected(Exception):
    """The client or the broker has closed the connection."""


@dataclass
class KafkaProxy:
    """A proxy for all brokers of a cluster. Its user and password can be changed."""

    folder: Path
    cluster: KafkaCluster
    mechanisms: Sequence[str] = MECHANISMS
    credentials: Credentials = field(default_factory=Credentials)
    encrypted: bool = True
    sign_ins: list[str] = field(default_factory=list)  # the mechanisms that succeeded
    refusals: list[str] = field(default_factory=list)  # what clients whose sign-in failed read
    _ports: dict[int, int] = field(default_factory=dict)  # ours, by those of the brokers
    _connections: list[socket.socket] = field(default_factory=list)
    _tls: Any = None

    @property
    def servers(self) -> str:
        return ",".join(f"localhost:{port}" for port in self._ports.values())

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed ours."""
        return self.folder / "authority.pem"

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return the settings of the form for a valid sign-in."""
        return {
            "servers": self.servers,
            "encryption": "tls" if self.encrypted else "none",
            "ca": self.authority.read_text() if self.encrypted else "",
            "mechanism": "PLAIN",
            "user": self.credentials.user,
            "password": self.credentials.password,
            **more,
        }

    def start(self, listeners: ExitStack) -> None:
        """Listen on a port for each broker until the listeners are closed."""
        _, trusted, _ = certificates.write(self.folder)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(trusted)
        for server in self.cluster.servers.split(","):
            broker_port = int(server.rpartition(":")[2])
            listener = listeners.enter_context(socket.create_server(("127.0.0.1", 0)))
            listeners.callback(_shut, listener)
            self._ports[broker_port] = listener.getsockname()[1]
            threading.Thread(target=self._accept, args=(listener, broker_port), daemon=True).start()

    def disconnect(self) -> None:
        """Close all connections, as brokers do when they restart."""
        while self._connections:
            _shut(self._connections.pop())

    def _accept(self, listener: socket.socket, broker_port: int) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            target = (connection, broker_port)
            threading.Thread(target=self._serve, args=target, daemon=True).start()

    def _serve(self, connection: socket.socket, broker_port: int) -> None:
        with suppress(OSError, Disconnected, SignInFailed), ExitStack() as sockets:
            sockets.enter_context(connection)
            client = connection
            if self.encrypted:
                client = sockets.enter_context(self._tls.wrap_socket(connection, server_side=True))
            self._connections.append(client)
            broker = socket.create_connection(("127.0.0.1", broker_port))
            sockets.enter_context(closing(broker))
            self._sign_in(client, broker)
            while True:
                self._forward(client, broker, _read_frame(client))

    def _sign_in(self, client: socket.socket, broker: socket.socket) -> None:
        """Answer requests until the client has signed in. A broker allows no others before."""
        session: SignIn | None = None
        while session is None or not session.is_done:
            request = _read_frame(client)
            (kind,) = struct.unpack_from(">h", request)
            if kind == API_VERSIONS:
                self._forward(client, broker, request)
            elif kind == SASL_HANDSHAKE and session is None:
                session = self._choose_mechanism(client, request)
            elif kind == SASL_AUTHENTICATE and session is not None:
                self._authenticate(client, request, session)
            else:
                raise Disconnected
        self.sign_ins.append(session.mechanism)

    def _choose_mechanism(self, client: socket.socket, request: bytes) -> SignIn:
        """Answer whether the mechanism of a client is supported."""
        mechanism = _read_text(_body_of(request))
        is_known = mechanism in self.mechanisms
        code = 0 if is_known else UNSUPPORTED_MECHANISM
        names = b"".join(_text(name) for name in self.mechanisms)
        count = struct.pack(">hi", code, len(self.mechanisms))
        _write_frame(client, _correlation_of(request) + count + names)
        if not is_known:
            raise Disconnected
        return SignIn(mechanism, self.credentials)

    def _authenticate(self, client: socket.socket, request: bytes, session: SignIn) -> None:
        """Answer a step of a sign-in. Raises SignInFailed after a refusal was sent."""
        (version,) = struct.unpack_from(">h", request, 2)
        lifetime = struct.pack(">q", 0) if version else b""
        try:
            token = session.answer(_body_of(request)[4:])
        except SignInFailed as failure:
            self.refusals.append(str(failure))
            error = (
                struct.pack(">h", AUTHENTICATION_FAILED)
                + _text(str(failure))
                + struct.pack(">i", 0)
            )
            _write_frame(client, _correlation_of(request) + error + lifetime)
            raise
        result = struct.pack(">hhi", 0, -1, len(token)) + token
        _write_frame(client, _correlation_of(request) + result + lifetime)

    def _forward(self, client: socket.socket, broker: socket.socket, request: bytes) -> None:
        """Forward a request, and the response with our addresses in place of the broker's.

        Both names have nine letters, so no length in the response changes.
        """
        _write_frame(broker, request)
        response = _read_frame(broker)
        kind, version = struct.unpack_from(">hh", request)
        if kind == API_VERSIONS:
            response = _add_local_apis(response, compact=version >= FIRST_COMPACT_VERSIONS)
        for broker_port, port in self._ports.items():
            former = b"127.0.0.1" + struct.pack(">i", broker_port)
            response = response.replace(former, b"localhost" + struct.pack(">i", port))
        _write_frame(client, response)


@contextmanager
def kafka_proxy(folder: Path, cluster: KafkaCluster, **options: Any) -> Iterator[KafkaProxy]:
    """Run a proxy before a cluster. `folder` receives its certificates."""
    proxy = KafkaProxy(folder, cluster, **options)
    with ExitStack() as listeners:
        proxy.start(listeners)
        try:
            yield proxy
        finally:
            proxy.disconnect()


# ── Frames ────────────────────────────────────────────────────────────────────────────────────────
def _read_frame(connection: socket.socket) -> bytes:
    (length,) = struct.unpack(">i", _read(connection, 4))
    if not 0 < length < LARGEST_FRAME:
        raise Disconnected  # as Kafka does, for example if the first bytes are those of TLS
    return _read(connection, length)


def _read(connection: socket.socket, length: int) -> bytes:
    found = bytearray()
    while len(found) < length:
        part = connection.recv(length - len(found))
        if not part:
            raise Disconnected
        found += part
    return bytes(found)


def _write_frame(connection: socket.socket, content: bytes) -> None:
    connection.sendall(struct.pack(">i", len(content)) + content)


def _correlation_of(request: bytes) -> bytes:
    """Return the number with which the response to a request begins."""
    return request[4:8]


def _body_of(request: bytes) -> bytes:
    """Return a request without its header, which ends with the name of the client."""
    (length,) = struct.unpack_from(">h", request, 8)
    return request[10 + max(length, 0) :]


def _read_text(body: bytes) -> str:
    (length,) = struct.unpack_from(">h", body)
    return body[2 : 2 + length].decode()


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _add_local_apis(response: bytes, *, compact: bool) -> bytes:
    """Add the requests that the proxy answers to a response that lists those of the broker."""
    correlation_and_error = response[:6]
    rest = response[6:]
    tags = b"\0" if compact else b""
    entries = b"".join(struct.pack(">hhh", kind, 0, LAST_VERSION) + tags for kind in LOCAL_APIS)
    if not compact:
        (count,) = struct.unpack_from(">i", rest)
        number = struct.pack(">i", count + len(LOCAL_APIS))
        return correlation_and_error + number + entries + rest[4:]
    number = bytes([rest[0] + len(LOCAL_APIS)])  # one more than the entries; below 128 here
    return correlation_and_error + number + entries + rest[1:]


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
