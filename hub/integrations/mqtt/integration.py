"""MQTT 5 as a target of platform events. The broker confirms each event (QoS 1)."""

import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from hub.integrations import broker
from hub.integrations.broker import (
    BrokerEvent,
    ConnectFailed,
    Network,
    Rejection,
    Server,
    WrongSetting,
)
from hub.integrations.mqtt import errors, packets
from hub.integrations.mqtt.form import MqttForm

# the names of responses that belong to no packet
CONNECT = "connect"
END = "end"
TOO_LARGE = 0  # in place of a packet that was not sent


class MqttPublisher(broker.Publisher):
    """A connection that is closed, with what waits in it, after a failure."""

    def __init__(self, settings: Mapping[str, Any], network: Network) -> None:
        super().__init__(settings, network)
        self._client: Any = None
        self._acknowledgments: dict[Any, Any] = {}  # reason codes by packet, and of the connection
        self._changed = threading.Condition()
        self._largest = packets.MAX_PACKET_SIZE  # bytes of a packet

    def publish(self, events: Sequence[BrokerEvent]) -> list[Rejection | None]:
        """Publish events, and wait for the confirmations of all of them."""
        client = self.open()
        sent = [self._send(client, event) for event in events]
        self._wait(set(sent) - {TOO_LARGE}, broker.PUBLISH_SECONDS)
        results = [self._result_of(packet) for packet in sent]
        if any(result is not None and not result.final for result in results):
            self.close()
        return results

    def open(self) -> Any:
        """Return the connected client. Raises ConnectFailed."""
        if self._client is not None and self._client.is_connected():
            return self._client
        self.close()
        self._client = client = self._new_client()
        try:
            client.connect(self.settings["host"], int(self.settings["port"]))
        except OSError:
            raise ConnectFailed(broker.NOT_CONNECTED) from None
        client.loop_start()
        self._wait({CONNECT}, broker.CONNECT_SECONDS)
        acknowledgment = self._acknowledgments.pop(CONNECT, None)
        if acknowledgment is None or acknowledgment.is_failure:
            is_closed = END in self._acknowledgments
            self.close()
            raise errors.refusal_to_connect(acknowledgment, is_closed=is_closed)
        return client

    def close(self) -> None:
        """Disconnect, and forget what was not confirmed."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
        self._client = None
        self._acknowledgments.clear()

    def _new_client(self) -> Any:
        from paho.mqtt.client import Client, MQTTv5
        from paho.mqtt.enums import CallbackAPIVersion

        version = CallbackAPIVersion.VERSION2
        client = Client(version, protocol=MQTTv5, reconnect_on_failure=False)
        client._create_socket_connection = self._open_socket  # type: ignore[method-assign]
        if self.settings.get("user"):
            client.username_pw_set(self.settings["user"], self.settings.get("password"))
        client.on_connect = self._record_connection
        client.on_disconnect = lambda *event: self._record(END, event[3])
        client.on_publish = lambda *event: self._record(event[2], event[3])
        return client

    def _open_socket(self) -> socket.socket:
        server = Mqtt.servers(self.settings)[0]
        connection = self.network.open_socket(server)
        if not server.is_encrypted:
            return connection
        try:
            context = ssl.create_default_context(cafile=self.network.ca_file)
            return context.wrap_socket(connection, server_hostname=server.host)
        except OSError as error:
            connection.close()
            is_certificate = isinstance(error, ssl.SSLCertVerificationError)
            problem = errors.CERTIFICATE if is_certificate else errors.NO_TLS
            raise WrongSetting(problem, "encryption") from None

    def _send(self, client: Any, event: BrokerEvent) -> int:
        properties = packets.properties_of(event)
        if packets.size_of(event, properties) > self._largest:
            return TOO_LARGE  # the broker would close the connection, with all other events
        topic = packets.topic_of(event)
        return int(client.publish(topic, event.body, qos=1, properties=properties).mid)

    def _result_of(self, packet: int) -> Rejection | None:
        is_sent = packet != TOO_LARGE
        return (
            errors.rejection_of(self._acknowledgments.pop(packet, None))
            if is_sent
            else errors.TOO_LARGE
        )

    def _record_connection(self, *event: Any) -> None:
        self._largest = getattr(event[4], "MaximumPacketSize", packets.MAX_PACKET_SIZE)
        self._record(CONNECT, event[3])

    def _record(self, packet: Any, reason: Any) -> None:
        with self._changed:
            self._acknowledgments[packet] = reason
            self._changed.notify_all()

    def _wait(self, awaited: set[Any], seconds: float) -> None:
        """Wait for responses, at most `seconds`, and no longer than the connection lasts."""
        with self._changed:
            self._changed.wait_for(
                lambda: END in self._acknowledgments or awaited <= self._acknowledgments.keys(),
                seconds,
            )


class Mqtt(broker.Broker):
    """Brokers such as Mosquitto, EMQX and HiveMQ."""

    name = "mqtt"
    title = "MQTT"
    summary = "Topics of a broker that speaks MQTT 5, such as Mosquitto, EMQX or HiveMQ."
    module = "paho"
    extra = "mqtt"
    server_field = "host"
    Form = MqttForm
    publisher = MqttPublisher

    @classmethod
    def servers(cls, settings: Mapping[str, Any]) -> list[Server]:
        """Return the server."""
        is_encrypted = settings["encryption"] == "tls"
        return [Server(settings["host"], int(settings["port"]), is_encrypted)]
