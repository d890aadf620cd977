"""Send with Apprise: one request, made by Signpost's HTTP client.

This module loads the library, which is large. Import it only where a message is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from hub.integrations.api import ProviderResponse, SendError
from hub.integrations.apprise.errors import error_table
from hub.integrations.apprise.library import (
    load_service,
    new_apprise,
    requests_made_by,
    response_of,
)
from hub.integrations.apprise.services import CORRECT, Service, server_of

# makes one request: method, URL, headers, body
Request = Callable[[str, str, Mapping[str, str], bytes | None], ProviderResponse]


@dataclass
class _Call:
    """One message that is being sent: the function that makes its request, and the result."""

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
        return response_of(response)

    def new_error(self, code: str) -> SendError:
        return error_table(self.service.title).error(code)


# in the log of a result, if the module of a service could not read the response
_CRASHED = "raised an exception"
_TRIAL = "trialmessage"  # one word, which is found in every encoding of a body


def notify(
    service: Service, url: str, text: str, own_server: str, request: Request
) -> ProviderResponse | None:
    """Send text to the service of an Apprise URL, and return the response of its only request.

    Returns None if Apprise reports a failure although the response is a success, or if it made no
    request. Raises ValueError if Apprise cannot read the URL, and the SendError of `request`.
    """
    call = _Call(service, own_server, request)
    apprise = new_apprise()
    apprise.add(load_service(service, url))
    with requests_made_by(call.make):
        result = apprise.notify(body=text)
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
        pass  # nothing was recorded, so the URL is refused below
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
