"""Describe where an endpoint is: the URL of a webhook, or the servers of a message broker."""

from __future__ import annotations

from hub.core.errors import DecryptionError, NotFound
from hub.integrations import brokers
from hub.models import WebhookEndpoint
from hub.models.webhook_endpoint import WEBHOOK


def address_of(endpoint: WebhookEndpoint) -> str:
    """Return the address without secrets, '' if the settings cannot be decrypted."""
    try:
        settings = endpoint.settings or {}
        if endpoint.kind == WEBHOOK:
            return str(settings.get("url", ""))
        return brokers.get(endpoint.kind).address(settings) if settings else ""
    except (DecryptionError, NotFound):
        return ""
