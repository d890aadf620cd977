"""Complete an integration with the fields and error codes that follow from its declarations."""

from __future__ import annotations

from typing import Any

from hub.integrations.error_codes_file import read_codes_beside
from hub.integrations.error_table import ErrorTable
from hub.integrations.help_reply_setting import with_help_setting
from hub.integrations.rate_setting import with_rate_setting
from hub.integrations.settings_fields import (
    SecretField,
    ServerField,
    WebhookUrlField,
    with_destination_rule,
)


def complete_form(cls: Any) -> None:
    """Add the settings and rules that follow from other declarations to the form of a class."""
    if cls.per_second or cls.rate_hint:
        cls.Form = with_rate_setting(cls.Form, cls.per_second, cls.rate_hint)
    if cls.replies_to_keywords is False:
        cls.Form = with_help_setting(cls.Form)
    if cls.address_pattern and cls.destination_setting:
        cls.Form = with_destination_rule(cls.Form, cls.destination_setting, cls.clean_address)


def complete_errors(cls: Any, *, is_declared: bool) -> None:
    """Read the codes beside the module of a class, unless its table has its own codes.

    A class that declares no table gets one, which names the settings at fault by their fields.
    """
    if is_declared and cls.errors.has_codes:
        return
    codes = read_codes_beside(cls.__module__)
    if is_declared:
        cls.errors.add_codes(codes)
    else:
        provider = cls.provider or "The provider"
        page = getattr(cls, "docs_url", "")
        cls.errors = ErrorTable(provider, codes, docs_url=page, **_fields_at_fault(cls))


def _fields_at_fault(cls: Any) -> dict[str, Any]:
    """Return the settings that an ErrorTable names, as its arguments."""
    fields = list(cls.Form())
    secrets = [field.name for field in fields if isinstance(field, SecretField)]
    webhooks = [field for field in fields if isinstance(field, WebhookUrlField)]
    servers = [field.name for field in webhooks if field.is_own_server]
    servers += [field.name for field in fields if isinstance(field, ServerField)]
    names = cls.auth_setting
    token = names if isinstance(names, str) else names[-1]
    at_fault = {
        "credential": token or next(iter(secrets), ""),
        "destination": cls.destination_setting or next((field.name for field in webhooks), ""),
        "server": next(iter(servers), ""),
    }
    return at_fault | ({"settings": "the webhook’s URL"} if webhooks else {})
