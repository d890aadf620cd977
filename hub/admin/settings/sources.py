"""List, add and change sources: signing apps, their API keys and the scope of their opt-outs."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from wtforms import BooleanField, Form, SelectField, StringField
from wtforms.validators import InputRequired

from hub.accounts import api_keys, sources
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.settings import source_reminders
from hub.admin.view.forms import add_error
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.lib.localized import language_name
from hub.messaging.compose import render
from hub.shared.sentences import LANGUAGES

NAME = {"autocomplete": "off", "maxlength": sources.MAX_NAME_LENGTH}


class AddSource(Form):
    """Add a signing app or brand."""

    name = StringField(
        "Name",
        [InputRequired("Enter a name.")],
        render_kw=NAME,
        description="Enter the app or brand, such as Acme Leases.",
    )
    slug = StringField(
        "Slug",
        render_kw={**NAME, "maxlength": sources.MAX_SLUG_LENGTH, "mono": True},
        description="Leave empty to derive it from the name. You cannot change it later.",
    )


class EditSource(Form):
    """The name of a source, and the scope of its opt-outs and consents."""

    name = StringField("Name", [InputRequired("Enter a name.")], render_kw=NAME)
    locale = SelectField(
        "Language of team posts",
        choices=lambda: {
            "": f"Default ({language_name(render.default_locale())})",
            **{locale: language_name(locale) for locale in LANGUAGES.values()},
        },
        default="",
        description="The language of posts to a team, with their cards, buttons and pages.",
    )
    applies_to_all = BooleanField(
        "Opt-outs and consents of this source apply to every source",
        description=(
            "Affects opt-outs and consents that the API keys of this source record,"
            " including existing ones. If off, they apply only to messages of this"
            " source."
        ),
    )


@admin.get("/settings/sources", endpoint="sources")
@require_role(Role.VIEWER)
def list_sources() -> Any:
    """List the sources."""
    return _list(AddSource())


@admin.post("/settings/sources")
@require_role(Role.ADMIN)
def add_source() -> Any:
    """Add a source."""
    form = AddSource(request.form)
    try:
        if form.validate():
            slug = sources.create_source(form.name.data or "", form.slug.data or "")
            flash("Source added. Create an API key for it next.", "good")
            return redirect(url_for("admin.source", slug=slug), 303)
    except Refused as refusal:
        add_error(form, refusal)
    return _list(form), 422


@admin.get("/settings/sources/<slug>", endpoint="source")
@require_role(Role.VIEWER)
def show_source(slug: str) -> Any:
    """Show a source with its API keys."""
    return _page(slug, EditSource(obj=sources.get_source(slug)))


@admin.post("/settings/sources/<slug>")
@require_role(Role.ADMIN)
def change_source(slug: str) -> Any:
    """Save a source's name and the scope of its opt-outs."""
    form = EditSource(request.form)
    try:
        if form.validate():
            sources.rename_source(slug, form.name.data or "")
            sources.set_opt_out_scope(slug, enabled=bool(form.applies_to_all.data))
            if form.locale.name in request.form:
                sources.set_language(slug, form.locale.data or "")
            flash("Changes saved.", "good")
            return redirect(url_for("admin.source", slug=slug), 303)
    except Refused as refusal:
        if refusal.status == 404:
            raise
        add_error(form, refusal)
    return _page(slug, form), 422


@admin.post("/settings/sources/<slug>/reminders")
@require_role(Role.ADMIN)
def change_reminders(slug: str) -> Any:
    """Save who reminds the signers of a source, and when."""
    source = sources.get_source(slug)
    form = source_reminders.RemindersForm(request.form)
    if not form.validate():
        return _page(slug, EditSource(obj=source), form), 422
    source_reminders.save_reminders(source.id, form)
    flash("Changes saved. They apply to open requests, too.", "good")
    return redirect(url_for("admin.source", slug=slug), 303)


def _list(form: AddSource) -> str:
    return render_template(
        "sources.html",
        sources=sources.list_sources(),
        keys=sources.count_keys(),
        form_add=form if has_role(Role.ADMIN) else None,
    )


def _page(
    slug: str, form: EditSource, reminders_form: source_reminders.RemindersForm | None = None
) -> str:
    source = sources.get_source(slug)
    return render_template(
        "source.html",
        source=source,
        form=form,
        reminders_form=reminders_form or source_reminders.reminders_form(source),
        may_change=has_role(Role.ADMIN),
        keys=[
            api_keys.summarize(key) for key in api_keys.list_keys() if key.source_id == source.id
        ],
    )
