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


def build_webhooks_context(
    integration_class: type[Integration], connection: Connection | None
) -> dict[str, Any]:
    """Return the template variables of the panel with webhook URLs."""
    return {
        "webhooks": _webhooks(integration_class, connection),
        "last_callback": connection.last_callback_at if connection else None,
    }


def get_webhook_url(connection: Connection) -> str:
    """Return a connection's webhook URL, or '' if its integration has no webhooks."""
    path = next(iter(integrations.get(connection.integration).webhooks), "")
    return _url(path, connection) if path else ""


def _webhooks(
    integration_class: type[Integration], connection: Connection | None
) -> list[tuple[str, str, str]]:
    """Return the label, the URL and the help of each webhook.

    A new connection lacks URLs that contain its name, because the name is not known yet.
    """
    return [
        (label, _url(path, connection), help_text)
        for path, method in integration_class.webhooks.items()
        for label, help_text in (_describe(integration_class, path, method, connection),)
        if connection is not None or "{connection}" not in path
    ]


def _describe(
    integration_class: type[Integration], path: str, method: str, connection: Connection | None
) -> tuple[str, str]:
    """Return the label and the help of a webhook: the first sentence of its docstring, and more."""
    if path == integration_class.status_path:
        return "Status callbacks", _status_help(integration_class, connection)
    summary = (getattr(integration_class, method).__doc__ or "").strip().split("\n")[0]
    label, _, help_text = summary.partition(". ")
    return label.rstrip(".") or filters.capitalize_first(path), help_text


def _status_help(integration_class: type[Integration], connection: Connection | None) -> str:
    """Return whether each message carries the URL for status callbacks, and what to do if not."""
    test = connection is not None and connection.test
    try:
        api_urls = integration_instances.instances().api_urls(integration_class, test=test)
    except ConfigError:  # test connections send nothing outside the demo
        api_urls = ()
    if status_callback_url(_public_url(), integration_class.status_path, api_urls):
        return "Signpost sends this URL with each message. You do not need to set it up."
    return (
        f"{integration_class.provider or integration_class.title} cannot reach this URL, because it"
        " is on this machine only. To receive status callbacks, set HUB_PUBLIC_URL."
    )


def _url(path: str, connection: Connection | None) -> str:
    slug = connection.slug if connection else ""
    return f"{_public_url()}/api/rpc/webhooks/{path.replace('{connection}', slug)}"


def _public_url() -> str:
    url: str = current_app.extensions["hub.config"].public_url
    return url
