"""List, create, change and revoke the API keys of signing apps."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from flask import current_app, flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from wtforms import (
    BooleanField,
    DateField,
    Form,
    IntegerField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Optional
from wtforms.widgets import CheckboxInput, ListWidget

from hub.accounts import api_keys, sources
from hub.accounts.api_keys import KeyPermissions
from hub.accounts.rate_limits import KEYS
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.auth.page_rate_limits import rate_limit
from hub.admin.view import confirmation, datetimes, forms
from hub.core.errors import Refused
from hub.core.vocabulary import Role, Scope
from hub.models import ApiKey

MEANINGS = {scope.value: scope.meaning for scope in Scope}


class ExpiryDateField(DateField):
    """A date field whose error message gives an example."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            raise ValueError("Enter a date, for example 2027-01-31.") from None


class RateLimitField(IntegerField):
    """A number field whose error message gives the range."""

    def process_formdata(self, valuelist: list[str]) -> None:
        try:
            super().process_formdata(valuelist)
        except ValueError:
            limit = api_keys.MAX_PER_MINUTE
            raise ValueError(
                f"Enter a whole number from 1 to {limit:,}, or leave it empty."
            ) from None


class KeyForm(Form):
    """The scopes, the expiry and the limit of a key."""

    scopes = SelectMultipleField(
        "Scopes",
        choices={scope.value: scope.value for scope in Scope},
        widget=ListWidget(),
        option_widget=CheckboxInput(),
        default=[scope.value for scope in Scope],
        validate_choice=False,
        description="Choose only what the app needs. A key with every scope also gets scopes that "
        "later versions add.",
    )
    expires = ExpiryDateField(
        "Expires on",
        [Optional()],
        description="Enter the last day on which the key works. Leave empty if it does not expire.",
    )
    per_minute = RateLimitField(
        "Requests per minute",
        [Optional()],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        default = current_app.extensions["hub.config"].api_per_minute
        self.per_minute.description = f"Leave empty for the default of {default:,}."


class AddKey(KeyForm):
    """A key for a signing app."""

    name = StringField(
        "Name",
        [InputRequired("Enter a name, such as Contracts (production).")],
        render_kw={"autocomplete": "off", "maxlength": 80},
        description="Enter the app that will use the key, such as Contracts (production).",
    )
    source = SelectField(
        "Source",
        choices=lambda: {source.slug: source.name for source in sources.list_sources()},
        description="The key can access the messages, opt-outs and consents of this source.",
    )
    test = BooleanField("Test key", description="A test key uses test connections only.")
    field_order = ("name", "source", "test", "scopes", "expires", "per_minute")

    def __iter__(self) -> Any:
        return iter([self._fields[name] for name in self.field_order])


@admin.get("/settings/api-keys", endpoint="api_keys")
@require_role(Role.VIEWER)
def list_keys() -> Any:
    """List the API keys, without their secrets, which are not stored."""
    return _page()


@admin.post("/settings/api-keys")
@require_role(Role.ADMIN)
@rate_limit(KEYS)
def add_api_key() -> Any:
    """Create an API key, and show it once."""
    form = AddKey(_form_data())
    try:
        if form.validate():
            name = form.name.data or ""
            new_key = api_keys.create_key(
                name, test=bool(form.test.data), source=form.source.data, grant=_grant(form)
            )
            return _page(new_key=new_key, new_key_name=name)
    except Refused as refusal:
        _add_error(form, refusal)
    return _page(form), 422


@admin.route("/settings/api-keys/<key_id>", methods=["GET", "POST"])
@require_role(Role.ADMIN)
@rate_limit(KEYS)
def edit_api_key(key_id: str) -> Any:
    """Show the permissions of an API key, and change them."""
    key = api_keys.get_key(key_id)
    form = KeyForm(request.form if forms.is_submitted() else None, data=_form_values(key))
    try:
        if forms.is_submitted() and form.validate():
            api_keys.update_key(key_id, _grant(form, key))
            flash("Changes saved. They apply to the next request.", "good")
            return redirect(url_for("admin.api_keys"), 303)
    except Refused as refusal:
        _add_error(form, refusal)
    status = 422 if forms.is_submitted() else 200
    summary = api_keys.summarize(key)
    return render_template("api_key.html", key=summary, form_add=form, meanings=MEANINGS), status


@admin.route("/settings/api-keys/<key_id>/revoke", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def revoke_api_key(key_id: str) -> Any:
    """Ask for confirmation, and revoke an API key."""
    if not forms.is_submitted():
        return _confirm_revocation(api_keys.get_key(key_id))
    api_keys.revoke_key(key_id)
    flash("Key revoked. Signpost now rejects requests with it.", "good")
    return redirect(url_for("admin.api_keys"), 303)


def _confirm_revocation(key: ApiKey) -> str:
    keys = url_for("admin.api_keys")
    last_used = f"It was last used {datetimes.format_relative(key.used_at)}." if key.used_at else ""
    return confirmation.ask(
        f"Revoke {key.name}",
        [
            "Signpost immediately rejects all requests with this API key. You cannot undo this.",
            last_used or "It has never been used.",
        ],
        button="Revoke API key",
        cancel=keys,
        crumbs=[("Settings", url_for("admin.settings")), ("API keys", keys)],
    )


def _page(form: AddKey | None = None, *, new_key: str = "", new_key_name: str = "") -> str:
    config = current_app.extensions["hub.config"]
    source = request.args.get("source", "") or sources.DEFAULT
    defaults = {"test": config.demo, "source": source}
    return render_template(
        "api_keys.html",
        keys=[api_keys.summarize(key) for key in api_keys.list_keys()],
        form_add=(form or AddKey(data=defaults)) if has_role(Role.ADMIN) else None,
        meanings=MEANINGS,
        may_change=has_role(Role.ADMIN),
        new_key=new_key,
        new_key_name=new_key_name,
    )


def _form_data() -> MultiDict[str, str]:
    """Return the posted fields, with defaults for a program that sends no source or scopes."""
    posted = MultiDict(request.form)
    posted.setdefault("source", sources.DEFAULT)
    if "scopes" not in posted:
        posted.setlist("scopes", [scope.value for scope in Scope])
    return posted


def _grant(form: KeyForm, key: ApiKey | None = None) -> KeyPermissions:
    """Return the permissions in a valid form. An unchanged expiry date keeps its exact time."""
    day = form.expires.data
    current = key.expires_at if key else None
    expires_at = _end_of_day(day) if day else None
    if current is not None and day == _last_day(current):
        expires_at = current
    scopes = [scope for scope in form.scopes.data or () if scope]  # the page also sends a blank one
    return KeyPermissions(scopes, expires_at, form.per_minute.data)


def _form_values(key: ApiKey) -> dict[str, Any]:
    return {
        "scopes": sorted(api_keys.parse_scopes(key.scopes)),
        "per_minute": key.per_minute,
        "expires": _last_day(key.expires_at) if key.expires_at else None,
    }


def _end_of_day(day: date) -> datetime:
    """Return the end of a day in the reader's time zone."""
    try:
        return datetime.combine(day + timedelta(days=1), time(), datetimes.reader_zone())
    except OverflowError:
        raise Refused(
            "too_late", "Enter a date within the next 10 years.", field="expires"
        ) from None


def _last_day(expires_at: datetime) -> date:
    return datetimes.local(expires_at - timedelta(microseconds=1)).date()


def _add_error(form: KeyForm, refusal: Refused) -> None:
    if refusal.field == "expires_at":
        refusal.field = "expires"
    forms.add_error(form, refusal)
