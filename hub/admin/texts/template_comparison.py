"""Compare a text with the approved template that replaces it outside the session window."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from hub import integrations
from hub.db.engine import db
from hub.messaging.compose import text_values
from hub.messaging.compose.provider_templates import (
    APPROVED,
    LAST_RESORT,
    MappedTemplate,
    read_variables,
)
from hub.messaging.compose.render import locale_fallbacks
from hub.models import Connection, ProviderTemplate, Template, TemplateMapping


@dataclass(frozen=True)
class ComparedTemplate:
    """An approved template that is sent instead of a text."""

    connection: str
    name: str
    locale: str
    text: str  # filled with the same values
    is_equal: bool
    always: bool  # it is sent in any case, and not only outside the session window


def compare_templates(
    template: Template, channels: Collection[str], filled: str, values: Mapping[str, Any]
) -> list[ComparedTemplate]:
    """Return the approved templates that stand for a text, one for each connection.

    `channels`: those whose connections send the text.
    """
    query = (
        select(TemplateMapping, ProviderTemplate, Connection)
        .join(ProviderTemplate, ProviderTemplate.id == TemplateMapping.provider_template_id)
        .join(Connection, Connection.id == TemplateMapping.connection_id)
        .where(
            TemplateMapping.name == template.name,
            ProviderTemplate.state == APPROVED,
            Connection.archived_at.is_(None),
            Connection.channel.in_(channels),
        )
        .order_by(Connection.title)
    )
    by_connection: dict[str, dict[str, tuple[TemplateMapping, ProviderTemplate, Connection]]] = {}
    for mapping, row, connection in db.session.execute(query):
        by_connection.setdefault(connection.id, {})[mapping.locale] = (mapping, row, connection)
    found = []
    for by_locale in by_connection.values():
        locales = (*locale_fallbacks(template.locale), LAST_RESORT)
        locale = next((locale for locale in locales if locale in by_locale), None)
        if locale is not None:
            found.append(_compare(*by_locale[locale], filled, values))
    return found


def _compare(
    mapping: TemplateMapping,
    row: ProviderTemplate,
    connection: Connection,
    filled: str,
    values: Mapping[str, Any],
) -> ComparedTemplate:
    mapped = MappedTemplate(
        row.external_id, read_variables(mapping.variables), row.text, mapping.locale
    )
    complete = text_values.add_stand_ins(values, mapping.locale)
    text = mapped.render_text(mapped.fill(complete))
    is_equal = " ".join(text.split()) == " ".join(filled.split())
    integration_class = integrations.registry().get(connection.integration)
    always = integration_class is not None and not integration_class.session_window
    return ComparedTemplate(connection.title, row.name, row.locale, text, is_equal, always)
