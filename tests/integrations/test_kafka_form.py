"""The form of Kafka accepts servers and topics that can exist, and explains all others."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from hub.integrations.kafka.errors import (
    BAD_CERTIFICATE,
    DETAILS,
    FIELDS,
    FINAL,
    NO_ANSWER,
    SENTENCES,
    SIGN_IN_FAILED,
    cause_of,
    describe,
)
from hub.integrations.kafka.form import KafkaForm, read_servers

HOSTS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,10})?", fullmatch=True)
OURS = {BAD_CERTIFICATE, NO_ANSWER}
PORTS = st.integers(1, 65535)
CODES = st.sampled_from(sorted(SENTENCES)) | st.from_regex(
    r"_?[A-Z]{2,10}(_[A-Z]{2,10})?", fullmatch=True
)


@given(
    st.lists(st.tuples(HOSTS, PORTS), min_size=1, max_size=20),
    st.sampled_from([",", ", ", " ", "\n"]),
)
def test_servers_are_read_as_they_are_entered(
    servers: list[tuple[str, int]], separator: str
) -> None:
    text = separator.join(f"{host.upper()}:{port}" for host, port in servers)
    read = read_servers(f" {text} ", is_encrypted=True)
    assert [(server.host, server.port) for server in read] == servers


@given(st.text(max_size=60))
def test_any_other_text_is_refused_with_a_sentence(text: str) -> None:
    try:
        servers = read_servers(text, is_encrypted=False)
    except ValueError as refusal:
        sentence = str(refusal)
        servers = []
    else:
        sentence = ""
    assert bool(servers) is not bool(re.fullmatch(r"Enter .+\.", sentence))
    assert all(server.host and 1 <= server.port <= 65535 for server in servers)


@given(st.text(max_size=260))
def test_topic_is_accepted_only_with_the_characters_of_kafka(topic: str) -> None:
    form = KafkaForm(
        MultiDict({"servers": "kafka.example:9093", "topic": topic, "encryption": "tls"})
    )
    form.validate()
    clean = topic.strip()
    is_valid = re.fullmatch(r"[A-Za-z0-9._-]{1,249}", clean) and clean not in (".", "..")
    assert bool(form.topic.errors) is not bool(is_valid)


@given(CODES, st.sets(CODES, max_size=4))
def test_every_error_becomes_a_sentence(code: str, others: set[str]) -> None:
    cause = cause_of(code, others)
    assert cause in {code, *others}
    assert re.fullmatch(r"[A-Z].+\.", describe(cause))


def test_tables_of_codes_agree() -> None:
    assert set(FIELDS) | FINAL <= set(SENTENCES)
    assert SIGN_IN_FAILED | set(DETAILS.values()) <= set(SENTENCES)
    from confluent_kafka import KafkaError

    assert all(hasattr(KafkaError, code) for code in set(SENTENCES) - OURS)
