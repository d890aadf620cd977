"""The request of a provider that calls a webhook, and its parsed forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from hub.core.errors import BadWebhook
from hub.integrations.json_fields import json_field
from hub.lib.form_body import parse_form
from hub.lib.storable import is_storable, json_object, make_storable


@dataclass(frozen=True)
class WebhookRequest:
    """A request of a provider.

    `url` is the URL that the provider called, built from the hub's public address. `path` is the
    declared one.
    """

    method: str
    url: str
    path: str
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    connection: str = ""  # the {connection} part of the path
    locale: str = "en"  # the default language of the hub, for answers that people see

    @cached_property
    def form(self) -> dict[str, str]:
        """Return the fields of a form body as texts that can be stored, the last value of each."""
        fields = self.fields
        if is_storable("".join([name + value for name, value in fields])):
            return dict(fields)
        return {make_storable(name): make_storable(value) for name, value in fields}

    @cached_property
    def fields(self) -> list[tuple[str, str]]:
        """Return all fields of a form body as signed, in order, including blank ones."""
        if not self.body or not self.headers.get("content-type", "").lower().startswith(
            "application/x-www-form-urlencoded"
        ):
            return []
        # strict, because a signature of joined names and values would not reveal a missing "="
        try:
            return parse_form(self.body.decode("ascii"))
        except ValueError:
            raise BadWebhook("The body is not a form.") from None

    @cached_property
    def json(self) -> dict[str, Any]:
        """Return the object of a JSON body, with storable texts; {} for any other body."""
        return json_object(self.body)

    def text(self, name: str) -> str:
        """Return a field of a JSON or form body as text that can be stored, or "" without one.

        `usage.price` is a field in the object `usage` of a JSON body.
        """
        value = json_field(self.json or self.form, name)
        is_text = isinstance(value, str | int | float) and not isinstance(value, bool)
        return str(value) if is_text else ""

    @cached_property
    def query(self) -> dict[str, str]:
        """Return the parameters of the URL as storable texts, with the last value of each."""
        parameters = parse_qs(self.url.partition("?")[2], keep_blank_values=True)
        return {
            make_storable(name): make_storable(values[-1]) for name, values in parameters.items()
        }

    @cached_property
    def params(self) -> dict[str, Any]:
        """Return the object of a JSON body, or else the fields of a form body, as signed.

        The values of `json` and `form` can be stored, which these need not.
        """
        if self.headers.get("content-type", "").lower().startswith("application/json"):
            try:
                value = json.loads(self.body)
            except (ValueError, RecursionError):
                return {}
            return value if isinstance(value, dict) else {}
        return dict(self.fields)
