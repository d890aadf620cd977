"""Build the packets of events, and measure them."""

from typing import Any

from hub.integrations.broker import CONTENT_TYPE, BrokerEvent

MAX_PACKET_SIZE = 268_435_460  # bytes, which the protocol allows


def topic_of(event: BrokerEvent) -> str:
    """Return the topic of an event."""
    return f"signpost/{event.source}/{event.type}"


def properties_of(event: BrokerEvent) -> Any:
    """Return the properties of an event's packet: the attributes of CloudEvents."""
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = CONTENT_TYPE
    properties.UserProperty = list(event.attributes.items())
    return properties


def size_of(event: BrokerEvent, properties: Any) -> int:
    """Return the length of an event's packet in bytes.

    https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901100
    """
    topic_and_id = 2 + len(topic_of(event).encode()) + 2
    length = topic_and_id + len(properties.pack()) + len(event.body)
    return 1 + len(_length_of(length)) + length


def _length_of(value: int) -> bytes:
    from paho.mqtt.properties import VariableByteIntegers

    encoded: bytes = VariableByteIntegers.encode(value)  # type: ignore[no-untyped-call]
    return encoded
