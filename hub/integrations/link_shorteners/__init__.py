"""Services that shorten links under an admin's own domain.

base        the contract, and shared parts of the services
bitly       Bitly             rebrandly   Rebrandly
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hub.integrations.link_shorteners.base import (
    LinkShortener,
    ShortenerField,
    ShorteningFailed,
)
from hub.integrations.link_shorteners.bitly import Bitly
from hub.integrations.link_shorteners.rebrandly import Rebrandly

SHORTENERS: Mapping[str, type[LinkShortener]] = MappingProxyType(
    {shortener.name: shortener for shortener in (Bitly, Rebrandly)}
)

__all__ = ["SHORTENERS", "LinkShortener", "ShortenerField", "ShorteningFailed"]
