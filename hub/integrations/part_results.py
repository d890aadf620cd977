"""Responses that list the parts of a message, such as the segments of a long SMS, with results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.integrations.json_fields import json_objects
from hub.integrations.values import Price
from hub.lib.provider_http import ProviderResponse


@dataclass(frozen=True)
class PartResults:
    """The fields of a response that lists the parts of a message, often with HTTP 200.

    `field` is the list. `id`, `code` and `price` are fields of each part. The part is accepted if
    its code is one of `accepted`; every other code is an error code. Prices are in `currency`.
    """

    field: str
    id: str = "id"
    code: str = "status"
    accepted: tuple[str, ...] = ("0",)
    price: str = ""
    currency: str = ""

    def parts(self, response: ProviderResponse) -> list[dict[str, Any]]:
        """Return all parts in a response, or [] for a response without parts."""
        return json_objects(response.json.get(self.field))

    def accepted_parts(self, response: ProviderResponse) -> list[dict[str, Any]]:
        return [part for part in self.parts(response) if self._code_of(part) in self.accepted]

    def first_error(self, response: ProviderResponse) -> str:
        """Return the error code of the first part that was refused, or ""."""
        codes = (self._code_of(part) for part in self.parts(response))
        return next((code for code in codes if code not in self.accepted), "")

    def total_price(self, response: ProviderResponse) -> Price | None:
        """Return the price of the accepted parts, or None if it is not known."""
        accepted = self.accepted_parts(response)
        return Price.total(Price.read(part.get(self.price), self.currency) for part in accepted)

    def _code_of(self, part: Mapping[str, Any]) -> str:
        code = part.get(self.code)
        return "" if code is None else str(code)
