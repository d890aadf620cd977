"""Add a setting for the reply to HELP, for providers that do not reply to it themselves."""

from __future__ import annotations

from typing import TypeVar

from wtforms import Form, TextAreaField
from wtforms.validators import Length, Optional

F = TypeVar("F", bound=Form)

NAME = "help_text"
MAX_LENGTH = 1000  # characters


def with_help_setting(form: type[F]) -> type[F]:
    """Return a form that also has a field for the reply to HELP, unless it has one."""
    if hasattr(form, NAME):
        return form
    field = TextAreaField(
        "Reply to HELP",
        [Optional(), Length(max=MAX_LENGTH, message=f"At most {MAX_LENGTH:,} characters.")],
        description=(
            "Enter who sends these messages and how to stop them. Leave empty to send the"
            " connection’s name and the opt-out keyword."
        ),
        render_kw={"rows": 2},
    )
    return type(form.__name__, (form,), {NAME: field, "__doc__": form.__doc__})
