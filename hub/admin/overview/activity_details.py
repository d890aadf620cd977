"""Describe the details of a change in the activity log in the words of the pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub import integrations
from hub.admin.contacts.suppressions import REASONS
from hub.admin.routing.route_descriptions import AUDIENCES
from hub.admin.view.status_badges import channel_title
from hub.admin.view.template_titles import EVENT_TITLES, TEMPLATE_TITLES
from hub.core.errors import NotFound
from hub.core.vocabulary import Channel, EventType
from hub.lib.localized import format_language

ALL_SCOPES = "*"


def describe_details(details: Mapping[str, Any], integration: str = "") -> str:
    """Return the details of a change, such as `Before: Viewer · Role: Admin`.

    `integration`: the name of the changed connection's integration, whose settings have titles.
    """
    parts = (
        _describe(name, value, integration)
        for name, value in details.items()
        if value not in ("", None, [])
    )
    return " · ".join(parts)


def _describe(name: str, value: Any, integration: str) -> str:
    """Return one detail, with its label unless its value is clear without one."""
    if isinstance(value, bool) and name in SWITCHES:
        return SWITCHES[name][not value]
    if (phrase := PHRASES.get((name, value if isinstance(value, str) else ""))) is not None:
        return phrase
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    return f"{label}: {_format(name, value, integration)}"


def _format(name: str, value: Any, integration: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_title(name, str(item), integration) for item in value)
    return _title(name, str(value), integration)


def _title(name: str, value: str, integration: str) -> str:
    """Return the title of a stored word, or the word itself if it has none."""
    match name:
        case "fields":
            return _setting_title(value, integration)
        case "integration":
            return _integration_title(value)
        case "channel" | "channels":
            return channel_title(value) if value in {*Channel} else value
        case "event":
            return EVENT_TITLES[EventType(value)] if value in {*EventType} else value
        case "audience":
            return AUDIENCES.get(value, value)
        case "locale":
            return format_language(value)
        case "reason":
            return REASONS.get(value, value)
        case "rules":
            return ", ".join(dict.fromkeys(RULES.get(rule, rule) for rule in value.split(", ")))
        case "scopes":
            return ", ".join(value.split())
        case "template":
            return TEMPLATE_TITLES.get(value, value)
    return value


def _integration_title(name: str) -> str:
    try:
        return integrations.get(name).title
    except NotFound:
        return name


def _setting_title(name: str, integration: str) -> str:
    """Return the label of a setting on the page of its connection."""
    try:
        form = integrations.get(integration).Form()
    except NotFound:
        return name
    return str(form[name].label.text) if name in form else name


# details of two values, which are clear without a label
SWITCHES = {
    "ok": ("Passed", "Failed"),
    "test": ("Test data", "Live data"),
}
PHRASES = {
    ("reminded_by", "app"): "Sent by the app",
    ("reminded_by", "hub"): "Sent by Signpost",
    ("test_reminded_by", "app"): "Test reminders sent by the app",
    ("test_reminded_by", "hub"): "Test reminders sent by Signpost",
    ("expires", "never"): "Never expires",
    ("per_minute", "default"): "Default rate limit",
    ("said", "no"): "Consent refused",
    ("said", "yes"): "Consent given",
    ("scopes", ALL_SCOPES): "All scopes",
}
RULES = {
    "consent": "Consent",
    "consent_days": "Consent",
    "countries": "Countries",
    "per_hour": "Limits per recipient",
    "per_day": "Limits per recipient",
    "currency": "Currency",
    "prices": "Prices",
    "spend_day": "Daily limit",
    "spend_month": "Monthly limit",
    "quiet": "Quiet hours",
    "quiet_waits": "Quiet hours",
}
LABELS = {
    "address": "IP address",
    "count": "Attempts",
    "fields": "Changed",
    "kept": "Stored lines",
    "locale": "Language",
    "per_minute": "Requests per minute",
    "reason": "Opt-out",
    "refused": "Rejected lines",
    "rules": "Changed",
    "successor": "New message",
    "why": "Reason",
    "words": "Texts",
}
