"""Create webhooks as the signing apps Documenso and PactSafe send them."""

from __future__ import annotations

import json
from typing import Any

from hub.integrations.pactsafe.integration import TOKEN_HEADER
from tests.fuzz.random_values import JSON, PREFIX, RandomValues, Webhook

DOCUMENSO_EVENTS = (
    "DOCUMENT_SENT",
    "DOCUMENT_OPENED",
    "DOCUMENT_SIGNED",
    "DOCUMENT_RECIPIENT_COMPLETED",
    "DOCUMENT_COMPLETED",
    "DOCUMENT_REJECTED",
    "DOCUMENT_CANCELLED",
    "DOCUMENT_CREATED",
    "TEMPLATE_CREATED",
)
PACTSAFE_EVENTS = (
    "request_sent",
    "request_signed",
    "request_complete",
    "request_expired",
    "activity_visited",
    "test_event",
)


def make_documenso_webhook(source: RandomValues) -> Webhook:
    people: Any = [_recipient(source) for _ in range(source.random.randrange(4))]
    document = {
        "id": source.random.randrange(1, 100),
        "envelopeId": f"envelope_{source.random.randrange(5)}",
        "title": source.text(),
        "updatedAt": source.random.choice(["2026-11-21T11:48:07.569Z", source.text()]),
        "completedAt": source.random.choice(["2026-11-21T11:52:05.688Z", source.text(), None]),
        "documentMeta": {
            "signingOrder": source.random.choice(["PARALLEL", "SEQUENTIAL"]),
            "language": source.random.choice(["en", "de", source.text()]),
        },
        "recipients": people,
    }
    _replace_values(source, document)
    content: dict[str, Any] = {
        "event": source.random.choice([*DOCUMENSO_EVENTS, source.text()]),
        "payload": document,
        "createdAt": "2026-11-21T11:48:09.000Z",
    }
    secret = source.credentials.derive("documenso webhook")
    return _webhook(source, "documenso", content, {"X-Documenso-Secret": secret})


def make_pactsafe_webhook(source: RandomValues) -> Webhook:
    content: dict[str, Any] = {
        "id": source.hex(24),
        "event_type": source.random.choice([*PACTSAFE_EVENTS, source.text()]),
        "request": source.random.choice([source.hex(24), source.text()]),
        "signer": source.random.choice([source.hex(24), source.text()]),
        "created_time": source.random.choice(["2026-11-21T11:48:09.000Z", source.text()]),
    }
    secret = source.credentials.derive("pactsafe webhook")
    return _webhook(source, "pactsafe", content, {TOKEN_HEADER: secret})


def _recipient(source: RandomValues) -> dict[str, Any]:
    recipient = {
        "id": source.random.randrange(1, 9),
        "email": source.random.choice(["eric@example.com", source.text()]),
        "name": source.text(),
        "token": source.random.choice([source.hex(12), source.text()]),
        "signedAt": source.random.choice(["2026-11-21T11:52:05.688Z", None]),
        "signingOrder": source.random.choice([1, 2, source.value()]),
        "role": source.random.choice(["SIGNER", "CC", source.text()]),
        "readStatus": source.random.choice(["OPENED", "NOT_OPENED"]),
        "signingStatus": source.random.choice(["SIGNED", "NOT_SIGNED", "REJECTED"]),
    }
    _replace_values(source, recipient)
    return recipient


def _replace_values(source: RandomValues, fields: dict[str, Any]) -> None:
    """Replace up to two fields with any JSON value."""
    for name in source.random.sample(sorted(fields), k=source.random.randrange(3)):
        fields[name] = source.value()


def _webhook(
    source: RandomValues, name: str, content: dict[str, Any], headers: dict[str, str]
) -> Webhook:
    _replace_values(source, content)
    target = f"{PREFIX}{name}/demo-{name}"
    body = json.dumps(content).encode()
    return Webhook(target, body, JSON, headers, True, f"{name}: {content}")
