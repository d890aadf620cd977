"""The contract of services that shorten links, and their shared parts."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar
from urllib.parse import urlsplit

from hub.core.errors import HubError
from hub.lib.provider_http import (
    ConnectFailed,
    ProviderHttpClient,
    ProviderResponse,
    ResponseLost,
)
from hub.lib.public_shorteners import is_public_shortener

CONNECT_SECONDS = 1.0
READ_SECONDS = 1.0
MAX_SHORT_URL = 100  # characters; a longer one would shorten nothing
DOMAIN = re.compile(
    r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)


@dataclass(frozen=True)
class ShortenerField:
    """A setting of a service."""

    name: str
    label: str
    description: str
    secret: bool = False
    required: bool = True


class ShorteningFailed(HubError):
    """A service did not shorten a link: its code, what happened, and how to fix it.

    `field` is the setting at fault, if it is one.
    """

    def __init__(self, code: str, text: str, remedy: str = "", field: str = "") -> None:
        self.code = code
        self.text = text
        self.remedy = remedy
        self.field = field
        super().__init__(f"{text} {remedy}".strip())


class LinkShortener:
    """A service that shortens links. A subclass declares it, and makes two requests."""

    name: ClassVar[str]
    title: ClassVar[str]
    api_name: ClassVar[str]  # HUB_<NAME>_API_URL replaces `api_url`
    api_url: ClassVar[str]
    fields: ClassVar[tuple[ShortenerField, ...]]

    def __init__(
        self, settings: Mapping[str, str], http: ProviderHttpClient, api_url: str = ""
    ) -> None:
        self.settings = settings
        self._http = http
        self._api = (api_url or self.api_url).rstrip("/")

    # ── Requests of the service ─────────────────────────────────────────────────────────────────
    def shorten(self, url: str) -> str:
        """Return the short form of a URL; the same for the same URL. Raises ShorteningFailed."""
        raise NotImplementedError

    def check(self) -> str:
        """Return the account of the settings, without a change. Raises ShorteningFailed."""
        raise NotImplementedError

    def _headers(self) -> dict[str, str]:
        """Return the headers with the credentials."""
        raise NotImplementedError

    def _code_of(self, content: Mapping[str, Any]) -> str:
        """Return the error code in a response, or ''."""
        raise NotImplementedError

    # ── Shared by all services ─────────────────────────────────────────────────────────────────
    @property
    def domain(self) -> str:
        return self.settings["domain"]

    def _call(self, method: str, path: str, content: Any = None) -> dict[str, Any]:
        """Make one request; return the object in its response. Raises ShorteningFailed."""
        body = None if content is None else json.dumps(content)
        headers = {**self._headers(), "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._http.request(
                method,
                f"{self._api}{path}",
                headers=headers,
                body=body,
                connect=CONNECT_SECONDS,
                read=READ_SECONDS,
            )
        except (ConnectFailed, ResponseLost) as error:
            raise ShorteningFailed(
                "unreachable", f"{self.title} did not respond: {error}", "Try again later."
            ) from None
        values = _read_json(response)
        if 200 <= response.status < 300:
            return values
        raise self._failure(response.status, self._code_of(values))

    def _failure(self, status: int, code: str) -> ShorteningFailed:
        known = _read_errors(self.name)
        entry = known.get(code) or known.get(f"http_{status}") or known["other"]
        return ShorteningFailed(
            code or f"http_{status}",
            entry["text"].format(status=status),
            entry["remedy"],
            entry.get("field", ""),
        )

    def _checked(self, short_url: object) -> str:
        """Return a short URL of a response, if it is under the chosen domain."""
        url = short_url if isinstance(short_url, str) else ""
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
        except ValueError:
            host = ""
        is_short = len(url) <= MAX_SHORT_URL and not re.search(r"[\s\x00-\x20\x7f-\uffff]", url)
        if not (is_short and host == self.domain and parts.scheme == "https"):
            raise ShorteningFailed(
                "unexpected_answer",
                f"{self.title} returned no link under {self.domain}.",
                "Check the domain.",
                "domain",
            )
        return url


def check_domain(domain: str) -> str:
    """Return the problem of a domain for links in SMS, or ''."""
    if not DOMAIN.fullmatch(domain):
        return "Enter your branded domain without https, such as go.example.com."
    if is_public_shortener(domain):
        return (
            f"Carriers filter SMS with links of {domain} (codes 30007 and 30963). Enter a branded"
            " domain, such as go.example.com."
        )
    return ""


def _read_json(response: ProviderResponse) -> dict[str, Any]:
    try:
        content = json.loads(response.text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


@cache
def _read_errors(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(files(__package__).joinpath(f"{name}.toml").read_text("utf-8"))
