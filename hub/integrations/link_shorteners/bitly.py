"""Shorten links with Bitly: https://dev.bitly.com/api-reference"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from hub.integrations.link_shorteners.base import LinkShortener, ShortenerField


class Bitly(LinkShortener):
    """Bitly with a branded domain. The same URL always gets the same link."""

    name: ClassVar[str] = "bitly"
    title: ClassVar[str] = "Bitly"
    api_name: ClassVar[str] = "bitly"
    api_url: ClassVar[str] = "https://api-ssl.bitly.com"
    fields: ClassVar[tuple[ShortenerField, ...]] = (
        ShortenerField(
            "token", "Access token", "Create it at Bitly under Settings, API.", secret=True
        ),
        ShortenerField("domain", "Branded domain", "Example: `go.example.com`"),
        ShortenerField(
            "group",
            "Group ID",
            "The group that the domain belongs to. Example: `Bk1q2w3e4r5`",
        ),
    )

    def shorten(self, url: str) -> str:
        """Return the Bitly link of a URL."""
        content = {"long_url": url, "domain": self.domain, "group_guid": self.settings["group"]}
        # /shorten and not /bitlinks, because it returns the existing link of a URL
        return self._checked(self._call("POST", "/v4/shorten", content).get("link"))

    def check(self) -> str:
        """Return the name of the user whom the token belongs to."""
        user = self._call("GET", "/v4/user")
        return f"Bitly accepted the token of {user.get('name') or user.get('login') or 'a user'}."

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.settings['token']}"}

    def _code_of(self, content: Mapping[str, Any]) -> str:
        return str(content.get("message") or "")[:60]
