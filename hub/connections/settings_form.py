"""Read an integration's form: entered values combined with stored secrets.

Secrets are never shown again. A blank one means the stored one, unless the account or the fields
that it belongs to changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from hub.core.errors import Refused
from hub.integrations.base import ConfigForm, Integration, SecretField, SendersByCountry
from hub.integrations.broker import Broker

SettingsOwner = type[Integration] | type[Broker]


class InvalidSettings(Refused):
    """The form is invalid. Each field of `form` has its errors."""

    def __init__(self, form: ConfigForm) -> None:
        self.form = form
        invalid_field = next((field for field in form if field.errors), None)
        reason = (
            str(invalid_field.errors[0])
            if invalid_field
            else str(next(iter(form.form_errors), "The settings do not match each other."))
        )
        super().__init__("invalid", reason, field=invalid_field.name if invalid_field else "")


def empty_form(integration_class: SettingsOwner, stored: Mapping[str, Any]) -> ConfigForm:
    """Return the form with the stored settings."""
    form = integration_class.Form(data=dict(stored))
    _mark_stored_secrets(form, stored)
    return form


def refilled_form(
    integration_class: SettingsOwner, values: Mapping[str, Any], stored: Mapping[str, Any]
) -> ConfigForm:
    """Return the form with the entered values, valid or not, to show it again."""
    form = integration_class.Form(
        formdata=MultiDict({name: value for name, value in values.items() if value})
    )
    _mark_stored_secrets(form, stored)
    return form


def read_form(
    integration_class: SettingsOwner, values: Mapping[str, Any], stored: Mapping[str, Any]
) -> ConfigForm:
    """Return the form with the entered values and stored secrets. Raises InvalidSettings."""
    entered = {
        name: text
        for name, value in _as_posted(integration_class, values).items()
        if (text := _to_text(value))
    }
    filled, requested = _fill_secrets(integration_class, entered, stored)
    form = integration_class.Form(formdata=MultiDict(filled))
    _mark_stored_secrets(form, stored)
    is_valid = form.validate()
    for name, sentence in requested.items():
        form[name].errors = [sentence]
    if not is_valid or requested:
        raise InvalidSettings(form)
    return form


def get_settings(form: ConfigForm) -> dict[str, Any]:
    """Return the settings of a valid form."""
    return {field.name: "" if field.data is None else field.data for field in form}


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the names of settings that differ. A blank setting equals a missing one."""
    return sorted(
        name
        for name in before.keys() | after.keys()
        if (before.get(name) or "") != (after.get(name) or "")
    )


def secret_field_names(integration_class: SettingsOwner) -> tuple[str, ...]:
    """Return the names of the secret settings."""
    return tuple(field.name for field in integration_class.Form() if isinstance(field, SecretField))


def _fill_secrets(
    integration_class: SettingsOwner, entered: Mapping[str, str], stored: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the entered values with the stored secrets that still apply.

    Also return a sentence for each secret that must be entered again.
    """
    filled = dict(entered)
    requested = {}
    form = integration_class.Form()
    stored_secrets = {
        name: stored[name]
        for name in secret_field_names(integration_class)
        if stored.get(name) and name not in entered
    }
    account = integration_class.account_of({**stored_secrets, **entered})
    former_account = integration_class.account_of(stored)  # the account may depend on a secret
    # an account that appears or disappears is not another account
    same_account = account == former_account or not (account and former_account)
    for field in form:
        if (
            not isinstance(field, SecretField)
            or field.name in entered
            or not stored.get(field.name)
        ):
            continue
        changed_names = [
            name for name in field.bound_to if entered.get(name, "") != _to_text(stored.get(name))
        ]
        if not changed_names and same_account:
            filled[field.name] = stored[field.name]
        elif changed_names and set(changed_names) <= set(_removing_fields(form, field)):
            continue
        elif all(name in entered for name in changed_names):
            # otherwise the field it belongs to was cleared, and the secret is removed too
            label = form[changed_names[0]].label.text if changed_names else "account"
            requested[field.name] = (
                f"The {label} changed. Enter the {field.label.text} that belongs to it."
            )
    return filled, requested


def _removing_fields(form: ConfigForm, secret: SecretField) -> list[str]:
    """Return the required fields whose change removes a secret that is left blank.

    An optional secret of another server or account is not needed, and a required field cannot be
    cleared to remove it.
    """
    if not secret.flags.optional:
        return []
    return [name for name in secret.bound_to if form[name].flags.required]


def _as_posted(integration_class: SettingsOwner, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as a browser posts them, also for tables in their stored form."""
    posted = dict(values)
    for field in integration_class.Form():
        if isinstance(field, SendersByCountry) and isinstance(values.get(field.name), Mapping):
            posted |= field.posted(field.name, posted.pop(field.name))
    return posted


def _mark_stored_secrets(form: ConfigForm, stored: Mapping[str, Any]) -> None:
    for field in form:
        if isinstance(field, SecretField):
            field.stored = bool(stored.get(field.name))
            field.removed_with = [form[name].label.text for name in _removing_fields(form, field)]


def _to_text(value: Any) -> str:
    if value is None or value is False:
        return ""
    return "y" if value is True else str(value).strip()
