"""Your account: password and time zone."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, render_template, request, url_for

from hub.accounts import sign_ins, users
from hub.admin import forms, guard
from hub.admin.guard import admin, needs
from hub.errors import Refused
from hub.vocabulary import Role


@admin.get("/settings")
@needs(Role.VIEWER)
def settings() -> Any:
    """Lead to the first page of the settings."""
    return redirect(url_for("admin.account"), 303)


@admin.route("/account", methods=["GET", "POST"])
@needs(Role.VIEWER)
def account() -> Any:
    """Show one's own account, and change its password."""
    form = forms.ChangePassword(request.form)
    if forms.posted():
        try:
            if form.validate():
                sign_ins.change_password(g.user.id, form.current.data or "", form.password.data or "", keep=guard.token())
                flash("Your password is changed, and your other browsers are signed out.", "good")
                return redirect(url_for("admin.account"), 303)
        except Refused as refusal:
            forms.blame(form, refusal)
        return _page(form), 422
    return _page(form)


@admin.post("/account/time-zone")
@needs(Role.VIEWER)
def set_time_zone() -> Any:
    """Choose the zone that pages show times in."""
    form = forms.TimeZone(request.form)
    if not form.validate():
        return _page(forms.ChangePassword(), form), 422
    users.set_time_zone(g.user.id, form.time_zone.data or "")
    flash("Kept.", "good")
    return redirect(url_for("admin.account"), 303)


def _page(password_form: forms.ChangePassword, zone_form: forms.TimeZone | None = None) -> str:
    return render_template(
        "account.html", password_form=password_form, password_action=url_for("admin.account"),
        zone_form=zone_form or forms.TimeZone(time_zone=g.user.time_zone), zone_action=url_for("admin.set_time_zone"),
    )  # fmt: skip
