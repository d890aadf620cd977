"""Set up and test the services that shorten links in SMS."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, g, redirect, render_template, request, url_for
from wtforms import Form, PasswordField, StringField

from hub.accounts import rate_limits
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.auth.page_rate_limits import rate_limit
from hub.admin.connections.secret_resubmission import SUFFIX, decrypt_secret, encrypt_secret
from hub.admin.view import confirmation
from hub.admin.view.forms import add_error, is_submitted
from hub.connections import link_shorteners
from hub.connections.link_shorteners import ShortenerTest
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.integrations.link_shorteners import SHORTENERS, LinkShortener
from hub.messaging.compose.short_links import example_link
from hub.messaging.send import link_shortening

UNCHANGED = "Leave empty to keep the stored one."


@admin.get("/settings/short-links")
@require_role(Role.VIEWER)
def link_settings() -> Any:
    """Show where short links begin, and the services that can shorten them further."""
    return _page()


@admin.post("/settings/short-links/<name>")
@require_role(Role.ADMIN)
@rate_limit(rate_limits.LINK_SHORTENERS)
def save_link_shortener(name: str) -> Any:
    """Save or test the settings of a service."""
    shortener = link_shorteners.find_shortener(name)
    form = _build_form(shortener, request.form)
    try:
        entered = _read_entered(shortener, form)
        settings = link_shorteners.merge_settings(name, entered)
    except Refused as refusal:
        add_error(form, refusal)
        return _page({name: form}), 422
    result = link_shorteners.test_settings(name, settings)
    if not result.passed and result.field in form:
        add_error(form, Refused("rejected", f"{result.text} {result.remedy}", field=result.field))
    if request.form.get("do") == "test" or not result.passed:
        status = 200 if result.passed else 422
        return _page({name: form}, {name: result}), status
    link_shorteners.save_settings(name, settings)
    flash(f"{result.text} Choose {shortener.title} in the rules of a connection for SMS.", "good")
    return redirect(url_for("admin.link_settings"), 303)


@admin.route("/settings/short-links/<name>/remove", methods=["GET", "POST"])
@require_role(Role.ADMIN)
@rate_limit(rate_limits.LINK_SHORTENERS)
def remove_link_shortener(name: str) -> Any:
    """Ask for confirmation, and remove the settings of a service."""
    title = link_shorteners.find_shortener(name).title
    page_url = url_for("admin.link_settings")
    if not is_submitted():
        return confirmation.ask(
            f"Remove {title}",
            [
                f"Signpost deletes the credentials of {title}.",
                f"Connections that use {title} send the short links of Signpost from now on. Links"
                " that were sent keep working.",
            ],
            button=f"Remove {title}",
            cancel=page_url,
            crumbs=[("Settings", url_for("admin.settings")), ("Short links", page_url)],
        )
    link_shorteners.remove_settings(name)
    flash(f"{title} was removed. SMS contain the short links of Signpost.", "good")
    return redirect(page_url, 303)


def _page(
    forms: dict[str, Form] | None = None, results: dict[str, ShortenerTest] | None = None
) -> str:
    services = []
    for name, shortener in SHORTENERS.items():
        stored = link_shortening.read_settings(name)
        form = (forms or {}).get(name) or _build_form(shortener, None)
        services.append(
            {
                "name": name,
                "title": shortener.title,
                "form": form,
                "is_stored": stored is not None,
                "result": (results or {}).get(name),
            }
        )
    return render_template(
        "short_links.html",
        services=services,
        example=example_link(),
        own_domain=bool(current_app.extensions["hub.config"].own_link_url),
        may_change=has_role(Role.ADMIN),
    )


def _read_entered(shortener: type[LinkShortener], form: Form) -> dict[str, str]:
    """Return the entered settings. A secret that was typed before a test is entered again."""
    entered = {field.name: str(form[field.name].data or "") for field in shortener.fields}
    for field in shortener.fields:
        if not field.secret:
            continue
        context = f"{g.user.id}\0{shortener.name}"
        if not entered[field.name].strip():
            kept = request.form.get(field.name + SUFFIX, "")
            entered[field.name] = decrypt_secret(field.name, kept, context)
        if entered[field.name].strip():
            shown: Any = form[field.name]
            shown.kept = encrypt_secret(field.name, entered[field.name], context)
    return entered


def _build_form(shortener: type[LinkShortener], posted: Any) -> Form:
    """Return the form of a service with what was posted, or with the stored settings."""
    stored = link_shortening.read_settings(shortener.name)
    fields: dict[str, Any] = {}
    for field in shortener.fields:
        kind = PasswordField if field.secret else StringField
        hint = UNCHANGED if field.secret and stored else field.description
        fields[field.name] = kind(
            field.label,
            description=hint,
            id=f"{shortener.name}-{field.name}",  # both services have a domain
            render_kw={
                "mono": True,
                "autocomplete": "off",
                "maxlength": link_shorteners.MAX_LENGTH,
                "optional": not field.required,
            },
        )
    form_class = type("ShortenerForm", (Form,), fields)
    shown = {name: value for name, value in (stored or {}).items() if name in fields}
    form: Form = form_class(posted, data=shown)
    return form
