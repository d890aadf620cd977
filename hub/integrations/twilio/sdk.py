"""Let Twilio's SDK use the hub's HTTP client, and read the codes of Twilio's responses."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from logging import getLogger
from typing import Any
from urllib.parse import urlencode, urlsplit

from twilio.base import deserialize
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from hub.integrations.api import ProviderHttpClient, ProviderResponse


class SdkHttpClient(HttpClient):  # type: ignore[misc]
    """Make the requests of Twilio's SDK with the hub's HTTP client, to the configured address.

    `last` is the last response that the current thread received.
    """

    def __init__(self, http: ProviderHttpClient, base: str) -> None:
        super().__init__(getLogger("twilio.http_client"), is_async=False, timeout=None)
        self.http = http
        self._base = base
        self._local = threading.local()

    @property
    def last(self) -> ProviderResponse | None:
        response: ProviderResponse | None = getattr(self._local, "response", None)
        return response

    def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        self._local.response = None
        host = urlsplit(uri).netloc
        # a proxy or the simulator serves all of Twilio's hosts
        if self._base != "https://api.twilio.com":
            uri = self._base + uri.split(host, 1)[1]
        if params:
            uri += f"?{urlencode(params, doseq=True)}"
        all_headers = dict(headers or {})
        if auth:
            credentials = base64.b64encode(":".join(auth).encode()).decode()
            all_headers["Authorization"] = f"Basic {credentials}"
        body = urlencode(data, doseq=True) if data else None
        response = self.http.request(method, uri, headers=all_headers, body=body)
        self._local.response = response
        return Response(response.status, response.text, response.headers)


@dataclass(frozen=True)
class Created:
    """A message or call that Twilio created. The names are those of the SDK's resources."""

    sid: Any
    status: Any
    num_segments: Any
    price: Any
    price_unit: Any
    error_code: Any
    from_: Any
    messaging_service_sid: Any


def create(client: Client, resource: str, values: Mapping[str, Any]) -> Created:
    """Create a message or call in the client's account; `resource` is Messages or Calls.

    This makes the request with the client itself. The SDK's class of a message is in a package that
    loads every resource of the account, which would take 7 MB in each sending worker.

    Raises TwilioException, or another error if the response cannot be read.
    """
    url = f"https://api.twilio.com/2010-04-01/Accounts/{client.account_sid}/{resource}.json"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    response = client.request("POST", url, data=dict(values), headers=headers)
    if not 200 <= response.status_code < 300:
        raise TwilioException(f"Twilio responded with status {response.status_code}.")
    fields = json.loads(response.text)
    return Created(
        sid=fields.get("sid"),
        status=fields.get("status"),
        num_segments=fields.get("num_segments"),
        price=fields.get("price"),
        price_unit=fields.get("price_unit"),
        error_code=deserialize.integer(fields.get("error_code")),
        from_=fields.get("from"),
        messaging_service_sid=fields.get("messaging_service_sid"),
    )


def error_code(response: ProviderResponse) -> str:
    """Return Twilio's error code in a response.

    It is '' if a gateway responded instead, with HTML or with the HTTP status as the code.
    """
    try:
        code = json.loads(response.body).get("code")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return str(code) if re.fullmatch("[1-9][0-9]{4,5}", str(code)) else ""
