"""Putting the application together."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import IO, Any, TypeVar
from urllib.parse import unquote

import structlog
from flask import Flask, Request, Response, current_app, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    NotFound,
    RequestEntityTooLarge,
    SecurityError,
)
from werkzeug.middleware.proxy_fix import ProxyFix

from hub import models
from hub.core import config as settings
from hub.core.config import LARGEST_BODY, Config
from hub.db import engine, store
from hub.lib import redaction
from hub.lib.crypto import Keyring
from hub.lib.page_text import Isolation
from hub.lib.storable import is_storable
from hub.shared import integration_instances

DOORS = ("hub.app.health", "hub.webhooks", "hub.api", "hub.admin")
# styles and scripts come from our own files only; Bootstrap's sheet contains data: images
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; font-src"
    " 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
T = TypeVar("T")
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


UNSTORABLE = (
    "The address or a header contains a character that cannot be stored, such as NUL. Remove it."
)


class HubRequest(Request):
    """A request whose body is refused, not cut off, when it is too large and does not say so in
    advance.
    """

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return BytesIO()  # werkzeug's own would write what is large to a disk, unsealed

    def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> Any:
        data = super().get_data(cache, False, parse_form_data)
        if len(data) > LARGEST_BODY:
            raise RequestEntityTooLarge
        return data.decode(errors="replace") if as_text else data


class Sessions(SecureCookieSessionInterface):
    """Open sessions for pages only. API requests and static files work without one."""

    def open_session(self, app: Flask, request: Request) -> Any:
        if request.path.startswith(("/api/", "/static/")):
            return self.make_null_session(app)
        return super().open_session(app, request)


def create(config: Config | None = None, doors: Sequence[str] = DOORS) -> Flask:
    """Make the application from `config`, or from the environment, with these doors."""
    config = config or settings.load()
    app = Flask("hub", static_folder=None, template_folder="templates")
    app.request_class = HubRequest
    app.session_interface = Sessions()
    app.jinja_env.add_extension(Isolation)
    app.config.update(_flask_settings(config))
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers keep the order that the documentation shows
    app.extensions["hub.config"] = config
    app.extensions["hub.keyring"] = Keyring(config.encryption_keys)
    _log(config)

    engine.db.init_app(app)
    store.init_app(app, config)
    integration_instances.init_app(app, config)
    assert models.Message.metadata is engine.Base.metadata  # noqa: S101 - migrations see every table

    _route_strictly(app)
    _check_requests(app, config)
    app.extensions["hub.nowhere"] = {}
    for door in doors:
        importlib.import_module(door).init_app(app)
    app.extensions["hub.body_limit"] = partial(_body_limit, app)
    for status in (400, 404, 405):
        app.register_error_handler(status, _nowhere)
    _wrap_wsgi(app, config)
    return app


def _flask_settings(config: Config) -> dict[str, Any]:
    """Return the settings of Flask and its extensions."""
    return {
        "SECRET_KEY": config.secret_key,
        "SQLALCHEMY_DATABASE_URI": config.database_url,
        "SQLALCHEMY_ENGINE_OPTIONS": _engine_options(config),
        "MAX_CONTENT_LENGTH": LARGEST_BODY + 1,
        "PREFERRED_URL_SCHEME": "https" if config.https else "http",
        "SESSION_COOKIE_NAME": "signpost",
        "SESSION_COOKIE_SECURE": config.https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": config.path_prefix or "/",
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_CHECK_DEFAULT": False,  # the admin door checks; the others take no cookie
        "RATELIMIT_STORAGE_URI": config.redis_url.replace("unix://", "redis+unix://", 1),
        "RATELIMIT_STORAGE_OPTIONS": {"socket_timeout": 0.1},
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
        "RATELIMIT_KEY_PREFIX": "hub",
        "TEMPLATES_AUTO_RELOAD": False,
    }


def _route_strictly(app: Flask) -> None:
    """Redirect nothing: a redirect would lose what a provider posted."""
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False


def _check_requests(app: Flask, config: Config) -> None:
    """Refuse requests for other hosts or with bad text, and add the headers of every response."""
    hosts = _hosts(config)
    app.before_request(lambda: _check_host(hosts, config.public_url))
    app.before_request(_check_text)
    app.after_request(_add_secure_headers if config.https else _add_headers)


def _wrap_wsgi(app: Flask, config: Config) -> None:
    """Put the layers around the application that see a request before Flask does."""
    app.wsgi_app = _UnderPrefix(app.wsgi_app, config.path_prefix)  # type: ignore[method-assign]
    app.wsgi_app = _CheckedBody(app.wsgi_app)  # type: ignore[method-assign]
    if config.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.trusted_proxies)  # type: ignore[method-assign]


def _body_limit(app: Flask, method: str, path: str) -> int:
    """Return the most bytes that a request's body may have. A view declares more by `largest`."""
    prefix = app.extensions["hub.config"].path_prefix
    below = unquote(path.removeprefix(prefix) if path.startswith(prefix + "/") else path)
    try:
        endpoint, _ = app.url_map.bind("").match(below, method)
    except HTTPException:
        return LARGEST_BODY
    largest = getattr(app.view_functions[endpoint], "largest", LARGEST_BODY)
    with app.app_context():
        return int(largest() if callable(largest) else largest)


