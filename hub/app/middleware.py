"""WSGI middleware: trusted proxies, the link domain, unreadable bodies and the path prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

from flask import Flask
from werkzeug.exceptions import BadRequest, HTTPException, NotFound
from werkzeug.middleware.proxy_fix import ProxyFix

from hub.core.config import Config

T = TypeVar("T")

LINK_DOMAIN = "hub.link_domain"


def add_middleware(app: Flask, config: Config) -> None:
    """Wrap an application in its WSGI middleware."""
    app.wsgi_app = _PathPrefix(app.wsgi_app, config.path_prefix)  # type: ignore[method-assign]
    app.wsgi_app = _UnreadableBodyMiddleware(app.wsgi_app)  # type: ignore[method-assign]
    if config.link_hosts:
        app.wsgi_app = _LinkDomain(app.wsgi_app, config.link_hosts)  # type: ignore[method-assign]
    if config.trusted_proxies:
        proxied = ProxyFix(app.wsgi_app, x_for=config.trusted_proxies)
        app.wsgi_app = proxied  # type: ignore[method-assign]


class _PathPrefix:
    """Mount the application under the path of its public address, whether or not the proxy in front
    removes that path.
    """

    def __init__(self, app: Any, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if self.prefix and LINK_DOMAIN not in environ:
            path = environ.get("PATH_INFO", "")
            environ["SCRIPT_NAME"] = self.prefix
            if path == self.prefix or path.startswith(self.prefix + "/"):
                environ["PATH_INFO"] = path[len(self.prefix) :] or "/"
        return self.app(environ, start_response)


class _LinkDomain:
    """Serve nothing but short links under their own domain."""

    def __init__(self, app: Any, hosts: frozenset[str]) -> None:
        self.app = app
        self.hosts = hosts

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("HTTP_HOST", "").lower() in self.hosts:
            environ[LINK_DOMAIN] = True  # it has no path prefix
            if not environ.get("PATH_INFO", "").startswith("/l/"):
                return NotFound("Nothing is here.")(environ, start_response)
        return self.app(environ, start_response)


class _UnreadableBodyMiddleware:
    """Return 400 if the web server cannot read a body, such as one with a bad chunk size."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.input"] = _Body(environ["wsgi.input"])
        return self.app(environ, start_response)


class _Body:
    """A server's input stream that raises BadRequest for every error of the server."""

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
