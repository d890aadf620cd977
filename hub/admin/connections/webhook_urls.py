"""List the webhook URLs that a connection's page shows."""

from __future__ import annotations

from typing import Any

from flask import current_app

from hub import integrations
from hub.admin.view import filters
from hub.core.errors import ConfigError
from hub.integrations.base import Integration
from hub.messaging.send.outbound import status_callback_url
from hub.models import Connection
from hub.shared import integration_instances


def build_webhooks_context(cls: type[Integration], connection: Connection | None) -> dict[str, Any]:
    """Return the template variables of the panel with webhook URLs."""
    return {
        "webhooks": _webhooks(cls, connection),
        "last_callback": connection.last_callback_at if connection else None,
    }


def get_webhook_url(connection: Connection) -> str:
    """Return a connection's webhook URL, or '' if its integration has no webhooks."""
    path = next(iter(integrations.get(connection.integration).webhooks), "")
    return _url(path, connection) if path else ""


def _webhooks(cls: type[Integration], connection: Connection | None) -> list[tuple[str, str]]:
    """Return the label and URL of each webhook.

    A new connection lacks URLs that contain its name, because the name is not known yet.
    """
    return [
        (_label(cls, path, method, connection), _url(path, connection))
        for path, method in cls.webhooks.items()
        if connection is not None or "{connection}" not in path
    ]


def _label(cls: type[Integration], path: str, method: str, connection: Connection | None) -> str:
    if path == cls.status_path:
        return _status_label(cls, connection)
    summary = (getattr(cls, method).__doc__ or "").strip().split("\n")[0].rstrip(".")
    return summary or filters.capitalize_first(path)


def _status_label(cls: type[Integration], connection: Connection | None) -> str:
    """Return the label that says whether each message carries the URL for status callbacks."""
    test = connection is not None and connection.test
    try:
        api_urls = integration_instances.instances().api_urls(cls, test=test)
    except ConfigError:  # test connections send nothing outside the demo
        api_urls = ()
    if status_callback_url(_public_url(), cls.status_path, api_urls):
        return "Status callbacks. Signpost sends this address with each message"
    return (
        "Status callbacks. Not sent, because only this machine can reach the address. Set"
        " HUB_PUBLIC_URL to receive them"
    )


def _url(path: str, connection: Connection | None) -> str:
    slug = connection.slug if connection else ""
    return f"{_public_url()}/api/rpc/webhooks/{path.replace('{connection}', slug)}"


def _public_url() -> str:
    url: str = current_app.extensions["hub.config"].public_url
    return url
