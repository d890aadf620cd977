"""Show the page of an action link, which performs a button's action after confirmation.

Opening the page changes nothing.
"""

from __future__ import annotations

from typing import Any

from flask import g, make_response, render_template, request
from wtforms import Form, StringField
from wtforms.validators import Length

from hub.admin.auth.guard import admin, public
from hub.admin.view import forms
from hub.core.errors import NotFound
from hub.signing import button_actions
from hub.signing.cards import ALL_SIGNERS, REMIND

MAX_NAME_LENGTH = 60


class ActionForm(Form):
    """Confirm an action, with the name of the person who performs it."""

    who = StringField(
        "Your name",
        [Length(max=MAX_NAME_LENGTH, message=f"Enter at most {MAX_NAME_LENGTH} characters.")],
        description="Optional. The other people who see the post also see this name.",
        render_kw={"autocomplete": "name", "maxlength": MAX_NAME_LENGTH},
    )


@admin.route("/a/<token>", methods=["GET", "POST"])
@public
def confirm_action(token: str) -> Any:
    """Ask for confirmation, and perform a button's action."""
    form = ActionForm(request.form)
    button = button_actions.preview_action(token)
    if button is None:
        return _page(None, form, 404)
    if not forms.is_submitted() or button.is_expired or button.result:
        return _page(button, form, 410 if button.is_expired else 200)
    if not form.validate():
        return _page(button, form, 422)
    entered = " ".join((form.who.data or "").split())
    actor_name = f"{entered} (through the link)" if entered else "Someone with the link"
    if g.user is not None:
        actor_name = g.user.name
    try:
        first = button_actions.perform_action(token, actor_name)
    except NotFound:
        return _page(None, form, 404)
    return _page(button_actions.preview_action(token), form, 200, first=first)


def _page(
    button: button_actions.ButtonPage | None, form: ActionForm, status: int, *, first: bool = False
) -> Any:
    title = "For one day, snooze reminders to {}"
    consequence = "For the next 24 hours, Signpost sends no reminders."
    if button and button.names == ALL_SIGNERS:
        title = "Snooze all reminders for one day"
    if button and button.kind == REMIND:
        title = "Remind {}"
        consequence = "Signpost sends a reminder immediately."
    answer = make_response(
        render_template(
            "press.html",
            button=button,
            form=form,
            title=title.format(button.names) if button else "",
            consequence=consequence,
            first=first,
        ),
        status,
    )
    answer.headers["X-Robots-Tag"] = "noindex"
    # the URL is secret, but the CSRF check of this form needs it as the referrer
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer
