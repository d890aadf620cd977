"""Call Slack: methods of the Web API, incoming webhooks, and the URLs for responses to button
clicks.

https://docs.slack.dev/apis/web-api/#responses
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from hub.integrations.api import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    ProviderHttpClient,
    ProviderResponse,
    Scope,
    SendError,
    call,
)
from hub.integrations.slack.errors import ERRORS, error_for

OFFICIAL = "https://hooks.slack.com"
REFERENCE = "x-slack-req-id"  # the header with the ID of a request in Slack's logs
JSON = "application/json; charset=utf-8"
FORM = "application/x-www-form-urlencoded"
# codes for expired URLs for responses to button clicks
GONE = "no_service", "invalid_url", "http_404", "http_410"
JSON_WORDS = ("null", "true", "false")
_CODE = re.compile(r"[a-z][a-z0-9_]{1,79}")
_REPLY_PATH = re.compile(r"/actions/[A-Za-z0-9_/-]{1,500}")


class ApiResponse(NamedTuple):
    """The response of a method of the Web API."""

    fields: Mapping[str, Any]
    headers: Mapping[str, str]


class SlackClient:
    """The calls of one connection, with its bot token if it has one. All raise SendErrors."""

    def __init__(self, http: ProviderHttpClient, api: str, hooks: str, token: str) -> None:
        self._http = http
        self._api = api
        self._hooks = hooks
        self._token = token

    def method(
        self,
        name: str,
        fields: Mapping[str, Any],
        *,
        form: bool = False,
    ) -> ApiResponse:
        """Call a method of the Web API. Pass `form` if the method reads no JSON."""
        body = urlencode(fields) if form else json.dumps(fields)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": FORM if form else JSON}
        response = self._post(f"{self._api}/api/{name}", body, headers)
        result = response.json
        if response.status == 200 and result.get("ok") is True:
            return ApiResponse(result, response.headers)
        code = _parse_code(result.get("error"))
        # Slack accepted the request, and its response cannot be read
        if response.status < 300 and not code:
            raise OutcomeUnknown("Slack’s response could not be read.", "bad_answer")
        scope = Scope.RECIPIENT if name.startswith("chat.") else Scope.MESSAGE
        raise error_for(response, code, scope=scope)

    def post(self, path: str, payload: Mapping[str, Any]) -> None:
        """Post to an incoming webhook by its path, which ends with a secret."""
        response = self._post(
            self._hooks + path,
            json.dumps(payload),
            {"Content-Type": JSON},
            hidden=path.rpartition("/")[2],
        )
        result = response.json
        text = response.text.strip()
        if response.status == 200 and (text == "ok" or result.get("ok") is True):
            return
        code = _parse_code(result.get("error")) or _parse_code(text)
        if response.status < 300 and not code:
            raise OutcomeUnknown("Slack’s response could not be read.", "bad_answer")
        raise error_for(response, code)

    def reply(self, reply_to: str, payload: Mapping[str, Any]) -> None:
        """Respond to a button click at the URL in its payload.

        An error concerns only this click, never the whole connection.
        """
        if not (path := self.reply_path(reply_to)):
            raise ERRORS.error("bad_reply_address")
        try:
            self.post(path, payload)
        except SendError as problem:
            if problem.code in GONE:
                raise ERRORS.error("expired_url") from None
            if isinstance(problem, ConnectionBroken | DestinationUnavailable):
                raise PermanentError(str(problem), problem.code) from None
            raise

    def reply_path(self, url: str) -> str:
        """Return the path of a URL for responses to clicks, or '' for a URL of another server."""
        for base in (self._hooks, OFFICIAL):
            if url.startswith(f"{base}/") and _REPLY_PATH.fullmatch(path := url.removeprefix(base)):
                return path
        return ""

    def _post(
        self, url: str, body: str, headers: Mapping[str, str], hidden: str = ""
    ) -> ProviderResponse:
        return call(self._http, "Slack", "POST", url, headers=headers, body=body, hidden=hidden)


def _parse_code(text: Any) -> str:
    is_code = isinstance(text, str) and _CODE.fullmatch(text) and text not in JSON_WORDS
    return text if is_code else ""
