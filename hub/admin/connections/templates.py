"""The templates page: what messages say, which templates a provider approved, and which of them
says what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import abort, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from sqlalchemy import select
from wtforms import SelectField, StringField

from hub import integrations
from hub.admin.auth.guard import admin, may, needs
from hub.admin.view import confirmation
from hub.admin.view.forms import blame
from hub.core.errors import HubError, Refused, SendError
from hub.core.vocabulary import Channel, Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.messaging.compose import provider_templates, template_sync
from hub.messaging.compose.provider_templates import APPROVED, VARIABLES, fits, variables_of
from hub.models import Connection, ProviderTemplate, Template, TemplateMapping, TemplateVersion

STATES = {  # the provider's word: how it looks as a state, and what it means
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
}


@dataclass(frozen=True)
class TemplateRow:
    """A provider's template as the page shows it; `says` names ours that it stands for."""

    row: ProviderTemplate
    look: str
    word: str
    says: list[TemplateMapping]

    @property
    def samples(self) -> dict[str, str]:
        """The values of the variables in the provider's sample."""
        return {
            f"{{{{{variable}}}}}": sample
            for variable, sample in variables_of(self.row.variables).items()
        }

    @property
    def lost(self) -> bool:
        return bool(self.says) and (self.row.state != APPROVED or self.changed)

    @staticmethod
    def stands_for(mapping: TemplateMapping) -> list[tuple[str, str]]:
        """Return what each variable stands for."""
        return [
            (f"{{{{{variable}}}}}", ours.replace("_", " "))
            for variable, ours in variables_of(mapping.variables).items()
        ]

    @property
    def changed(self) -> bool:
        """True when a mapping does not fill the variables that it has now."""
        return any(not fits(one.variables, self.row.variables) for one in self.says)


@admin.get("/templates")
@needs(Role.VIEWER)
def templates() -> Any:
    """Show our texts, and the templates that providers keep."""
    standing = db.session.scalars(
        select(Connection).where(Connection.archived_at.is_(None)).order_by(Connection.title)
    ).all()
    keepers = [(one, _kept(one.id)) for one in standing if _keeps(one)]
    return render_template(
        "templates.html", ours=_ours(), keepers=keepers, may_change=may(Role.ADMIN), names=_names()
    )


@admin.post("/templates/sync/<slug>")
@needs(Role.ADMIN)
def sync_templates(slug: str) -> Any:
    """Fetch the templates of a connection anew."""
    one = db.session.scalar(select(Connection).where(Connection.slug == slug)) or abort(404)
    try:
        count = template_sync.sync_templates(one.id)
    except SendError as problem:
        flash(f"Could not fetch the templates. {problem}", "bad")
    except HubError as problem:
        flash(str(problem), "bad")
    else:
        flash(f"Fetched {count} {'template' if count == 1 else 'templates'}.", "good")
    return redirect(url_for("admin.templates"), 303)


@admin.route("/templates/<template_id>", methods=["GET", "POST"])
@needs(Role.ADMIN)
def map_template(template_id: str) -> Any:
    """Let a provider's template say what one of ours says."""
    row = db.session.get(ProviderTemplate, template_id) if is_id("ptp", template_id) else None
    if row is None:
        abort(404)
    standing = db.session.scalar(
        select(TemplateMapping).where(TemplateMapping.provider_template_id == row.id).limit(1)
    )
    guessed = _guess(row) | (variables_of(standing.variables) if standing else {})
    form = _form(row, guessed, standing)
    if request.method == "POST":
        chosen = {
            variable: form[f"variable-{variable}"].data for variable in variables_of(row.variables)
        }
        if request.form.get("do") == "preview":
            return render_template(
                "template.html", row=row, form=form, preview=_preview(row, chosen)
            )
        try:
            provider_templates.save_mapping(
                row.connection_id,
                form["name"].data or "",
                form["locale"].data or row.locale,
                row.id,
                chosen,
            )
        except Refused as refusal:
            blame(form, refusal)
            return (
                render_template("template.html", row=row, form=form, preview=_preview(row, chosen)),
                422,
            )
        flash(f"{row.name} is now used for {form['name'].data}.", "good")
        return redirect(url_for("admin.templates"), 303)
    return render_template("template.html", row=row, form=form, preview=_preview(row, guessed))


