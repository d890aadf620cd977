"""Requests to the simulated Twilio without its SDK."""

from base64 import b64encode

import pytest
from twilio.base.exceptions import TwilioRestException

FROM = "+15005550006"


def request(simulator, path, method="GET", body=None):
    credentials = simulator.credentials
    basic = b64encode(f"{credentials.account_sid}:{credentials.auth_token}".encode()).decode()
    return simulator.call(method, path, body, Authorization=f"Basic {basic}")


def account_path(simulator, suffix=".json"):
    return f"/2010-04-01/Accounts/{simulator.credentials.account_sid}{suffix}"


def refusal(ask):
    with pytest.raises(TwilioRestException) as caught:
        ask()
    return caught.value
