"""Let Twilio's SDK use the hub's HTTP client, and read the codes of Twilio's responses."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Mapping
from logging import getLogger
from typing import Any
from urllib.parse import urlencode, urlsplit

from twilio.http import HttpClient
from twilio.http.response import Response

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


def error_code(response: ProviderResponse) -> str:
    """Return Twilio's error code in a response.

    It is '' if a gateway responded instead, with HTML or with the HTTP status as the code.
    """
    try:
        code = json.loads(response.body).get("code")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return str(code) if re.fullmatch("[1-9][0-9]{4,5}", str(code)) else ""
