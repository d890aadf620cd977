"""Requests to a provider, with failed connections and lost responses raised as send errors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from hub.core.errors import OutcomeUnknown, Unreachable
from hub.lib.provider_http import (
    AddressNotAllowed,
    ConnectFailed,
    Exchange,
    ProviderHttpClient,
    ProviderResponse,
    ResponseLost,
)


class NotAllowed(Unreachable):
    """HUB_HTTP_ALLOW does not contain a private or unencrypted address. `remedy` names it."""

    def __init__(self, text: str, reason: str, remedy: str) -> None:
        self.reason = reason
        self.remedy = remedy
        super().__init__(text, "address_not_allowed")


def call(
    http: ProviderHttpClient,
    provider: str,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    content: Any = None,
    form: Mapping[str, Any] | None = None,
    hidden: str = "",
) -> ProviderResponse:
    """Make one request to a provider and return its response, whatever the HTTP status.

    `provider` is its name in error messages. `content` is sent as JSON in UTF-8 in place of
    `body`, and `form` as the fields of a form. `hidden` is a secret part of the URL's path, which
    is not recorded.

    Raises Unreachable if the request did not reach the provider, and OutcomeUnknown if no complete
    response was received.
    """
    request_headers = dict(headers or {})
    if content is not None:
        # not escaped as ASCII, which would triple the size of most alphabets
        body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        request_headers.setdefault("Content-Type", "application/json")
    elif form is not None:
        body = urlencode(form, errors="replace")
        request_headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    with http_errors(provider):
        return http.request(method, url, headers=request_headers, body=body, hidden=hidden)


@contextmanager
def http_errors(provider: str) -> Iterator[None]:
    """Raise Unreachable for ConnectFailed, and OutcomeUnknown for ResponseLost.

    Use it for calls that another library makes with the HTTP client, such as the provider's SDK.
    """
    try:
        yield
    except AddressNotAllowed as error:
        text = f"Could not reach {provider}: {error}"
        raise NotAllowed(text, error.reason, error.remedy) from None
    except ConnectFailed as error:
        raise Unreachable(f"Could not reach {provider}: {error}", "unreachable") from None
    except ResponseLost as error:
        raise OutcomeUnknown(
            f"{provider} closed the connection before it responded: {error}", "no_answer"
        ) from None


def describe_last(exchanges: Sequence[Exchange], code: str = "", reference: str = "") -> str:
    """Describe the last request of a connection test: method, URL, HTTP status and error code.

    `reference` is the response header with the ID of the request in the provider's logs.
    """
    if not exchanges:
        return ""
    last = exchanges[-1]
    lines = [f"{last.method} {last.url}", f"HTTP {last.status or 'none'}"]
    if reference and (value := last.headers.get(reference)):
        lines[1] += f" · {reference} {value}"
    return "\n".join([*lines, *([f"code {code}"] if code else [])])
