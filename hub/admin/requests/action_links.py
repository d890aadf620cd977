"""The page behind an action link: it says what would be done, and does it when it is asked to.

To look at it does nothing.
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
from hub.signing.cards import REMIND

LONGEST_NAME = 60


class ActionForm(Form):
    """Confirm an action, with the name of the person who performs it."""

    who = StringField(
        "Your name",
        [Length(max=LONGEST_NAME, message=f"Enter at most {LONGEST_NAME} characters.")],
        description="Optional. The other people who see the post also see this name.",
        render_kw={"autocomplete": "name", "maxlength": LONGEST_NAME},
    )


@admin.route("/a/<token>", methods=["GET", "POST"])
@public
def confirm_action(token: str) -> Any:
    """Ask whether a button's action is to be done, and do it."""
    form = ActionForm(request.form)
    button = button_actions.preview_action(token)
    if button is None:
        return _page(None, form, 404)
    if not forms.posted() or button.expired or button.pressed:
        return _page(button, form, 410 if button.expired else 200)
    if not form.validate():
        return _page(button, form, 422)
    named = " ".join((form.who.data or "").split())
    who = f"{named} (through the link)" if named else "Someone with the link"
    if g.user is not None:
        who = g.user.name
    try:
        first = button_actions.perform_action(token, who)
    except NotFound:
        return _page(None, form, 404)
    return _page(button_actions.preview_action(token), form, 200, first=first)


def _page(
    button: button_actions.ButtonPage | None, form: ActionForm, status: int, *, first: bool = False
) -> Any:
    asks = "Remind {}" if button and button.kind == REMIND else "Snooze reminders to {} for a day"
    follows = (
        "Signpost sends a reminder immediately."
        if button and button.kind == REMIND
        else "Signpost sends no reminders for 24 hours."
    )
    answer = make_response(
        render_template(
            "press.html",
            button=button,
            form=form,
            asks=asks.format(button.names) if button else "",
            follows=follows,
            first=first,
        ),
        status,
    )
    answer.headers["X-Robots-Tag"] = "noindex"
    # the address is what allows it, and the form's proof asks for it here
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer
