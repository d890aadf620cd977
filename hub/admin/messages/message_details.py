"""List the details of a message: its event, IDs, price and attempts."""

from __future__ import annotations

from typing import Any

from flask import url_for
from markupsafe import Markup

from hub import integrations
from hub.admin.contacts import contact_page
from hub.admin.view.filters import capitalize_first, phone
from hub.db.engine import db
from hub.lib.localized import format_amount
from hub.lib.page_text import isolate_markup
from hub.messaging.policy import policy, session_windows
from hub.models import Event, Message, Source, Template, TemplateVersion


def list_details(message: Message) -> list[tuple[str, Any]]:
    """Return pairs of a label and a value. The page does not show a pair with an empty value."""
    provider = integrations.provider_name(message.connection.integration, "Provider")
    contact_url = url_for("admin.contact", contact_id=message.contact_id)
    connection_url = url_for("admin.connection", slug=message.connection.slug)
    return [
        ("To", _link(contact_url, phone(message.contact.address), "sp-mono")),
        ("24-hour window", _window(message)),
        ("Event", _event(message)),
        ("Connection", _link(connection_url, message.connection.title)),
        ("Template", _template(message)),
        ("Updates", _edited(message)),
        ("Signpost ID", _monospace(message.id)),
        (
            f"{capitalize_first(provider.removeprefix('The '))} ID",
            _monospace(message.provider_id or ""),
        ),
        ("Segments", message.segments or ""),
        ("Price", _price(message)),
        ("Attempts", message.tries or ""),
    ]


def _price(message: Message) -> str:
    """Return the provider's price, '' without one.

    If the provider reported no currency, it is that of the connection's rules, if they have prices.
    """
    if message.price is None:
        return ""
    rules = policy.get_rules(message.connection.info)
    currency = message.price_currency or (rules.currency if rules.has_prices else "")
    if currency:
        return format_amount(message.price, currency, exactly=True)
    return f"{message.price:f} in the account’s currency"


def _event(message: Message) -> str:
    event = db.session.get(Event, message.event_id) if message.event_id else None
    source = db.session.get(Source, message.source_id) if message.source_id else None
    return f"{event.type} (source: {source.name})" if event and source else ""


def _template(message: Message) -> str:
    version, template = _find_template(message)
    return f"{template.name}, version {version.number}" if template and version else ""


def get_language(message: Message) -> str:
    """Return the language of a message's template, or '' without a template."""
    _, template = _find_template(message)
    return {"en": "English"}.get(template.locale, template.locale) if template else ""


def _find_template(message: Message) -> tuple[TemplateVersion | None, Template | None]:
    if not message.template_version_id:
        return None, None
    version = db.session.get(TemplateVersion, message.template_version_id)
    return version, db.session.get(Template, version.template_id) if version else None


def _edited(message: Message) -> Markup | str:
    if not message.edits_id:
        return ""
    return _link(url_for("admin.message", message_id=message.edits_id), "an earlier post")


def _monospace(text: str) -> Markup | str:
    return Markup('<span class="sp-mono">{}</span>').format(isolate_markup(text)) if text else ""


def _link(href: str, text: str, classes: str = "") -> Markup:
    return Markup('<a href="{}" class="{}">{}</a>').format(href, classes, isolate_markup(text))


def _window(message: Message) -> str:
    """Return the state of the recipient's session window, or '' for a connection without
    windows.
    """
    if not contact_page.has_session_window(message.connection):
        return ""
    sender = policy.sender_key(message.connection.info)
    closing = session_windows.closing_times(sender, [message.contact_id])
    return contact_page.describe_window(closing.get(message.contact_id))
