"""Define the forms of pages.

The guard checks the CSRF token. Integrations declare the forms of their settings themselves.
"""

from __future__ import annotations

from typing import Any

from flask import request
from wtforms import EmailField, Field, Form, PasswordField, SelectField, StringField
from wtforms.validators import InputRequired

from hub.accounts.passwords import MIN_LENGTH
from hub.admin.view import datetimes
from hub.core.errors import Refused
from hub.core.vocabulary import Address, Role
from hub.lib import phones

NEW = {"autocomplete": "new-password", "minlength": MIN_LENGTH}
ROLES: Any = {str(role.value): role.title for role in Role}
LENGTH = (
    f"Use at least {MIN_LENGTH} characters. Do not use a common password, your name or your"
    " email address."
)


def is_submitted() -> bool:
    """Return whether the current request posts a form."""
    return request.method == "POST"


def normalize_address(kind: str, field: Field) -> str:
    """Return the normal form of a typed address, and put it into its field. Raises Refused."""
    text = (field.data or "").strip()
    if kind == Address.PHONE and text:
        try:
            text = phones.parse_typed(text)
        except ValueError as error:
            raise Refused("bad_address", str(error), field=field.name) from None
    field.data = text
    return text


def add_error(form: Form, refusal: Refused) -> None:
    """Add the reason of a refusal to the errors of its field, or of the whole form."""
    if refusal.field in form:
        field: Field = form[refusal.field]
        field.errors = [*field.errors, str(refusal)]
    else:
        form.form_errors.append(str(refusal))


class SignIn(Form):
    """Sign in with an email address and a password."""

    email = EmailField(
        "Email",
        [InputRequired("Enter your email address.")],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password",
        [InputRequired("Enter your password.")],
        render_kw={"autocomplete": "current-password"},
    )


class FirstAdmin(Form):
    """Create the first admin."""

    name = StringField(
        "Your name",
        [InputRequired("Enter your name.")],
        render_kw={"autocomplete": "name", "maxlength": 120},
    )
    email = EmailField(
        "Email",
        [InputRequired("Enter your email address.")],
        render_kw={"autocomplete": "username"},
    )
    password = PasswordField(
        "Password", [InputRequired("Choose a password.")], description=LENGTH, render_kw=NEW
    )


class NewPassword(Form):
    """Choose a password through a password link."""

    password = PasswordField(
        "Password", [InputRequired("Choose a password.")], description=LENGTH, render_kw=NEW
    )


class ChangePassword(Form):
    """Change the user's own password."""

    current = PasswordField(
        "Current password",
        [InputRequired("Enter your current password.")],
        render_kw={"autocomplete": "current-password"},
    )
    password = PasswordField(
        "New password", [InputRequired("Choose a password.")], description=LENGTH, render_kw=NEW
    )


class TimeZone(Form):
    """Choose the time zone of the pages."""

    time_zone = SelectField(
        "Time zone",
        choices=lambda: {
            "": "Same as my browser",
            **{name: name.replace("_", " ") for name in datetimes.zone_names()},
        },
    )


class AddUser(Form):
    """Add a user."""

    name = StringField(
        "Name",
        [InputRequired("Enter a name.")],
        render_kw={"autocomplete": "off", "maxlength": 120},
    )
    email = EmailField(
        "Email", [InputRequired("Enter an email address.")], render_kw={"autocomplete": "off"}
    )
    role = SelectField("Role", choices=ROLES)


class ConnectionNameForm(Form):
    """Name a new connection."""

    title = StringField(
        "Name",
        [InputRequired("Enter a name.")],
        description="Enter a name that you and your colleagues recognize, such as Acme US.",
        render_kw={"autocomplete": "off", "maxlength": 80},
    )


class RenameConnection(ConnectionNameForm):
    """Change a connection's title and slug."""

    slug = StringField(
        "Slug",
        [InputRequired("Enter a name.")],
        render_kw={"autocomplete": "off", "maxlength": 48},
        description=(
            "If you change it, also change it in apps that send over this connection by name."
        ),
    )


class TestMessageForm(Form):
    """The recipient of a test message."""

    to = StringField(
        "Your mobile number",
        description="",
        render_kw={"autocomplete": "tel", "maxlength": 320},
    )
