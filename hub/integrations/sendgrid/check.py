"""Test a connection without sending: the permissions of the key, and a request in sandbox mode.

https://www.twilio.com/docs/sendgrid/for-developers/sending-email/sandbox-mode
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.integrations.api import CheckResult, Outbound, ProviderResponse
from hub.integrations.sendgrid.errors import ERRORS
from hub.integrations.sendgrid.mail_send import mail_send_request

SEND_SCOPE = "mail.send"
NO_KEY = (
    "The verification key is missing, so Signpost refuses SendGrid’s events: messages stay"
    " accepted, and nobody is opted out. Set up the Event Webhook and enter its key."
)


def check_key(
    request: Callable[..., ProviderResponse], settings: Mapping[str, Any], path: str
) -> CheckResult:
    """Test the settings. Raises a SendError."""
    scopes = request("GET", "/v3/scopes").json.get("scopes")
    if not isinstance(scopes, list) or SEND_SCOPE not in scopes:
        raise ERRORS.error("no_permission")
    sender = settings["from_address"]
    trial = mail_send_request(Outbound("test", 1, sender, "A test of the settings."), settings)
    request("POST", path, content={**trial, "mail_settings": {"sandbox_mode": {"enable": True}}})
    warnings = () if settings.get("verification_key") else (NO_KEY,)
    return CheckResult(
        True,
        "SendGrid accepts the API key and the From address.",
        "Nothing was sent. Send a test message to see whether it arrives.",
        warnings=warnings,
    )
