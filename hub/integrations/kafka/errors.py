"""Describe the errors of librdkafka in plain words."""

from __future__ import annotations

from collections.abc import Collection

from hub.integrations.broker import NOT_CONNECTED

NOT_CONFIRMED = "The broker did not confirm the event in time."
TIMED_OUT = {"_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT", "_TIMED_OUT_QUEUE"}
# codes that do not say why: another one of the same connection may
VAGUE = TIMED_OUT | {"_TRANSPORT", "_ALL_BROKERS_DOWN"}
# the names of codes in confluent_kafka.KafkaError, the most specific cause first
SENTENCES = {
    "_AUTHENTICATION": "The broker did not accept the user and the password.",
    "SASL_AUTHENTICATION_FAILED": "The broker did not accept the user and the password.",
    "UNSUPPORTED_SASL_MECHANISM": "The broker does not support this SASL mechanism.",
    "_UNSUPPORTED_FEATURE": "The broker does not support this SASL mechanism.",
    "_SSL": (
        "No encrypted connection to the broker. Its certificate was not accepted, or the port does"
        " not use TLS."
    ),
    "TOPIC_AUTHORIZATION_FAILED": "The user may not write to the topic.",
    "CLUSTER_AUTHORIZATION_FAILED": (
        "The user may not write idempotently. Grant it IDEMPOTENT_WRITE on the cluster."
    ),
    "UNKNOWN_TOPIC_OR_PART": "The topic does not exist.",
    "_UNKNOWN_TOPIC": "The topic does not exist.",
    "_UNKNOWN_PARTITION": "The topic does not exist.",
    "TOPIC_EXCEPTION": "The cluster does not accept the name of the topic.",
    "NOT_ENOUGH_REPLICAS": "Too few replicas of the topic are in sync.",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": "Too few replicas of the topic are in sync.",
    "MSG_SIZE_TOO_LARGE": "The event is larger than the topic allows.",
    "RECORD_LIST_TOO_LARGE": "The event is larger than the topic allows.",
    "INVALID_RECORD": "The topic does not accept this event.",
    "_ALL_BROKERS_DOWN": NOT_CONNECTED,
    "_TRANSPORT": NOT_CONNECTED,
    "_RESOLVE": NOT_CONNECTED,
}
# the same event would be rejected again
FINAL = {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD"}
# the setting at fault, for the form
FIELDS = {
    "_AUTHENTICATION": "user",
    "SASL_AUTHENTICATION_FAILED": "user",
    "UNSUPPORTED_SASL_MECHANISM": "mechanism",
    "_UNSUPPORTED_FEATURE": "mechanism",
    "_SSL": "encryption",
    "TOPIC_AUTHORIZATION_FAILED": "topic",
    "UNKNOWN_TOPIC_OR_PART": "topic",
    "_UNKNOWN_TOPIC": "topic",
    "TOPIC_EXCEPTION": "topic",
}


def cause_of(code: str, others: Collection[str] = ()) -> str:
    """Return the code that explains a failure: its own, or for a vague one that of the connection.

    `others`: the codes that the connection reported since the last success.
    """
    if code not in VAGUE:
        return code
    return next((known for known in SENTENCES if known in others), code)


def describe(code: str) -> str:
    """Return a code as a sentence."""
    if code in TIMED_OUT:
        return NOT_CONFIRMED
    return SENTENCES.get(code, f"The broker reported the error {code.lstrip('_')}.")
