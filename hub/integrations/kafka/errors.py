"""Describe the errors of librdkafka in plain words."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from hub.integrations.broker import NOT_CONNECTED

NOT_CONFIRMED = "The broker did not confirm the event in time."
TIMED_OUT = {"_MSG_TIMED_OUT", "_TIMED_OUT", "REQUEST_TIMED_OUT", "_TIMED_OUT_QUEUE"}
# codes without a cause: another code of the same connection may name it
VAGUE = TIMED_OUT | {"_TRANSPORT", "_ALL_BROKERS_DOWN"}
# reports of a broker that no repetition changes; more sign-ins could lock the user
SIGN_IN_FAILED = {
    "_AUTHENTICATION",
    "SASL_AUTHENTICATION_FAILED",
    "UNSUPPORTED_SASL_MECHANISM",
    "_UNSUPPORTED_FEATURE",
}
# codes that Signpost adds
BAD_CERTIFICATE = "BAD_CERTIFICATE"
NO_ANSWER = "NO_ANSWER"
OWN_CODES = (BAD_CERTIFICATE, NO_ANSWER)  # which a reader finds in no documentation
# words in the text of an error that are more specific than its code
DETAILS = {
    ("_AUTHENTICATION", "Unsupported SASL mechanism"): "UNSUPPORTED_SASL_MECHANISM",
    ("_SSL", "certificate verify failed"): BAD_CERTIFICATE,
}
# the names of codes in confluent_kafka.KafkaError, the most specific cause first
SENTENCES = {
    "_AUTHENTICATION": "The broker did not accept the user and the password.",
    "SASL_AUTHENTICATION_FAILED": "The broker did not accept the user and the password.",
    "UNSUPPORTED_SASL_MECHANISM": "The broker does not support this SASL mechanism.",
    "_UNSUPPORTED_FEATURE": "The broker does not support this SASL mechanism.",
    BAD_CERTIFICATE: (
        "The certificate of the broker was not accepted. It is for another name, has expired, or is"
        " signed by an unknown authority."
    ),
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
    NO_ANSWER: (
        "The server accepts connections, but did not respond as a Kafka broker. The port, the"
        " encryption or the SASL mechanism may be wrong."
    ),
}
# the same event would be rejected again
FINAL = {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD"}
# the setting at fault, for the form
FIELDS = {
    "_AUTHENTICATION": "user",
    "SASL_AUTHENTICATION_FAILED": "user",
    "UNSUPPORTED_SASL_MECHANISM": "mechanism",
    "_UNSUPPORTED_FEATURE": "mechanism",
    BAD_CERTIFICATE: "ca",
    "_SSL": "encryption",
    NO_ANSWER: "encryption",
    "TOPIC_AUTHORIZATION_FAILED": "topic",
    "UNKNOWN_TOPIC_OR_PART": "topic",
    "_UNKNOWN_TOPIC": "topic",
    "TOPIC_EXCEPTION": "topic",
}


def read_code(error: Any) -> str:
    """Return the code of a KafkaError, or a more specific one if its text has details."""
    name = str(error.name())
    for (code, words), detailed in DETAILS.items():
        if name == code and words in error.str():
            return detailed
    return name


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
