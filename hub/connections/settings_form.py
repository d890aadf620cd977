"""An integration's form: what was typed, joined with the secrets that are stored.

Secrets are never shown again, so a blank one means the stored one, unless what it belongs to
changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from hub.core.errors import Refused
from hub.integrations.base import ConfigForm, Integration, SecretField, SendersByCountry


class InvalidSettings(Refused):
    """The form is not filled in right; each field of `form` says what is wrong with it."""

    def __init__(self, form: ConfigForm) -> None:
        self.form = form
        wrong = next((field for field in form if field.errors), None)
        why = (
            str(wrong.errors[0])
            if wrong
            else str(next(iter(form.form_errors), "The settings do not match each other."))
        )
        super().__init__("invalid", why, field=wrong.name if wrong else "")


def empty_form(cls: type[Integration], stored: Mapping[str, Any]) -> ConfigForm:
    """Return the form filled with the stored settings."""
    form = cls.Form(data=dict(stored))
    _mark(form, stored)
    return form


def retyped_secrets(
    cls: type[Integration], values: Mapping[str, Any], stored: Mapping[str, Any]
) -> ConfigForm:
    """Return the form filled with what was typed, right or wrong, to be shown again."""
    form = cls.Form(formdata=MultiDict({name: value for name, value in values.items() if value}))
    _mark(form, stored)
    return form


def read_form(
    cls: type[Integration], values: Mapping[str, Any], stored: Mapping[str, Any]
) -> ConfigForm:
    """Return the form as typed, blank secrets filled with the stored ones. Raises Invalid."""
    typed = {name: text for name, value in _posted(cls, values).items() if (text := _text(value))}
    filled, asked = _fill(cls, typed, stored)
    form = cls.Form(formdata=MultiDict(filled))
    _mark(form, stored)
    valid = form.validate()
    for name, sentence in asked.items():
        form[name].errors = [sentence]
    if not valid or asked:
        raise InvalidSettings(form)
    return form


def settings_of(form: ConfigForm) -> dict[str, Any]:
    """Return the settings that a valid form holds."""
    return {field.name: "" if field.data is None else field.data for field in form}


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings that differ; a blank one is the same as one that an older
    version did not know.
    """
    return sorted(
        name
        for name in before.keys() | after.keys()
        if (before.get(name) or "") != (after.get(name) or "")
    )


def secrets_of(cls: type[Integration]) -> tuple[str, ...]:
    """Return the names of the settings that are secret."""
    return tuple(field.name for field in cls.Form() if isinstance(field, SecretField))


def _fill(
    cls: type[Integration], typed: Mapping[str, str], stored: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return what was typed plus the stored secrets that still hold, and a sentence for each secret
    to be asked for again.
    """
    filled = dict(typed)
    asked = {}
    form = cls.Form()
    kept = {
        name: stored[name] for name in secrets_of(cls) if stored.get(name) and name not in typed
    }
    account = cls.account_of({**kept, **typed})
    before = cls.account_of(stored)  # a secret may be what names the account
    # one that is named now, or no more, is nobody else's
    same_account = account == before or not (account and before)
    for field in form:
        if not isinstance(field, SecretField) or field.name in typed or not stored.get(field.name):
            continue
        changed = [
            name for name in field.bound_to if typed.get(name, "") != _text(stored.get(name))
        ]
        if not changed and same_account:
            filled[field.name] = stored[field.name]
        elif all(
            name in typed for name in changed
        ):  # what it belonged to was emptied: then the secret goes too
            what = form[changed[0]].label.text if changed else "account"
            asked[field.name] = (
                f"The {what} changed. Enter the {field.label.text} that belongs to it."
            )
    return filled, asked


def _posted(cls: type[Integration], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as a browser posts them, also where a table is given as it is stored."""
    found = dict(values)
    for field in cls.Form():
        if isinstance(field, SendersByCountry) and isinstance(values.get(field.name), Mapping):
            found |= field.posted(field.name, found.pop(field.name))
    return found


def _mark(form: ConfigForm, stored: Mapping[str, Any]) -> None:
    for field in form:
        if isinstance(field, SecretField):
            field.stored = bool(stored.get(field.name))


def _text(value: Any) -> str:
    if value is None or value is False:
        return ""
    return "y" if value is True else str(value).strip()
