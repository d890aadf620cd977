"""Send with Apprise: one request, made by Signpost's HTTP client, without plug-ins and files.

This module loads the library, which is large. Import it only where a message is sent.

A service's module of Apprise calls functions of `requests`. Signpost executes a copy of the module
of its own, in which that name means `_Requests`. So each request obeys the rules for outgoing
addresses and time limits, follows no redirects, and returns its status, whatever the URL says.
"""

from __future__ import annotations

import importlib.util
import io
import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any

import requests
from apprise import Apprise, AppriseAsset, ContentLocation, NotifyBase
from requests.structures import CaseInsensitiveDict

from hub.integrations.api import ProviderResponse, SendError
from hub.integrations.apprise.errors import error_table
from hub.integrations.apprise.services import CORRECT, Service, server_of

# makes one request: method, URL, headers, body
Request = Callable[[str, str, Mapping[str, str], bytes | None], ProviderResponse]

_PREPARED = ("params", "data", "json", "headers", "auth")  # options that make up a request

# its records contain URLs and answers; those of a call are read from the result
_logger = logging.getLogger("apprise")
_logger.propagate = False
_logger.setLevel(logging.WARNING)


@dataclass
class _Call:
    """One message on its way: who makes its request, and how that ended."""

    service: Service
    own_server: str
    request: Request
    response: ProviderResponse | None = None
    error: Exception | None = None

    def make(self, prepared: requests.PreparedRequest) -> requests.Response:
        """Make the only request of a message. Raises RequestException, which Apprise handles."""
        url = str(prepared.url)
        if self.response is not None or self.error is not None:
            self.error = self.error or self.new_error("second_request")
            raise requests.RequestException
        if not self.service.allows(server_of(url), self.own_server):
            self.error = self.new_error("other_host")
            raise requests.RequestException
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        content = body if isinstance(body, bytes) else None
        headers = {name: str(value) for name, value in prepared.headers.items()}
        try:
            response = self.request(str(prepared.method), url, headers, content)
        except Exception as error:  # otherwise Apprise would report all of them as a refusal
            self.error = error
            raise requests.RequestException from None
        self.response = response
        if not 200 <= response.status < 300:
            raise requests.RequestException  # Apprise would wait and repeat some requests
        return _to_requests(response)

    def new_error(self, code: str) -> SendError:
        return error_table(self.service.title).error(code)


# in the log of a result, if the module of a service could not read the answer
_CRASHED = "raised an exception"
_TRIAL = "trialmessage"  # one word, which is found in every encoding of a body
_current: ContextVar[_Call] = ContextVar("call")


class _Requests:
    """The names of the module `requests` that the modules of Apprise use."""

    codes = requests.codes
    exceptions = requests.exceptions
    ConnectionError = requests.ConnectionError
    RequestException = requests.RequestException

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        used = {name: options[name] for name in _PREPARED if name in options}
        return _current.get().make(requests.Request(method, url, **used).prepare())

    def get(self, url: str, params: Any = None, **options: Any) -> requests.Response:
        return self.request("GET", url, params=params, **options)

    def post(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("POST", url, data=data, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("PUT", url, data=data, **options)


def notify(
    service: Service, url: str, text: str, own_server: str, request: Request
) -> ProviderResponse | None:
    """Send text to the service of an Apprise URL, and return the response of its only request.

    Returns None if Apprise reports a failure although the response is a success, or if it made no
    request. Raises ValueError if Apprise cannot read the URL, and the SendError of `request`.
    """
    call = _Call(service, own_server, request)
    apprise = Apprise(asset=_asset(), location=ContentLocation.INACCESSIBLE)
    apprise.add(_instance(service, url))
    token = _current.set(call)
    try:
        result = apprise.notify(body=text)
    finally:
        _current.reset(token)
    if call.error is not None:
        raise call.error
    response = call.response
    if response is None or result or not 200 <= response.status < 300:
        return response
    if not response.json or any(_CRASHED in entry.message for entry in result.logs()):
        raise call.new_error("bad_answer")
    return None


def check_url(service: Service, url: str, own_server: str) -> None:
    """Raise ValueError with a sentence unless a message to a URL is one request that is allowed.

    The request is prepared, and not made.
    """
    bodies: list[bytes] = []

    def record(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Any:
        bodies.append(body or b"")
        return ProviderResponse(200, {}, b"{}")

    try:
        notify(service, url, _TRIAL, own_server, record)
    except SendError as error:
        if error.code == "other_host":
            raise ValueError(_describe_other_host(service)) from None
        if error.code == "second_request":
            bodies.clear()
    except ValueError:
        pass
    if not any(_TRIAL.encode() in body for body in bodies):
        raise ValueError(
            f"This URL of {service.title} is not complete, or it has several receivers. {CORRECT}"
        )


def _describe_other_host(service: Service) -> str:
    own = "If the server is yours, enter its host, with a port if the URL has one, as own server."
    return (
        f"The host in this URL is not allowed for {service.title}."
        f" {own if service.own_server else CORRECT}"
    )


def _instance(service: Service, url: str) -> NotifyBase:
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
        service_timeout=0,  # its threads are few, and the HTTP client has limits of its own
        http_redirects=False,
        interpret_emojis=False,
        pgp_autogen=False,
        pem_autogen=False,
        allow_templates=False,
        image_url_mask="",
        image_url_logo="",
        image_path_mask=False,
    )


def _to_requests(response: ProviderResponse) -> requests.Response:
    """Return a response as Apprise reads it."""
    answer = requests.Response()
    answer.status_code = response.status
    answer.headers = CaseInsensitiveDict(response.headers)
    answer.encoding = "utf-8"
    answer.raw = io.BytesIO(response.body)
    return answer
