"""Apprise as Signpost uses it: without requests, files, threads and plug-ins of its own.

A service's module of Apprise calls functions of `requests`. Signpost executes a copy of the module
of its own, in which that name means `_Requests`. So each request obeys the rules for outgoing
addresses and time limits, follows no redirects, and returns its status, whatever the URL says.
"""

from __future__ import annotations

import importlib.util
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import requests
from apprise import Apprise, AppriseAsset, ContentLocation, NotifyBase
from requests.structures import CaseInsensitiveDict

from hub.integrations.api import ProviderResponse
from hub.integrations.apprise.services import Service

Make = Callable[[requests.PreparedRequest], requests.Response]

_PREPARED = ("params", "data", "json", "headers", "auth")  # options that make up a request
_current: ContextVar[Make] = ContextVar("make")

# its records contain URLs and responses; those of a call are read from the result
_logger = logging.getLogger("apprise")
_logger.propagate = False
_logger.setLevel(logging.WARNING)


@contextmanager
def requests_made_by(make: Make) -> Iterator[None]:
    """Let a function make the requests of this thread's calls of Apprise."""
    token = _current.set(make)
    try:
        yield
    finally:
        _current.reset(token)


def new_apprise() -> Apprise:
    """Return an Apprise that reads no files."""
    return Apprise(asset=_asset(), location=ContentLocation.INACCESSIBLE)


class _Requests:
    """The names of the module `requests` that the modules of Apprise use."""

    codes = requests.codes
    exceptions = requests.exceptions
    ConnectionError = requests.ConnectionError
    RequestException = requests.RequestException

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        used = {name: options[name] for name in _PREPARED if name in options}
        return _current.get()(requests.Request(method, url, **used).prepare())

    def get(self, url: str, params: Any = None, **options: Any) -> requests.Response:
        return self.request("GET", url, params=params, **options)

    def post(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("POST", url, data=data, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("PUT", url, data=data, **options)


def load_service(service: Service, url: str) -> NotifyBase:
    """Return Apprise's object for one URL. Raises ValueError if it cannot read the URL."""
    cls = _class_of(service.module, service.schemes)
    try:
        fields = cls.parse_url(url)
        instance: NotifyBase = cls(asset=_asset(), **fields)
        count = len(instance)
    except Exception:  # they raise errors of many types, which quote the URL
        raise ValueError from None
    if count != 1:
        raise ValueError
    return instance


@cache
def _class_of(module_name: str, schemes: tuple[str, ...]) -> Any:
    """Load a module of Apprise for Signpost alone, and return its class for the schemes."""
    spec = importlib.util.find_spec(f"apprise.plugins.{module_name}")
    if spec is None or spec.loader is None:
        raise ImportError(f"Apprise has no module {module_name}.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    vars(module)["requests"] = _Requests()
    return next(
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, NotifyBase)
        and set(schemes) & set(_schemes_of(value))
    )


def _schemes_of(cls: Any) -> tuple[str, ...]:
    found: list[str] = []
    for schemes in (cls.protocol, cls.secure_protocol):
        found += [schemes] if isinstance(schemes, str) else schemes or ()
    return tuple(found)


@cache
def _asset() -> AppriseAsset:
    """Return the settings of Apprise: no waiting, no redirects, no files and no pictures."""
    return AppriseAsset(
        app_id="Signpost",
        app_desc="Signpost",
        app_url="",
        async_mode=False,
        service_timeout=0,  # its threads are few, and the HTTP client has its own limits
        http_redirects=False,
        interpret_emojis=False,
        pgp_autogen=False,
        pem_autogen=False,
        allow_templates=False,
        image_url_mask="",
        image_url_logo="",
        image_path_mask=False,
    )


def response_of(response: ProviderResponse) -> requests.Response:
    """Return a response as Apprise reads it."""
    converted = requests.Response()
    converted.status_code = response.status
    converted.headers = CaseInsensitiveDict(response.headers)
    converted.encoding = "utf-8"
    converted.raw = io.BytesIO(response.body)
    return converted