@admin.route("/templates/mappings/<mapping_id>/remove", methods=["GET", "POST"])
@needs(Role.ADMIN)
def unmap_template(mapping_id: str) -> Any:
    """Ask whether a mapping is to be removed, and remove it."""
    if request.method == "GET":
        return _confirm_removal(provider_templates.find_mapping(mapping_id))
    provider_templates.remove_mapping(mapping_id)
    flash(
        "Mapping removed. Signpost no longer sends this template outside the 24-hour window.",
        "info",
    )
    return redirect(url_for("admin.templates"), 303)


def _confirm_removal(mapping: TemplateMapping) -> str:
    here = url_for("admin.templates")
    row = db.session.get_one(ProviderTemplate, mapping.provider_template_id)
    connection = db.session.get_one(Connection, mapping.connection_id)
    text = _names().get(mapping.name, mapping.name)
    return confirmation.ask(
        f"Remove mapping of {row.name}",
        [
            f"{connection.title} no longer sends “{text}” ({mapping.locale}) as this template.",
            "Outside the 24-hour window, these messages are not sent until you map another"
            " template. Messages within the window are not affected.",
        ],
        button="Remove mapping",
        cancel=here,
        crumbs=[("Templates", here)],
    )


def _keeps(one: Connection) -> bool:
    return one.integration in integrations.registry() and integrations.get(
        one.integration
    ).supports("fetch_templates")


def _kept(connection_id: str) -> list[TemplateRow]:
    mappings = list(
        db.session.scalars(
            select(TemplateMapping).where(TemplateMapping.connection_id == connection_id)
        )
    )
    found = []
    query = select(ProviderTemplate).where(ProviderTemplate.connection_id == connection_id)
    for row in db.session.scalars(query.order_by(ProviderTemplate.name, ProviderTemplate.locale)):
        look, word = STATES.get(row.state, ("queued", row.state.capitalize()))
        found.append(
            TemplateRow(
                row, look, word, [one for one in mappings if one.provider_template_id == row.id]
            )
        )
    return found


def _ours() -> list[tuple[Template, TemplateVersion]]:
    """Return our templates with their newest wording."""
    query = select(Template, TemplateVersion).join(
        TemplateVersion, TemplateVersion.template_id == Template.id
    )
    newest = {
        row[0].id: (row[0], row[1])
        for row in db.session.execute(query.order_by(Template.id, TemplateVersion.number))
    }
    return list(newest.values())


def _names() -> dict[str, str]:
    """Return the texts that a provider's template can stand for: those that people read, each in a
    chat of their own.
    """
    return {
        template.name: template.name.replace("_", " ").capitalize()
        for template, _ in _ours()
        if template.channel != Channel.CHAT
    }


def _form(
    row: ProviderTemplate, guessed: Mapping[str, str], standing: TemplateMapping | None
) -> FlaskForm:
    names = _names()
    named = next(
        (name for name in sorted(names, key=len, reverse=True) if name in row.name.lower()), None
    )
    fields: dict[str, Any] = {
        "name": SelectField(
            "Used for", choices=names, default=standing.name if standing else named
        ),
        "locale": StringField(
            "Language",
            default=standing.locale if standing else row.locale,
            render_kw={"mono": True},
            description=(
                "Enter a language code, such as `en` or `pt-BR`. For `pt-BR`, Signpost"
                " tries `pt-BR`, `pt`, the default language of this hub, `en` and"
                " `en-US`."
            ),
        ),
    }
    for variable, sample in variables_of(row.variables).items():
        help_ = f"Sample: {sample}" if sample else ""
        fields[f"variable-{variable}"] = SelectField(
            f"{{{{{variable}}}}}",
            choices=dict(VARIABLES),
            default=guessed[variable],
            description=help_,
        )
    return type("MappingForm", (FlaskForm,), fields)()


def _guess(row: ProviderTemplate) -> dict[str, str]:
    """Return what variables probably stand for: by their names, else in the order in which most
    templates use ours.
    """
    order = iter(("title", "sender", "link", "signer", "name", "remaining", "download_link"))
    return {
        variable: variable if variable in VARIABLES else next(order, "title")
        for variable in variables_of(row.variables)
    }


def _preview(row: ProviderTemplate, chosen: Mapping[str, Any]) -> str:
    text = row.text
    for variable, ours in chosen.items():  # those that it has no more change nothing
        text = text.replace(
            f"{{{{{variable}}}}}", provider_templates.clean_value(SAMPLES.get(str(ours), ""))
        )
    return text
