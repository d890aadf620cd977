"""Create events of emails as SendGrid posts them."""

from __future__ import annotations

import json
import time
from typing import Any

from hub.simulator.sendgrid.events import PATH, SIGNATURE, TIMESTAMP, sign
from hub.simulator.sendgrid.scripted_faults import REPORTING
from tests.fuzz.random_values import JSON, RandomValues, Webhook

KINDS = [dict(event) for reported in REPORTING for event in reported.events]


def make_webhook(source: RandomValues) -> Webhook:
    events: Any = [_event(source) for _ in range(source.random.randrange(4))]
    if source.random.random() < 0.1:
        events = source.value()
    body = json.dumps(events).encode()
    signed_at = str(int(time.time()))
    signature = sign(source.credentials, signed_at.encode() + body)
    headers = {SIGNATURE: signature, TIMESTAMP: signed_at}
    return Webhook(PATH, body, JSON, headers, True, f"SendGrid: {events}")


def _event(source: RandomValues) -> dict[str, Any]:
    message_id = source.random.choice([*source.messages, f"msg_{source.hex()}", source.text()])
    event = {
        **source.random.choice(KINDS),
        "email": f"{source.text()}@example.com",
        "timestamp": source.random.choice([int(time.time()), source.value()]),
        "signpost_message": f"{message_id}.{source.random.choice([1, 2, source.text()])}",
        "sg_event_id": source.hex(),
        "sg_message_id": source.text(),
    }
    for name in source.random.sample(sorted(event), k=source.random.randrange(3)):
        event[name] = source.value()
    return event
