"""Events to a broker that speaks MQTT 5."""

from hub.integrations.mqtt.integration import Mqtt

__all__ = ["Mqtt"]
