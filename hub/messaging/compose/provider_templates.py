"""Map templates that a provider approved to the hub's templates, and fill them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from hub import integrations
from hub.core.errors import NotFound, Refused
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import cached, read, transaction
from hub.db.types import is_id
from hub.integrations.base import FilledTemplate, Integration
from hub.lib.text import clean_line, isolate
from hub.messaging.compose.fitting import fit_text
from hub.messaging.compose.render import locale_fallbacks
from hub.messaging.compose.text_values import ENGLISH, add_stand_ins, localize_value
from hub.models import Connection, ProviderTemplate, TemplateMapping
from hub.shared import audit

APPROVED = "approved"
LAST_RESORT = "en-us"  # the locale of most accounts, if no other one is mapped
EMPTY = "–"  # WhatsApp rejects an empty variable
VARIABLES: Mapping[str, str] = {
    "title": "Title of the document",
    "sender": "Sender of the request",
    "name": "Signer who signed or declined",
    "signer": "Name of the recipient",
    "link": "Link to sign",
    "link_path": "Path of the signing link, for a button whose URL already contains the host",
    "download_link": "Link to the signed document",
    "remaining": "Number of missing signatures",
    "expiry_date": "Day on which the request expires",
}
# values that are known when a message is sent, for integrations with `uses_letterhead`
LETTERHEAD: Mapping[str, str] = {
    "unsubscribe_link": "Link to unsubscribe",
    "brand_name": "Branding: name",
    "brand_logo": "Branding: logo (image address)",
    "brand_color": "Branding: color, such as #0b5a6b",
    "brand_text_color": "Branding: color of text on the color",
    "brand_support": "Branding: support contact",
    "brand_footer": "Branding: legal footer",
}


def values_for(row: ProviderTemplate) -> dict[str, str]:
    """Return the values that can fill a template of a provider, each with its title."""
    connection = db.session.get_one(Connection, row.connection_id)
    integration_class = integrations.registry().get(connection.integration)
    has_letterhead = integration_class is not None and integration_class.uses_letterhead
    return {**VARIABLES, **(LETTERHEAD if has_letterhead else {})}


# ── Mapping ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def save_mapping(
    connection_id: str, name: str, locale: str, template_id: str, variables: Mapping[str, str]
) -> None:
    """Map a provider's template to the template `name` in a locale.

    Raises Refused that names the field.
    """
    row = db.session.get(ProviderTemplate, template_id) if is_id("ptp", template_id) else None
    if row is None or row.connection_id != connection_id:
        raise Refused(
            "no_such_template",
            "Choose a template of this connection.",
            field="template",
        )
    if row.state != APPROVED:
        reason = (
            f"{row.name} is {row.state}, and only approved templates are sent."
            " Choose another template, or fetch the templates again after approval."
        )
        raise Refused("not_approved", reason, field="template")
    locale = normalize_locale(locale)
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", locale):
        raise Refused(
            "bad_locale", "Enter a language code such as en, de or pt-BR.", field="locale"
        )
    chosen = _chosen_values(row, variables)
    mapping = db.session.scalar(
        select(TemplateMapping).where(
            TemplateMapping.connection_id == connection_id,
            TemplateMapping.name == name,
            TemplateMapping.locale == locale,
        )
    )
    if mapping is None:
        mapping = TemplateMapping(connection_id=connection_id, name=name, locale=locale)
        db.session.add(mapping)
    mapping.provider_template_id = row.id
    mapping.variables = json.dumps(chosen)
    audit.record("template.mapped", row.id, row.name, template=name, locale=locale)


def _chosen_values(row: ProviderTemplate, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the value of each variable of a template. Raises Refused for a missing one."""
    names = _parse_variables(row.variables)
    if names is None:
        reason = f"The stored variables of {row.name} cannot be read. Fetch the templates again."
        raise Refused("unreadable", reason, field="template")
    available = values_for(row)
    for variable in names:
        if variables.get(variable) not in available:
            raise Refused(
                "no_variable",
                f"Choose a value for {{{{{variable}}}}} of {row.name}.",
                field=f"variable-{variable}",
            )
    return {variable: variables[variable] for variable in names}


def find_mapping(mapping_id: str) -> TemplateMapping:
    """Return a mapping. Raises NotFound."""
    mapping = db.session.get(TemplateMapping, mapping_id) if is_id("tpm", mapping_id) else None
    if mapping is None:
        raise NotFound("no_such_mapping", "This mapping does not exist, or it was removed.")
    return mapping


@transaction
def remove_mapping(mapping_id: str) -> None:
    """Remove a mapping, after which only free text is sent. Raises NotFound."""
    mapping = find_mapping(mapping_id)
    audit.record(
        "template.unmapped",
        mapping.provider_template_id,
        template=mapping.name,
        locale=mapping.locale,
    )
    db.session.delete(mapping)


def normalize_locale(locale: str) -> str:
    """Return a locale in one form: `en_US` becomes `en-us`."""
    return locale.replace("_", "-").lower()


# ── Filling ───────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class MappedTemplate:
    """An approved template and the meaning of its variables."""

    external_id: str
    variables: Mapping[str, str]
    text: str  # as it was fetched from the provider
    locale: str = ENGLISH

    def fill(self, values: Mapping[str, Any]) -> FilledTemplate:
        """Return the template with its variables filled."""
        available = {**values, "link_path": _without_host(str(values.get("link") or ""))}
        later = {variable: name for variable, name in self.variables.items() if name in LETTERHEAD}
        filled = {
            variable: clean_value(localize_value(name, available.get(name), self.locale))
            for variable, name in self.variables.items()
            if variable not in later
        }
        return FilledTemplate(self.external_id, filled, later)

    def render_text(self, filled: FilledTemplate) -> str:
        """Return the text of a filled template; its variables alone if its text is unknown."""
        if not self.text:
            return "".join(filled.variables.values())
        return _PLACEHOLDER.sub(lambda match: filled.variables.get(match[1], match[0]), self.text)


_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


def fill_mapped(
    connection_id: str,
    name: str,
    locale: str,
    values: Mapping[str, Any],
    integration_class: type[Integration] = Integration,
) -> FilledTemplate | None:
    """Return the approved template that is mapped to `name`, filled, or None if there is none.

    Falls back from pt-BR to pt to HUB_LOCALE to en, and finally to en-US. The title is shortened to
    what the integration `integration_class` accepts. Raises TooLong.
    """
    by_locale = cached(("mapped", connection_id, name), lambda: _read_mappings(connection_id, name))
    for candidate in (*locale_fallbacks(locale), LAST_RESORT):
        if (mapped := by_locale.get(candidate)) is not None:
            return fit_text(
                integration_class,
                add_stand_ins(values, mapped.locale),
                mapped.fill,
                mapped.render_text,
                integration_class.max_template_length,
            )
    return None


def _read_mappings(connection_id: str, name: str) -> dict[str, MappedTemplate]:
    rows = read(_MAPPED, connection=connection_id, name=name)
    return {
        locale: MappedTemplate(external, read_variables(mapped_variables), text, locale)
        for locale, external, mapped_variables, required, text in rows
        if fills_all_variables(mapped_variables, required)
    }


def fills_all_variables(mapped_variables: str, required: str) -> bool:
    """Return whether a mapping fills exactly the variables of its template.

    Otherwise a sample value of the provider could reach a signer.
    """
    mapped = _parse_variables(mapped_variables)
    expected = _parse_variables(required)
    return mapped is not None and expected is not None and mapped.keys() == expected.keys()


def read_variables(stored: str) -> dict[str, str]:
    """Return the variables of a template or a mapping, empty if the row is damaged."""
    return _parse_variables(stored) or {}


def _parse_variables(stored: str) -> dict[str, str] | None:
    """Return stored variables, or None if the row is damaged."""
    try:
        value = json.loads(stored)
    except (TypeError, ValueError):
        return None
    if not isinstance(value, dict):
        return None
    return {str(name): str(text) for name, text in value.items()}


_MAPPED = Statement(
    select(
        TemplateMapping.locale,
        ProviderTemplate.external_id,
        TemplateMapping.variables,
        ProviderTemplate.variables,
        ProviderTemplate.text,
    )
    .join(ProviderTemplate, ProviderTemplate.id == TemplateMapping.provider_template_id)
    .where(
        TemplateMapping.connection_id == bindparam("connection"),
        TemplateMapping.name == bindparam("name"),
        ProviderTemplate.state == APPROVED,
    )
)


def clean_value(value: Any) -> str:
    """Return a value that WhatsApp accepts: no line breaks, tabs or runs of spaces, never empty."""
    return isolate(re.sub(r"\s+", " ", clean_line("" if value is None else str(value)))) or EMPTY


def _without_host(link: str) -> str:
    return re.sub(r"\Ahttps?://[^/]+/?", "", link)
