"""Show the page of an action link, which performs a button's action after confirmation.

Opening the page changes nothing.
"""

from __future__ import annotations

from typing import Any

from flask import g, make_response, render_template, request
from wtforms import Form, StringField
from wtforms.validators import Length

from hub.admin.auth.guard import admin, opened_by_signers, public
from hub.admin.view import forms, public_pages
from hub.core.errors import NotFound
from hub.shared.sentences import sentence
from hub.signing import button_actions
from hub.signing.cards import REMIND

MAX_NAME_LENGTH = 60


class ActionForm(Form):
    """Confirm an action, with the name of the person who performs it."""

    who: StringField


def _build_form(locale: str) -> ActionForm:
    """Return the form in a language, with what was posted."""
    problem = sentence("name_too_long", locale, count=MAX_NAME_LENGTH)
    field = StringField(
        sentence("your_name", locale),
        [Length(max=MAX_NAME_LENGTH, message=problem)],
        description=sentence("your_name_help", locale),
        render_kw={"autocomplete": "name", "maxlength": MAX_NAME_LENGTH},
    )
    form: ActionForm = type("LocalizedActionForm", (ActionForm,), {"who": field})(request.form)
    return form


@admin.route("/a/<token>", methods=["GET", "POST"])
@public
@opened_by_signers
def confirm_action(token: str) -> Any:
    """Ask for confirmation, and perform a button's action."""
    button = button_actions.preview_action(token)
    locale = public_pages.reader_locale(button.locale if button else None)
    form = _build_form(locale)
    if button is None:
        return _page(None, form, locale, 404)
    if not forms.is_submitted() or button.is_expired or button.result:
        return _page(button, form, locale, 410 if button.is_expired else 200)
    if not form.validate():
        return _page(button, form, locale, 422)
    entered = " ".join((form.who.data or "").split())
    actor_name = (
        sentence("through_the_link", locale, name=entered)
        if entered
        else sentence("someone_with_the_link", locale)
    )
    if g.user is not None:
        actor_name = g.user.name
    try:
        first = button_actions.perform_action(token, actor_name)
    except NotFound:
        return _page(None, form, locale, 404)
    return _page(button_actions.preview_action(token), form, locale, 200, first=first)


def _page(
    button: button_actions.ButtonPage | None,
    form: ActionForm,
    locale: str,
    status: int,
    *,
    first: bool = False,
) -> Any:
    response = make_response(
        render_template(
            "press.html",
            button=button,
            form=form,
            title=_describe_action(button) if button else "",
            first=first,
            locale=locale,
        ),
        status,
    )
    response.headers["X-Robots-Tag"] = "noindex"
    # the URL is secret, but the CSRF check of this form needs it as the referrer
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _describe_action(button: button_actions.ButtonPage) -> str:
    if button.affects_all and button.kind != REMIND:
        return sentence("action_snooze_all", button.locale)
    return sentence(f"action_{button.kind}", button.locale, names=button.names)
