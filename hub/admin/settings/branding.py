"""Show and change the branding of a source, which emails to its signers carry."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from flask import abort, flash, make_response, redirect, render_template, request, url_for
from flask_wtf.file import FileField
from wtforms import BooleanField, Form, StringField, TextAreaField

from hub import integrations
from hub.accounts import sources
from hub.admin.auth.guard import accepts_body, admin, has_role, require_role
from hub.admin.view.forms import add_error
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.integrations.base import Button, Outbound
from hub.integrations.branding import Branding
from hub.lib.request_checks import POLICY
from hub.shared import branding

# an email is shown as mailboxes show it: with its own styles, and without scripts
PREVIEW_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)
MAX_FORM_SIZE = branding.MAX_LOGO_SIZE + 64 * 1024  # bytes


class BrandingForm(Form):
    """The parts of a source's branding."""

    name = StringField(
        "Name",
        description="The company or brand at the top of emails. Leave empty for the From name.",
        render_kw={"maxlength": branding.MAX_NAME_LENGTH},
    )
    color = StringField(
        "Button color",
        description="Six hexadecimal digits after `#`, such as `#0b5a6b`.",
        render_kw={"mono": True, "maxlength": 7},
    )
    logo = FileField(
        "Logo",
        description=(
            "A PNG or JPEG file of at most 64 kB, shown 48 pixels high. It is sent within each"
            " email, so no server learns who opens it."
        ),
    )
    remove_logo = BooleanField("Remove the logo")
    support = StringField(
        "Support contact",
        description="An email address, a phone number, or another way to reach a person.",
        render_kw={"maxlength": branding.MAX_SUPPORT_LENGTH},
    )
    footer = TextAreaField(
        "Legal footer",
        description="The company’s name, address and registration, as the law requires.",
        render_kw={"maxlength": branding.MAX_FOOTER_LENGTH, "rows": 4},
    )


@admin.get("/settings/sources/<slug>/branding", endpoint="branding")
@require_role(Role.VIEWER)
def show_branding(slug: str) -> Any:
    """Show the branding of a source."""
    stored = branding.read_branding(sources.get_source(slug).id)
    return _page(slug, BrandingForm(obj=stored))


@admin.get("/settings/sources/<slug>/branding/preview")
@require_role(Role.VIEWER)
def preview_branding(slug: str) -> Any:
    """Show an email with the stored branding, as a frame of the page."""
    show = email_preview()
    if show is None:
        abort(404)
    source = sources.get_source(slug)
    response = make_response(show(_example(source.name, branding.read_branding(source.id))))
    response.headers["Content-Security-Policy"] = PREVIEW_POLICY
    return response


@admin.post("/settings/sources/<slug>/branding")
@require_role(Role.ADMIN)
@accepts_body(MAX_FORM_SIZE)
def change_branding(slug: str) -> Any:
    """Save the branding of a source."""
    form = BrandingForm(request.form)
    source = sources.get_source(slug)
    file = request.files.get("logo")
    logo = file.read() if file and file.filename else None
    if form.remove_logo.data:
        logo = b""
    entered = Branding(
        form.name.data or "", form.color.data or "", form.footer.data or "", form.support.data or ""
    )
    try:
        branding.save_branding(source, entered, logo=logo)
    except Refused as refusal:
        add_error(form, refusal)
        return _page(slug, form), 422
    flash("Changes saved.", "good")
    return redirect(url_for("admin.branding", slug=slug), 303)


def email_preview() -> Callable[[Outbound], str] | None:
    """Return the function that shows an email as HTML, or None if no integration has one."""
    candidates = integrations.registry().values()
    return next(
        (
            integration_class.preview_html
            for integration_class in candidates
            if integration_class.supports("preview_html")
        ),
        None,
    )


def _example(source_name: str, stored: Branding) -> Outbound:
    """Return a message with a link, from the source itself."""
    link = "https://sign.example/r/agr-1001/eric"
    return Outbound(
        id="msg_preview",
        attempt=1,
        to="eric@example.com",
        subject="Employment Agreement",
        text=(
            "Hello Eric Smith,\n\nAcme HR sent you “Employment Agreement”. Please review and sign"
            f" it.\n\n{link}"
        ),
        buttons=(Button("Review and sign", link, style="primary"),),
        sender_name=source_name,
        branding=stored,
    )


def _page(slug: str, form: BrandingForm) -> Any:
    source = sources.get_source(slug)
    stored = branding.read_branding(source.id)
    logo = ""
    if stored.logo:
        logo = f"data:{stored.logo_type};base64,{b64encode(stored.logo).decode()}"
    else:
        del form.remove_logo
    response = make_response(
        render_template(
            "branding.html",
            source=source,
            form=form,
            logo=logo,
            may_change=has_role(Role.ADMIN),
            has_preview=email_preview() is not None,
        )
    )
    response.headers["Content-Security-Policy"] = f"{POLICY}; frame-src 'self'"
    return response
