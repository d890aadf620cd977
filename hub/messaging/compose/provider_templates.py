"""Templates that providers approve: mapped to ours, and filled."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from hub.core.errors import NotFound, Refused
from hub.db.compiled_sql import Statement
from hub.db.engine import db
from hub.db.store import cached, read, transaction
from hub.db.types import is_id
from hub.integrations.base import FilledTemplate, Integration
from hub.lib.text import isolate, one_line
from hub.messaging.compose.fitting import fit_text
from hub.messaging.compose.render import locale_fallbacks
from hub.models import ProviderTemplate, TemplateMapping
from hub.shared import audit

APPROVED = "approved"
LAST_RESORT = "en-us"  # what most accounts have, when none of the wanted locales is mapped
EMPTY = "–"  # WhatsApp takes no empty variable
VARIABLES: Mapping[str, str] = {
    "title": "Title of the document",
    "sender": "Sender of the request",
    "name": "Signer who signed or declined",
    "signer": "Name of the recipient",
    "link": "Link to sign",
    "link_path": "Link to sign without its host, for a button whose address begins with the host",
    "download_link": "Link to the signed document",
    "remaining": "Number of missing signatures",
}


# ── Mapping ───────────────────────────────────────────────────────────────────────────────────────
@transaction
def save_mapping(
    connection_id: str, name: str, locale: str, template_id: str, variables: Mapping[str, str]
) -> None:
    """Let a provider's template say what one of ours says, in a locale.

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
        why = (
            f"{row.name} is {row.state}, and WhatsApp sends only approved templates."
            " Choose another template, or fetch the templates again after approval."
        )
        raise Refused("not_approved", why, field="template")
    if not re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{2,8})*", tag(locale)):
        raise Refused(
            "bad_locale", "Enter a language code such as en, de or pt-BR.", field="locale"
        )
    wanted = _parsed(row.variables)
    if wanted is None:
        why = f"The stored variables of {row.name} cannot be read. Fetch the templates again."
        raise Refused("unreadable", why, field="template")
    for variable in wanted:
        if variables.get(variable) not in VARIABLES:
            raise Refused(
                "no_variable",
                f"Choose a value for {{{{{variable}}}}} of {row.name}.",
                field=f"variable-{variable}",
            )
    chosen = json.dumps({variable: variables[variable] for variable in wanted})
    mapping = db.session.scalar(
        select(TemplateMapping).where(
            TemplateMapping.connection_id == connection_id,
            TemplateMapping.name == name,
            TemplateMapping.locale == tag(locale),
        )
    )
    if mapping is None:
        mapping = TemplateMapping(connection_id=connection_id, name=name, locale=tag(locale))
        db.session.add(mapping)
    mapping.provider_template_id = row.id
    mapping.variables = chosen
    audit.record("template.mapped", row.id, row.name, template=name, locale=tag(locale))


def find_mapping(mapping_id: str) -> TemplateMapping:
    """Return a mapping. Raises NotFound."""
    mapping = db.session.get(TemplateMapping, mapping_id) if is_id("tpm", mapping_id) else None
    if mapping is None:
        raise NotFound("no_such_mapping", "This mapping does not exist, or it was removed.")
    return mapping


@transaction
def remove_mapping(mapping_id: str) -> None:
    """Let nothing but free text say it any more. Raises NotFound."""
    mapping = find_mapping(mapping_id)
    audit.record(
        "template.unmapped",
        mapping.provider_template_id,
        template=mapping.name,
        locale=mapping.locale,
    )
    db.session.delete(mapping)


def tag(locale: str) -> str:
    """Return a locale in one form: en_US and en-us are the same."""
    return locale.replace("_", "-").lower()


# ── Filling ───────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class MappedTemplate:
    """An approved template and what its variables stand for."""

    external_id: str
    variables: Mapping[str, str]
    text: str  # as the provider showed it when it was fetched

    def fill(self, values: Mapping[str, Any]) -> FilledTemplate:
        """Return the template with its variables filled."""
        said = {**values, "link_path": _after_host(str(values.get("link") or ""))}
        shown = {
            variable: clean_values(said.get(ours)) for variable, ours in self.variables.items()
        }
        return FilledTemplate(self.external_id, shown)

    def says(self, made: FilledTemplate) -> str:
        """Return what a filled template reads; its variables alone where its text is not known."""
        if not self.text:
            return "".join(made.variables.values())
        return _PLACE.sub(lambda found: made.variables.get(found[1], found[0]), self.text)


_PLACE = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")


def fill_mapped(
    connection_id: str,
    name: str,
    locale: str,
    values: Mapping[str, Any],
    cls: type[Integration] = Integration,
) -> FilledTemplate | None:
    """Return the approved template that stands for one of ours, filled; None when there is none.

    Falls back from pt-BR to pt to HUB_LOCALE to English, at last that of the United States. The
    title is as long as the integration `cls` takes it. Raises TooLong.
    """
    by_locale = cached(("mapped", connection_id, name), lambda: _mapped(connection_id, name))
    for wanted in (*locale_fallbacks(locale), LAST_RESORT):
        if (found := by_locale.get(wanted)) is not None:
            return fit_text(cls, values, found.fill, found.says, cls.max_template_length)
    return None


def _mapped(connection_id: str, name: str) -> dict[str, MappedTemplate]:
    found = read(_MAPPED, connection=connection_id, name=name)
    return {
        locale: MappedTemplate(external, variables_of(chosen), text)
        for locale, external, chosen, wanted, text in found
        if fits(chosen, wanted)
    }


def fits(chosen: str, wanted: str) -> bool:
    """Tell whether a mapping still fills every variable of its template: a sample of the provider's
    must never reach a signer.
    """
    given = _parsed(chosen)
    asked = _parsed(wanted)
    return given is not None and asked is not None and given.keys() == asked.keys()


def variables_of(stored: str) -> dict[str, str]:
    """Return the variables of a template or a mapping, empty if the row is damaged."""
    return _parsed(stored) or {}


def _parsed(stored: str) -> dict[str, str] | None:
    """Return stored variables, or None if the row is damaged."""
    try:
        found = json.loads(stored)
    except (TypeError, ValueError):
        return None
    return (
        {str(name): str(value) for name, value in found.items()}
        if isinstance(found, dict)
        else None
    )


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


def clean_values(value: Any) -> str:
    """Return a value as WhatsApp takes it: without line breaks, tabs or runs of spaces, and never
    empty.
    """
    return isolate(re.sub(r"\s+", " ", one_line("" if value is None else str(value)))) or EMPTY


def _after_host(link: str) -> str:
    return re.sub(r"\Ahttps?://[^/]+/?", "", link)
