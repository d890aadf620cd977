"""Requests of an integration: one call, and the error of a refused one."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from hub.core.errors import OutcomeUnknown, SendError
from hub.core.vocabulary import Status
from hub.integrations import calls
from hub.integrations.error_table import ErrorTable
from hub.integrations.json_fields import json_field
from hub.integrations.part_results import PartResults
from hub.integrations.values import Accepted, CheckResult
from hub.lib.provider_http import ProviderHttpClient, ProviderResponse

NO_ERRORS = ErrorTable("The provider", {})  # for an integration that explains no codes


class ProviderRequests:
    """The requests of an integration to its provider. The class methods may be overridden."""

    provider: ClassVar[str]  # the company, as the subject of sentences
    errors: ClassVar[ErrorTable] = NO_ERRORS  # the error codes of the provider
    api: ClassVar[Mapping[str, str]] = {}
    # the field of a JSON response with the provider's error code, such as `error.code`; "": `code`
    # or `error`
    code_field: ClassVar[str] = ""
    # the whole text of a response that confirms a request; "": any
    accepted_body: ClassVar[str] = ""
    # the fields of a response that lists the parts of a message, if the provider sends a list
    part_results: ClassVar[PartResults | None] = None
    # the setting that `auth_headers` sends as a token, or two, as a user name and a password
    auth_setting: ClassVar[str | tuple[str, str]] = ""

    settings: dict[str, Any]
    http: ProviderHttpClient
    api_urls: dict[str, str]

    def setting(self, name: str) -> str:
        """Return a setting as text, or "" if it is blank."""
        return str(self.settings.get(name) or "")

    def filled_settings(self, *names: str) -> dict[str, str]:
        """Return those of the settings that are not blank, for a payload with the same names."""
        return {name: value for name in names if (value := self.setting(name))}

    def auth_headers(self) -> dict[str, str]:
        """Return the headers that sign in: those of `auth_setting`.

        Every request to one of `own_urls()` sends them.
        """
        if isinstance(self.auth_setting, str):
            return bearer(self.setting(self.auth_setting))
        user, password = self.auth_setting
        return basic(self.setting(user), self.setting(password))

    def own_urls(self) -> list[str]:
        """Return URLs of the servers that get `auth_headers()`.

        These are the servers of `api`, or only `server_url()` if an admin entered another.
        """
        server = self.server_url()
        known = list(self.api_urls.values())
        return known if server in known else [server]

    def _auth_headers_for(self, url: str) -> dict[str, str]:
        """Return `auth_headers()` for a URL of one of the own servers, {} for any other."""
        own = {origin_of(own_url) for own_url in self.own_urls()} - {""}
        return self.auth_headers() if origin_of(url) in own else {}

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        content: Any = None,
        form: Mapping[str, Any] | None = None,
        hidden: str = "",
    ) -> ProviderResponse:
        """Make one request to the provider and return its response, whatever the HTTP status.

        A `url` such as `/v1/messages` is one of `server_url()`. The request carries
        `auth_headers()`, unless the URL is at another server than `own_urls()`. `content` is sent
        as JSON in place of `body`, and `form` as the fields of a form. `hidden` is a secret part of
        the URL's path. Raises Unreachable and OutcomeUnknown.
        """
        target = self.server_url() + url if url.startswith("/") else url
        # errors name the product, if their table does
        name = self.provider if self.errors is NO_ERRORS else self.errors.provider
        return calls.call(
            self.http,
            name,
            method,
            target,
            headers={**self._auth_headers_for(target), **(headers or {})},
            body=body,
            content=content,
            form=form,
            hidden=hidden,
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        content: Any = None,
        form: Mapping[str, Any] | None = None,
        hidden: str = "",
        expected: str = "",
        expected_status: int = 0,
    ) -> ProviderResponse:
        """Make one request like `call`, and raise the error of `errors` unless it is accepted.

        `expected` is the code, and `expected_status` the HTTP status, of a refusal by the provider
        that counts as accepted, for a harmless test.
        """
        response = self.call(
            method, url, headers=headers, body=body, content=content, form=form, hidden=hidden
        )
        is_expected = bool(expected) and self.code_of(response) == expected
        if expected_status == response.status:
            is_expected = self.is_genuine(response)
        if not is_expected and not self.accepts(response):
            raise self.refusal(response)
        return response

    @classmethod
    def refusal(cls, response: ProviderResponse) -> SendError:
        """Return the error of a response that `accepts` does not accept."""
        code = cls.code_of(response)
        return cls.errors.error_for(response, code, genuine=cls.is_genuine(response))

    @classmethod
    def accepts(cls, response: ProviderResponse) -> bool:
        """Return whether a response confirms a request: 2xx, and not an HTML page of a proxy.

        If it lists `part_results`, one of the parts was accepted.
        """
        if not 200 <= response.status < 300 or is_html(response):
            return False
        results = cls.part_results
        if results and results.parts(response) and not results.accepted_parts(response):
            return False
        return not cls.accepted_body or response.text.strip() == cls.accepted_body

    @classmethod
    def code_of(cls, response: ProviderResponse) -> str:
        """Return the provider's error code in a response, or "" for a response without one."""
        if cls.part_results and (code := cls.part_results.first_error(response)):
            return code
        for name in (cls.code_field,) if cls.code_field else ("code", "error"):
            value = json_field(response.json, name)
            if isinstance(value, str | int) and not isinstance(value, bool):
                return str(value)
        return ""

    @classmethod
    def is_genuine(cls, response: ProviderResponse) -> bool:
        """Return whether the provider wrote a refusal, not a proxy: it has a code."""
        return bool(cls.code_of(response))

    def require_id(self, fields: Mapping[str, Any], name: str = "id") -> str:
        """Return the ID of an accepted message from a response. Raises OutcomeUnknown."""
        value = fields.get(name)
        if value and isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)
        raise OutcomeUnknown(
            f"The response of {self.provider} contains no message ID.", "bad_answer"
        )

    def accepted_parts(self, response: ProviderResponse) -> Accepted:
        """Return the result of a message whose response lists its `part_results`.

        If some parts were refused, the message failed: the phone cannot show it, and another
        attempt would repeat the accepted parts. Raises OutcomeUnknown without an accepted part.
        """
        if self.part_results is None:
            raise TypeError(f"{type(self).__name__} declares no part_results.")
        accepted = self.part_results.accepted_parts(response)
        provider_id = self.require_id(accepted[0] if accepted else {}, self.part_results.id)
        code = self.part_results.first_error(response)
        error = self.errors.error_for(response, code) if code else None
        return Accepted(
            provider_id,
            Status.FAILED if error else Status.ACCEPTED,
            segments=len(accepted),
            price=self.part_results.total_price(response),
            code=error.code if error else "",
            reason=f"Only some segments were accepted. {error}" if error else "",
            error=error,
        )

    def passed_check(self, text: str, *warnings: str) -> CheckResult:
        """Return the result of a passed connection test: what works, and what to improve."""
        return CheckResult(True, f"{self.provider} is ready.", text, warnings=warnings)

    def server_url(self, setting: str = "server") -> str:
        """Return the address in a ServerField, or else the first of `api`.

        An address of `api` may be replaced.
        """
        entered = str(self.settings.get(setting) or "")
        for name, official in self.api.items():
            if entered in ("", official):
                return self.api_urls[name]
        return entered


# plain ASCII only: every client reads such a URL in the same way
_ORIGIN = re.compile(
    r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[/?#]|\Z)",
    re.ASCII | re.IGNORECASE,
)


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL in lower case, or "" if it is written unusually.

    A URL with a user name, for instance, is unusual.
    """
    match = _ORIGIN.match(url)
    if match is None:
        return ""
    scheme = match[1].lower()
    port = int(match[3] or (443 if scheme == "https" else 80))
    return f"{scheme}://{match[2].lower()}:{port}"


def is_html(response: ProviderResponse) -> bool:
    """Return whether a response is a web page, such as the sign-in page of a proxy."""
    body = response.body.strip()  # some servers declare an empty response as HTML
    is_declared = "html" in response.headers.get("content-type", "").lower()
    return body.startswith(b"<") or (is_declared and bool(body))


def without_blanks(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Return a payload without fields that are None, or an empty text, list or object."""
    return {name: value for name, value in payload.items() if value not in (None, "", [], (), {})}


def bearer(token: str) -> dict[str, str]:
    """Return the header that sends a token; {} without a token."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header that sends a user name and a password; {} without both."""
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {pair}"} if user or password else {}
