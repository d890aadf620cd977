"""Samples of Twilio's webhooks and codes, which the contract test reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from hub.integrations.api import (
    CallReport,
    Inbound,
    ProviderHttpClient,
    StatusUpdate,
    WebhookRequest,
)
from hub.integrations.twilio.sms import TwilioSms

SAMPLE_ACCEPTED = (
    201,
    {"sid": "SM11111111111111111111111111111111", "status": "queued", "num_segments": "1"},
)
SAMPLE_REFUSALS = [(400, {"code": 21608}, "21608"), (400, {"code": 21610}, "21610")]
SAMPLE_CODES = ["21608", "21610", "30003"]
SAMPLE_WEBHOOKS = [
    (
        "twilio/sms",
        {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "0"},
        b"MessageSid=SM11111111111111111111111111111111&MessageStatus=delivered&AccountSid=AC1"
        b"&To=%2B13175551234&From=%2B15005550006",
    ),
    (
        "twilio/whatsapp",
        {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "0"},
        b"MessageSid=SM22222222222222222222222222222222&MessageStatus=read&AccountSid=AC1"
        b"&To=whatsapp%3A%2B13175551234&From=whatsapp%3A%2B15005550006",
    ),
    (
        "twilio/inbound",
        {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "0"},
        b"MessageSid=SM33333333333333333333333333333333&SmsStatus=received&AccountSid=AC1"
        b"&From=%2B13175551234&To=%2B15005550006&Body=Hello&NumMedia=0",
    ),
    (
        "twilio/voice",
        {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "0"},
        b"CallSid=CA44444444444444444444444444444444&CallStatus=busy&AccountSid=AC1"
        b"&From=%2B15005550006&To=%2B13175551234&Direction=outbound-api&SequenceNumber=2",
    ),
]


def sign(request: WebhookRequest, settings: Mapping[str, Any]) -> WebhookRequest:
    """Sign a webhook as Twilio does. The test of the contract uses it."""
    validator = RequestValidator(settings["auth_token"])
    signature = validator.compute_signature(request.url, dict(request.form))
    return replace(request, headers={**request.headers, "x-twilio-signature": signature})


@pytest.mark.parametrize(
    ("sample", "kind"),
    list(zip(SAMPLE_WEBHOOKS, (StatusUpdate, StatusUpdate, Inbound, CallReport), strict=True)),
)
def test_sample_is_one_event(sample: tuple[str, dict[str, str], bytes], kind: type) -> None:
    path, headers, body = sample
    request = WebhookRequest("POST", f"https://hub.example/{path}", path, headers, body)
    twilio = TwilioSms({"auth_token": "t" * 32, "sender": ""}, ProviderHttpClient())
    assert [type(event) for event in twilio.parse_events(request)] == [kind]
