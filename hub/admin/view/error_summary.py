"""List the validation errors of a page's forms, for the error summary with links to the fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flask import has_request_context, request
from jinja2 import pass_context
from jinja2.runtime import Context
from wtforms import Field, FieldList
from wtforms.form import BaseForm
from wtforms.widgets import ListWidget


class ValidationError(NamedTuple):
    """An error and the ID of its control, or '' for an error of the form as a whole."""

    control_id: str
    text: str


@pass_context
def validation_errors(context: Context) -> list[ValidationError]:
    """Return the errors of all forms in a template's variables, in the order of the variables.

    Only a posted form has errors. A page that was opened may show a stored problem next to a field,
    but it does not appear in the summary.
    """
    if not has_request_context() or request.method != "POST":
        return []
    forms = [value for value in context.get_all().values() if isinstance(value, BaseForm)]
    return [error for form in forms for error in _form_errors(form)]


def _form_errors(form: BaseForm) -> Iterator[ValidationError]:
    for error in form.form_errors:
        yield ValidationError("", str(error))
    for field in form:
        if isinstance(field, FieldList):
            for entry in field.entries:
                yield from _form_errors(entry.form)
        else:
            yield from (
                ValidationError(_control_id(field), f"{field.label.text}: {error}")
                for error in field.errors
            )


def _control_id(field: Field) -> str:
    """Return the ID of the control to focus: the first choice of a list, or the field itself."""
    return f"{field.id}-0" if isinstance(field.widget, ListWidget) else str(field.id)
