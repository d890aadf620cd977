"""Settings, API keys: what signing apps prove themselves with."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, redirect, render_template, request, url_for

from hub.accounts import api_keys
from hub.admin import forms
from hub.admin.guard import admin, may, needs
from hub.errors import Refused
from hub.vocabulary import Role


@admin.get("/settings/api-keys", endpoint="api_keys")
@needs(Role.VIEWER)
def list_keys() -> Any:
    """List the keys; what they are is not kept."""
    return _page()


@admin.post("/settings/api-keys")
@needs(Role.ADMIN)
def add_api_key() -> Any:
    """Make a key and show it, this once."""
    form = forms.AddKey(request.form)
    try:
        if form.validate():
            return _page(made=api_keys.create(form.name.data or "", test=bool(form.test.data)), made_for=form.name.data or "")
    except Refused as refusal:
        forms.blame(form, refusal)
    return _page(form), 422


@admin.post("/settings/api-keys/<key_id>/revoke")
@needs(Role.ADMIN)
def revoke_api_key(key_id: str) -> Any:
    """End a key at once."""
    api_keys.revoke(key_id)
    flash("The key is revoked. Whoever uses it is refused from now on.", "good")
    return redirect(url_for("admin.api_keys"), 303)


def _page(form: forms.AddKey | None = None, *, made: str = "", made_for: str = "") -> str:
    form_add = (form or forms.AddKey(test=current_app.extensions["hub.config"].demo)) if may(Role.ADMIN) else None
    return render_template("api_keys.html", keys=api_keys.all_keys(), form_add=form_add, made=made, made_for=made_for)
