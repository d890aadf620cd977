"""List the addresses that webhooks may reach although they are private or not encrypted."""

from __future__ import annotations

from flask import current_app

from hub.core.config import Config


def allowed_addresses() -> frozenset[str]:
    """Return `host:port` entries: those of HUB_HTTP_ALLOW, and the simulator's in a demo."""
    config: Config = current_app.extensions["hub.config"]
    return config.http_allow | ({str(config.simulator_bind)} if config.demo else frozenset())
