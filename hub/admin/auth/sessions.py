"""Browser sessions in a signed cookie, for pages only."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request
from flask.sessions import SecureCookieSessionInterface

# Flask opens the session before it knows the route
WITHOUT_SESSION = ("/api/", "/static/", "/healthz", "/readyz")


class PageSessions(SecureCookieSessionInterface):
    """Skip sessions for webhooks, API requests, static files and health checks."""

    def open_session(self, app: Flask, request: Request) -> Any:
        if request.path.startswith(WITHOUT_SESSION):
            return self.make_null_session(app)
        return super().open_session(app, request)
