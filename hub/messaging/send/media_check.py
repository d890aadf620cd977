"""Check files on other servers before a message is sent, so that the provider does not
reject it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from urllib.parse import urljoin

from hub.core.errors import FileMissing, FileRefused
from hub.lib.provider_http import (
    AddressNotAllowed,
    ConnectFailed,
    ProviderHttpClient,
    ProviderResponse,
    ResponseLost,
)

UNREACHABLE = "media_unreachable"
MAX_HOPS = 3
CONNECT_SECONDS = 2.0
READ_SECONDS = 3.0
# maximum seconds for all requests, because the call must end before the message's lease
BUDGET = 8.0
REDIRECTS = (301, 302, 303, 307, 308)
GET_ONLY = (403, 404, 405, 501)  # statuses of HEAD requests that may succeed with GET


def check_links(urls: Sequence[str], limits: Mapping[str, int], http: ProviderHttpClient) -> None:
    """Check that each file exists, has a supported type and is within its size limit.

    `limits` maps content types to maximum sizes in bytes.

    Raises FileRefused, or FileMissing if a retry may succeed.
    """
    deadline = time.monotonic() + BUDGET
    for url in urls:
        try:
            _check_link(url, limits, http, deadline)
        except ValueError:  # raised by urllib or urllib3 for an invalid port or host
            raise FileRefused(
                "The file URL or one of its redirects is not valid.",
                "media_not_allowed",
            ) from None


def _check_link(
    url: str, limits: Mapping[str, int], http: ProviderHttpClient, deadline: float
) -> None:
    response, url = _follow("HEAD", url, limits, http, deadline)
    length = response.headers.get("content-length", "")
    size = int(length) if re.fullmatch(r"[0-9]{1,12}", length) else None
    if response.status in GET_ONLY or (response.status == 200 and size is None):
        response, url = _follow("GET", url, limits, http, deadline)
        size = response.size
    if response.status != 200:
        error_class = (
            FileMissing if response.status == 429 or response.status >= 500 else FileRefused
        )
        raise error_class(f"The file URL returned HTTP {response.status}.", UNREACHABLE)
    size_limit = _size_limit(response, limits)
    if not size_limit:
        content_type = _content_type(response)
        fault = f"is {content_type}" if content_type else "has no Content-Type"
        raise FileRefused(
            f"The file {fault}. Serve it as one of {', '.join(sorted(limits))}.", "media_type"
        )
    if size is None or size > size_limit:
        raise FileRefused(
            f"The file is larger than {size_limit / 1024 / 1024:.3g} MB, the limit for"
            f" {_content_type(response)}.",
            "media_too_large",
        )
    if size == 0:
        raise FileRefused("The file is empty.", UNREACHABLE)


def _follow(
    method: str, url: str, limits: Mapping[str, int], http: ProviderHttpClient, deadline: float
) -> tuple[ProviderResponse, str]:
    """Request a URL and follow its redirects, never into a private network."""
    for _ in range(MAX_HOPS + 1):
        if time.monotonic() > deadline:
            raise FileMissing("The file server responded too slowly.", UNREACHABLE)
        try:
            # read up to the largest limit, because the type is not known yet
            response = http.request(
                method,
                url,
                connect=CONNECT_SECONDS,
                read=READ_SECONDS,
                count_to=max(limits.values()),
            )
        except AddressNotAllowed:
            # the original error is for operators and would reveal the network
            raise FileRefused(
                "The file URL must use https and a public host.",
                "media_not_allowed",
            ) from None
        except (ConnectFailed, ResponseLost) as error:
            raise FileMissing(f"Could not fetch the file: {error}", UNREACHABLE) from None
        if response.status not in REDIRECTS or not response.headers.get("location"):
            return response, url
        url = urljoin(url, response.headers["location"])
    raise FileRefused(f"The file URL redirects more than {MAX_HOPS} times.", UNREACHABLE)


def _content_type(response: ProviderResponse) -> str:
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def _size_limit(response: ProviderResponse, limits: Mapping[str, int]) -> int:
    return limits.get(_content_type(response), 0)
