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
from hub.integrations.mqtt import errors
from hub.integrations.mqtt.form import MqttForm

# the names of responses that belong to no packet
CONNECT = "connect"
END = "end"


class MqttPublisher(broker.Publisher):
    """A connection that is closed, with what waits in it, after a failure."""

    def __init__(self, settings: Mapping[str, Any], network: Network) -> None:
        super().__init__(settings, network)
        self._client: Any = None
        self._answers: dict[Any, Any] = {}  # reason codes by packet, and of the connection
        self._changed = threading.Condition()

    def publish(self, events: Sequence[BrokerEvent]) -> list[Rejection | None]:
        """Publish events, and wait for the confirmations of all of them."""
        client = self.open()
        packets = [self._send(client, event) for event in events]
        self._wait(set(packets), broker.PUBLISH_SECONDS)
        results = [errors.rejection_of(self._answers.pop(packet, None)) for packet in packets]
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
        answer = self._answers.pop(CONNECT, None)
        if answer is None or answer.is_failure:
            is_closed = END in self._answers
            self.close()
            raise errors.refusal_to_connect(answer, is_closed=is_closed)
        return client

    def close(self) -> None:
        """Disconnect, and forget what was not confirmed."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
        self._client = None
        self._answers.clear()

    def _new_client(self) -> Any:
        from paho.mqtt.client import Client, MQTTv5
        from paho.mqtt.enums import CallbackAPIVersion

        version = CallbackAPIVersion.VERSION2
        client = Client(version, protocol=MQTTv5, reconnect_on_failure=False)
        client._create_socket_connection = self._open_socket  # type: ignore[method-assign]
        if self.settings.get("user"):
            client.username_pw_set(self.settings["user"], self.settings.get("password"))
        client.on_connect = lambda *event: self._record(CONNECT, event[3])
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
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = broker.CONTENT_TYPE
        properties.UserProperty = list(event.attributes.items())
        topic = f"signpost/{event.source}/{event.type}"
        return int(client.publish(topic, event.body, qos=1, properties=properties).mid)

    def _record(self, packet: Any, reason: Any) -> None:
        with self._changed:
            self._answers[packet] = reason
            self._changed.notify_all()

    def _wait(self, packets: set[Any], seconds: float) -> None:
        """Wait for responses, at most `seconds`, and no longer than the connection lasts."""
        with self._changed:
            self._changed.wait_for(
                lambda: END in self._answers or packets <= self._answers.keys(), seconds
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
