"""Events to Apache Kafka, and to services that speak its protocol."""

from hub.integrations.kafka.integration import Kafka

__all__ = ["Kafka"]
