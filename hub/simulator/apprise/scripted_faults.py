"""Tokens of the simulated services that fail on purpose, with the statuses that services use."""

from __future__ import annotations

from hub.simulator.fault import Fault

TOKENS = (
    Fault("fail-302", "", "Redirect to another address", 302),
    Fault("fail-400", "invalid", "Service cannot use the message or the URL", 400),
    Fault("fail-401", "unauthorized", "Token is wrong or was revoked", 401),
    Fault("fail-403", "forbidden", "Token may not post there", 403),
    Fault("fail-404", "unknown", "Webhook, channel or device was deleted", 404),
    Fault("fail-410", "gone", "Webhook was deleted permanently", 410),
    Fault("fail-413", "too large", "Message is too large", 413),
    Fault("fail-429", "slow down", "Rate limited, Retry-After 1", 429, fails_once=True),
    Fault("fail-500", "failed", "Error after accepting the message", 500, breaks=True),
    Fault("fail-503", "unavailable", "Service is unavailable", 503, fails_once=True),
    Fault("fail-504", "", "No response", hangs=60),
)
