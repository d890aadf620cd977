"""Show the settings menu, and the user's own account: password and time zone."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, render_template, request, url_for

from hub.accounts import rate_limits, user_sessions, users
from hub.admin.auth import guard
from hub.admin.auth.guard import admin, require_role
from hub.admin.view import forms
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.shared import security_log

SECTIONS = (  # title, description, endpoint
    ("Your account", "Your password and the time zone in which you see times.", "account"),
    ("Users", "Who can sign in, and what each user is allowed to do.", "users"),
    ("Sources", "The signing apps or brands that post to Signpost.", "sources"),
    ("API keys", "The keys that signing apps use to call the API.", "api_keys"),
    (
        "Opt-out keywords",
        "The keywords that opt contacts out or in, and where they apply.",
        "opt_out_rules",
    ),
    (
        "Short links",
        "The links in SMS, and the services that shorten them.",
        "link_settings",
    ),
)


@admin.get("/settings")
@require_role(Role.VIEWER)
def settings() -> Any:
    """List the pages of the settings."""
    sections = [
        {"title": title, "text": text, "href": url_for(f"admin.{endpoint}")}
        for title, text, endpoint in SECTIONS
    ]
    return render_template("settings.html", sections=sections)


@admin.route("/account", methods=["GET", "POST"])
@require_role(Role.VIEWER)
def account() -> Any:
    """Show the user's own account, and change its password."""
    form = forms.ChangePassword(request.form)
    if forms.is_submitted():
        if form.validate():
            return _change_password(form)
        return _page(form), 422
    return _page(form)


def _change_password(form: forms.ChangePassword) -> Any:
    """Change the password. After 5 wrong current passwords, this browser is signed out."""
    token = guard.session_token()
    if not rate_limits.count_password_attempt(token):
        return _sign_in_again()
    try:
        current = form.current.data or ""
        new = form.password.data or ""
        user_sessions.change_password(g.user.id, current, new, kept_token=token)
    except Refused as refusal:
        wrong = refusal.code == "wrong_password"
        if not rate_limits.finish_password_attempt(token, is_correct=not wrong):
            return _sign_in_again()
        forms.add_error(form, refusal)
        return _page(form), 422
    rate_limits.finish_password_attempt(token, is_correct=True)
    flash("Password changed. Your other browsers are signed out.", "good")
    return redirect(url_for("admin.account"), 303)


def _sign_in_again() -> Any:
    security_log.record(
        "password_guessed", request.remote_addr or "", actor_name=g.user.name, subject=g.user.id
    )
    guard.end_session()
    flash("You entered 5 wrong passwords. Sign in again.", "warn")
    return redirect(url_for("admin.sign_in"), 303)


@admin.post("/account/time-zone")
@require_role(Role.VIEWER)
def set_time_zone() -> Any:
    """Save the time zone in which pages show times."""
    form = forms.TimeZone(request.form)
    if not form.validate():
        return _page(forms.ChangePassword(), form), 422
    users.set_time_zone(g.user.id, form.time_zone.data or "")
    flash("Changes saved.", "good")
    return redirect(url_for("admin.account"), 303)


def _page(password_form: forms.ChangePassword, zone_form: forms.TimeZone | None = None) -> str:
    return render_template(
        "account.html",
        password_form=password_form,
        password_action=url_for("admin.account"),
        zone_form=zone_form or forms.TimeZone(time_zone=g.user.time_zone),
        zone_action=url_for("admin.set_time_zone"),
    )
