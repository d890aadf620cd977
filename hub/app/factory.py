"""The application factory: settings, extensions, blueprints."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask, Request
from werkzeug.routing import MapAdapter

from hub import models
from hub.app import body_limits, logs, middleware
from hub.core import config as settings
from hub.core.config import Config
from hub.db import engine, store
from hub.lib import unmatched
from hub.lib.crypto import Keyring
from hub.lib.page_text import Isolation
from hub.shared import integration_instances

# modules that register blueprints in `init_app`; workers save the memory of loading them
BLUEPRINTS = ("hub.app.health", "hub.webhooks", "hub.api", "hub.admin")


class PathRoutedFlask(Flask):
    """A Flask application that routes by the path alone.

    The Host header is ignored, so that it does not have to be parsed for each webhook. Pages and
    the API compare it with the public URL (`hub.lib.request_checks`).
    """

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(None)
        return MapAdapter(
            self.url_map,
            server_name="localhost",
            script_name=request.root_path,
            subdomain="",
            url_scheme=request.scheme,
            path_info=request.path,
            default_method=request.method,
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view or hook unchanged, because none is async."""
        return func


def create(config: Config | None = None, blueprints: Sequence[str] = BLUEPRINTS) -> Flask:
    """Create the application from `config` or the environment, with these blueprints."""
    config = config or settings.load()
    app = PathRoutedFlask("hub", static_folder=None, template_folder="templates")
    app.jinja_env.add_extension(Isolation)
    app.config.update(_flask_settings(config))
    # responses keep the order of fields that the documentation shows
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["hub.config"] = config
    app.extensions["hub.keyring"] = Keyring(config.encryption_keys)
    logs.configure(config)

    engine.db.init_app(app)
    store.init_app(app, config)
    integration_instances.init_app(app, config)
    # so that migrations include every table
    assert models.Message.metadata is engine.Base.metadata  # noqa: S101

    _disable_redirects(app)
    body_limits.init_app(app)
    unmatched.init_app(app)
    for module in blueprints:
        importlib.import_module(module).init_app(app)
    middleware.add_middleware(app, config)
    return app


def _flask_settings(config: Config) -> dict[str, Any]:
    """Return the settings of Flask and its extensions."""
    return {
        "SECRET_KEY": config.secret_key,
        "SQLALCHEMY_DATABASE_URI": config.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(config),
        "PREFERRED_URL_SCHEME": "https" if config.https else "http",
        "SESSION_COOKIE_NAME": "signpost",
        "SESSION_COOKIE_SECURE": config.https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": config.path_prefix or "/",
        "WTF_CSRF_TIME_LIMIT": None,
        # the admin guard checks the token after it has identified the user
        "WTF_CSRF_CHECK_DEFAULT": False,
        "TEMPLATES_AUTO_RELOAD": False,
    }


def _disable_redirects(app: Flask) -> None:
    """Match URLs with and without a trailing slash, because a redirect would lose the body of a
    webhook.
    """
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False


def _engine_options(config: Config) -> dict[str, Any]:
    # parameters in error messages would write phone numbers and names to the log
    options: dict[str, Any] = {"hide_parameters": True}
    if config.sqlite:
        # no limit: a writer with the lock would wait for a connection of threads that wait for it
        return options | {"pool_size": 0}
    postgresql_options = {
        "pool_timeout": engine.POOL_SECONDS,
        "connect_args": engine.connect_options(config.database_url),
    }
    return (
        options | {"pool_size": 16, "max_overflow": 16, "pool_pre_ping": True} | postgresql_options
    )
