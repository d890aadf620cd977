"""Webhooks of the providers: /api/rpc/webhooks/…, for all integrations.

A webhook is verified, stored and acknowledged. Everything else happens later, in a worker.

views      the route      responses   responses and errors as JSON      target   the signed URL
"""

from __future__ import annotations

from flask import Flask

from hub.lib import unmatched
from hub.webhooks import responses
from hub.webhooks.views import PREFIX, webhooks


def init_app(app: Flask) -> None:
    """Register the route of webhooks."""
    app.register_blueprint(webhooks)
    unmatched.register_fallback(app, f"{PREFIX}/", responses.http_error)
