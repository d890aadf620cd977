"""Flask extensions of the pages: sign-in, protection against forged forms, and limits."""

from __future__ import annotations

from flask import Flask
from flask_login import LoginManager
from flask_wtf.csrf import CSRFProtect

from hub.accounts import rate_limits

csrf = CSRFProtect()
login = LoginManager()


def init_app(app: Flask, pages: str) -> None:
    """Set up the extensions for `pages`, the name of a blueprint that is registered.

    Each extension hooks into all requests. Their hooks are moved to the blueprint, so that
    webhooks, API requests and health checks do not run them.
    """
    csrf.init_app(app)
    login.init_app(app)
    rate_limits.init_app(app, app.extensions["hub.config"])
    for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs):
        hooks[pages] = [*hooks.pop(None, ()), *hooks[pages]]
