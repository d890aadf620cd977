"""Shorten links with Rebrandly: https://developers.rebrandly.com/reference"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, ClassVar

from hub.integrations.link_shorteners.base import LinkShortener, ShortenerField, ShorteningFailed
from hub.lib.short_codes import ALPHABET

SLASHTAG_LENGTH = 12  # characters of 62, more than 71 bits
EXISTS = "AlreadyExists"


class Rebrandly(LinkShortener):
    """Rebrandly with a branded domain.

    It makes a new link for each request, so the slashtag is derived from the URL.
    """

    name: ClassVar[str] = "rebrandly"
    title: ClassVar[str] = "Rebrandly"
    api_name: ClassVar[str] = "rebrandly"
    api_url: ClassVar[str] = "https://api.rebrandly.com"
    fields: ClassVar[tuple[ShortenerField, ...]] = (
        ShortenerField("key", "API key", "Create it at Rebrandly under API.", secret=True),
        ShortenerField("domain", "Branded domain", "Example: `go.example.com`"),
        ShortenerField(
            "workspace",
            "Workspace ID",
            "Leave empty for the main workspace.",
            required=False,
        ),
    )

    def shorten(self, url: str) -> str:
        """Return the Rebrandly link of a URL."""
        slashtag = slashtag_of(url)
        content = {
            "destination": url,
            "domain": {"fullName": self.domain},
            "slashtag": slashtag,
        }
        try:
            short_url = self._call("POST", "/v1/links", content).get("shortUrl")
        except ShorteningFailed as error:
            if error.code != EXISTS:
                raise
            short_url = f"{self.domain}/{slashtag}"  # an earlier request made it
        return self._checked(f"https://{short_url}" if isinstance(short_url, str) else None)

    def check(self) -> str:
        """Return the account that the key belongs to."""
        account = self._call("GET", "/v1/account")
        name = account.get("email") or account.get("username") or "an account"
        return f"Rebrandly accepted the key of {name}."

    def _headers(self) -> dict[str, str]:
        headers = {"apikey": self.settings["key"]}
        if self.settings.get("workspace"):
            headers["workspace"] = self.settings["workspace"]
        return headers

    def _code_of(self, content: Mapping[str, Any]) -> str:
        return str(content.get("code") or "")[:60]


def slashtag_of(url: str) -> str:
    """Return the slashtag of a URL, which cannot be guessed without it."""
    number = int.from_bytes(hashlib.sha256(url.encode()).digest(), "big")
    characters = []
    for _ in range(SLASHTAG_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)
