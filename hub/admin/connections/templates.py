"""Show message texts and the providers' templates, and map templates to texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from sqlalchemy import select
from wtforms import SelectField, StringField

from hub import integrations
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.texts import text_list
from hub.admin.view import confirmation
from hub.admin.view.forms import add_error
from hub.admin.view.template_titles import template_title
from hub.core.errors import HubError, Refused, SendError
from hub.core.vocabulary import Channel, Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.lib.localized import format_language, language_name
from hub.messaging.compose import provider_templates, render, template_sync
from hub.messaging.compose.provider_templates import (
    APPROVED,
    fills_all_variables,
    read_variables,
    values_for,
)
from hub.models import Connection, ProviderTemplate, Template, TemplateMapping

STATES = {  # by the provider's name of the state: the color of the badge, and its text
    APPROVED: ("delivered", "Approved"),
    "pending": ("queued", "Pending approval"),
    "received": ("queued", "Pending approval"),
    "unsubmitted": ("queued", "Not submitted"),
    "rejected": ("failed", "Rejected"),
    "paused": ("undelivered", "Paused"),
    "disabled": ("failed", "Disabled"),
    "gone": ("failed", "Deleted at the provider"),
}
SAMPLES = {
    "title": "Employment Agreement",
    "sender": "Acme HR",
    "name": "Anna Kowalska",
    "signer": "Eric Smith",
    "link": "https://sign.example/r/agr-1001/eric",
    "link_path": "r/agr-1001/eric",
    "download_link": "https://sign.example/d/agr-1001",
    "remaining": "1",
    "expiry_date": "2026-12-15",
    "unsubscribe_link": "https://hub.acme.example/u/example",
    "brand_name": "Acme",
    "brand_color": "#0b5a6b",
    "brand_text_color": "#ffffff",
    "brand_support": "help@acme.example",
    "brand_footer": "Acme Ltd., 1 Main Street, Springfield",
}


@dataclass(frozen=True)
class TemplateRow:
    """A provider's template as the page shows it, with its mappings to Signpost's templates."""

    row: ProviderTemplate
    color: str
    status: str
    mappings: list[TemplateMapping]

    @property
    def samples(self) -> dict[str, str]:
        """The values of the variables in the provider's sample."""
        return {
            f"{{{{{variable}}}}}": sample
            for variable, sample in read_variables(self.row.variables).items()
        }

    @property
    def is_unusable(self) -> bool:
        """True when the template is mapped but can no longer be sent."""
        return bool(self.mappings) and (self.row.state != APPROVED or self.is_outdated)

    @staticmethod
    def map_variables(mapping: TemplateMapping) -> list[tuple[str, str]]:
        """Return each variable of the provider's template, with the name of its value."""
        return [
            (f"{{{{{variable}}}}}", name.replace("_", " "))
            for variable, name in read_variables(mapping.variables).items()
        ]

    @property
    def is_outdated(self) -> bool:
        """True when a mapping does not fill the template's current variables."""
        return any(
            not fills_all_variables(mapping.variables, self.row.variables)
            for mapping in self.mappings
        )


@admin.get("/templates")
@require_role(Role.VIEWER)
def templates() -> Any:
    """Show Signpost's message texts and the templates at providers."""
    connections = db.session.scalars(
        select(Connection).where(Connection.archived_at.is_(None)).order_by(Connection.title)
    ).all()
    provider_lists = [
        (connection, _template_rows(connection.id), _prefers_templates(connection))
        for connection in connections
        if _has_templates(connection)
    ]
    return render_template(
        "templates.html",
        texts=text_list.list_texts(),
        default_language=language_name(render.default_locale()),
        provider_lists=provider_lists,
        may_change=has_role(Role.ADMIN),
        names=_mappable_titles(),
    )


@admin.post("/templates/sync/<slug>")
@require_role(Role.ADMIN)
def sync_templates(slug: str) -> Any:
    """Fetch the templates of a connection from its provider."""
    connection = db.session.scalar(select(Connection).where(Connection.slug == slug)) or abort(404)
    try:
        count = template_sync.sync_templates(connection.id)
    except SendError as error:
        flash(f"Could not fetch the templates. {error}", "bad")
    except HubError as error:
        flash(str(error), "bad")
    else:
        flash(f"Fetched {count} {'template' if count == 1 else 'templates'}.", "good")
    return redirect(url_for("admin.templates"), 303)


@admin.route("/templates/<template_id>", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def map_template(template_id: str) -> Any:
    """Map a provider's template to a message text."""
    row = db.session.get(ProviderTemplate, template_id) if is_id("ptp", template_id) else None
    if row is None:
        abort(404)
    mapping = db.session.scalar(
        select(TemplateMapping).where(TemplateMapping.provider_template_id == row.id).limit(1)
    )
    values = _guess_values(row) | (read_variables(mapping.variables) if mapping else {})
    form = _form(row, values, mapping)
    if request.method == "GET":
        return _mapping_page(row, form, values)
    variable_names = {
        variable: form[f"variable-{variable}"].data for variable in read_variables(row.variables)
    }
    if request.form.get("do") == "preview":
        return _mapping_page(row, form, variable_names)
    try:
        provider_templates.save_mapping(
            row.connection_id,
            form["name"].data or "",
            form["locale"].data or row.locale,
            row.id,
            variable_names,
        )
    except Refused as refusal:
        add_error(form, refusal)
        return _mapping_page(row, form, variable_names), 422
    flash(f"Mapping saved. Signpost uses {row.name} for {_mapped_text(form, row)}.", "good")
    return redirect(url_for("admin.templates"), 303)


def _mapped_text(form: FlaskForm, row: ProviderTemplate) -> str:
    """Return the title and language of the text that a template was mapped to."""
    name = form["name"].data or ""
    language = format_language(form["locale"].data or row.locale)
    return f"“{_mappable_titles().get(name, name)}” ({language})"


def _mapping_page(row: ProviderTemplate, form: FlaskForm, variable_names: Mapping[str, Any]) -> str:
    return render_template(
        "template.html",
        row=row,
        form=form,
        preview=_preview(row, variable_names),
        is_preferred=_prefers_templates(db.session.get_one(Connection, row.connection_id)),
    )


@admin.route("/templates/mappings/<mapping_id>/remove", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def unmap_template(mapping_id: str) -> Any:
    """Ask for confirmation, and remove a mapping."""
    if request.method == "GET":
        return _confirm_removal(provider_templates.find_mapping(mapping_id))
    mapping = provider_templates.find_mapping(mapping_id)
    connection = db.session.get_one(Connection, mapping.connection_id)
    effect = (
        "Signpost sends its own text instead."
        if _prefers_templates(connection)
        else "Signpost no longer sends this template outside the 24-hour window."
    )
    provider_templates.remove_mapping(mapping_id)
    flash(f"Mapping removed. {effect}", "info")
    return redirect(url_for("admin.templates"), 303)


def _confirm_removal(mapping: TemplateMapping) -> str:
    list_url = url_for("admin.templates")
    row = db.session.get_one(ProviderTemplate, mapping.provider_template_id)
    connection = db.session.get_one(Connection, mapping.connection_id)
    title = _mappable_titles().get(mapping.name, mapping.name)
    return confirmation.ask(
        f"Remove mapping of {row.name}",
        [
            f"{connection.title} will no longer use this template for “{title}”"
            f" ({format_language(mapping.locale)}).",
            _WITHOUT_MAPPING[_prefers_templates(connection)],
        ],
        button="Remove mapping",
        cancel=list_url,
        crumbs=[("Templates", list_url)],
    )


# what removing a mapping means, by whether the integration prefers templates
_WITHOUT_MAPPING = {
    False: (
        "Outside the 24-hour window, these messages are not sent until you map another"
        " template. Messages within the window are not affected."
    ),
    True: "These messages are then sent with the text of Signpost.",
}


def _prefers_templates(connection: Connection) -> bool:
    integration_class = integrations.registry().get(connection.integration)
    return integration_class is not None and integration_class.prefers_templates


def _has_templates(connection: Connection) -> bool:
    integration_class = integrations.registry().get(connection.integration)
    return integration_class is not None and integration_class.supports("fetch_templates")


def _template_rows(connection_id: str) -> list[TemplateRow]:
    mappings = list(
        db.session.scalars(
            select(TemplateMapping).where(TemplateMapping.connection_id == connection_id)
        )
    )
    rows = []
    query = select(ProviderTemplate).where(ProviderTemplate.connection_id == connection_id)
    for row in db.session.scalars(query.order_by(ProviderTemplate.name, ProviderTemplate.locale)):
        color, status = STATES.get(row.state, ("queued", row.state.capitalize()))
        own = [mapping for mapping in mappings if mapping.provider_template_id == row.id]
        rows.append(TemplateRow(row, color, status, own))
    return rows


def _mappable_titles() -> dict[str, str]:
    """Return the titles of templates that a provider's template can replace: those for people."""
    query = select(Template).where(Template.channel != Channel.CHAT.value).order_by(Template.id)
    return {template.name: template_title(template) for template in db.session.scalars(query)}


def _form(
    row: ProviderTemplate, values: Mapping[str, str], mapping: TemplateMapping | None
) -> FlaskForm:
    names = _mappable_titles()
    available = values_for(row)
    similar = next(
        (name for name in sorted(names, key=len, reverse=True) if name in row.name.lower()), None
    )
    fields: dict[str, Any] = {
        "name": SelectField(
            "Message text", choices=names, default=mapping.name if mapping else similar
        ),
        "locale": StringField(
            "Language",
            default=format_language(mapping.locale if mapping else row.locale),
            render_kw={"mono": True},
            description=(
                "Enter a language code, such as `en` or `pt-BR`. For `pt-BR`, Signpost"
                " tries `pt-BR`, `pt`, the default language of Signpost, `en` and"
                " `en-US`."
            ),
        ),
    }
    for variable, sample in read_variables(row.variables).items():
        help_ = f"Sample: {sample}" if sample else ""
        fields[f"variable-{variable}"] = SelectField(
            f"{{{{{variable}}}}}",
            choices=available,
            default=values[variable],
            description=help_,
        )
    return type("MappingForm", (FlaskForm,), fields)()


def _guess_values(row: ProviderTemplate) -> dict[str, str]:
    """Guess the value of each variable from its name, or from its position."""
    available = values_for(row)
    order = iter(("title", "sender", "link", "signer", "name", "remaining", "download_link"))
    return {
        variable: variable if variable in available else next(order, "title")
        for variable in read_variables(row.variables)
    }


def _preview(row: ProviderTemplate, variable_names: Mapping[str, Any]) -> str:
    preview = row.text
    for variable, name in variable_names.items():
        sample = provider_templates.clean_value(SAMPLES.get(str(name), ""))
        preview = preview.replace(f"{{{{{variable}}}}}", sample)
    return preview