def _engine_options(config: Config) -> dict[str, Any]:
    # an error that quotes a statement's parameters would carry numbers and names into the log
    options: dict[str, Any] = {"hide_parameters": True}
    if config.sqlite:
        return options
    patience = {
        "pool_timeout": engine.POOL_SECONDS,
        "connect_args": engine.patience(config.database_url),
    }
    return options | {"pool_size": 16, "max_overflow": 16, "pool_pre_ping": True} | patience


class _CheckedBody:
    """Answer 400 when the web server cannot read a body, such as one with a bad chunk size."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"] = _Body(environ["wsgi.input"])
        return self.app(environ, start_response)


class _Body:
    """A server's input stream, which raises BadRequest for whatever error the server raises."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, *size: int) -> bytes:
        return self._checked(self._stream.read, *size)

    def readline(self, *size: int) -> bytes:
        return self._checked(self._stream.readline, *size)

    def readlines(self, *size: int) -> list[bytes]:
        return self._checked(self._stream.readlines, *size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _checked(self, read: Callable[..., T], *size: int) -> T:
        try:
            return read(*size)
        except HTTPException:
            raise
        except Exception:
            raise BadRequest(
                "The body is malformed or incomplete. Send the request again."
            ) from None


class _UnderPrefix:
    """Mount the application under the public address's path, whether or not the proxy in front
    takes that path away.
    """

    def __init__(self, app: Any, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if self.prefix:
            path = environ.get("PATH_INFO", "")
            environ["SCRIPT_NAME"] = self.prefix
            if path == self.prefix or path.startswith(self.prefix + "/"):
                environ["PATH_INFO"] = path[len(self.prefix) :] or "/"
        return self.app(environ, start_response)


def _nowhere(error: HTTPException) -> Any:
    """Answer where nothing is, in the words of the door that the address would belong to."""
    replies = current_app.extensions["hub.nowhere"]
    prefix = max(
        (prefix for prefix in replies if request.path.startswith(prefix)), key=len, default=None
    )
    return error if prefix is None else replies[prefix](error)


def _check_host(hosts: frozenset[str], public_url: str) -> None:
    """Refuse a Host that is not ours; what tells nothing (health) may come by any name."""
    if request.blueprint == "health":
        return
    if request.environ.get("HTTP_HOST", "").lower() not in hosts:
        raise SecurityError(
            f"The address of this hub is {public_url}, but the request names another host."
        )


def _check_text() -> None:
    """Refuse an address or a header with text that no database takes.

    The API checks bodies and addresses where it reads them.
    """
    environ = request.environ
    if not is_storable("".join(text for name, text in environ.items() if name.startswith("HTTP_"))):
        raise BadRequest(UNSTORABLE)
    if request.path.startswith("/api/"):
        return
    if not is_storable(environ["PATH_INFO"]):
        raise NotFound
    if "%00" in environ.get("QUERY_STRING", ""):
        raise BadRequest(UNSTORABLE)


def _hosts(config: Config) -> frozenset[str]:
    netloc = config.public_url.split("://", 1)[1].split("/", 1)[0].lower()
    names = {netloc, netloc.removesuffix(":443") if config.https else netloc.removesuffix(":80")}
    if config.bind.loopback:
        names |= {f"{name}:{config.bind.port}" for name in ("127.0.0.1", "localhost", "[::1]")}
    return frozenset(names)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _add_secure_headers(response: Response) -> Response:
    response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return _add_headers(response)


def _log(config: Config) -> None:
    level = getattr(logging, config.log_level)
    logging.basicConfig(level=level, format="%(levelname)s %(name)s %(message)s")
    # they log recipients, or every step
    for noisy in ("urllib3", "alembic", "rq", "werkzeug"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redaction.in_log,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
