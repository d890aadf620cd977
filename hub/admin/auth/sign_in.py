"""Sign users in and out, and let them choose a password by a link."""

from __future__ import annotations

from typing import Any

from flask import flash, g, make_response, redirect, render_template, request, url_for

from hub.accounts import rate_limits, single_use_links, user_sessions, users
from hub.accounts.rate_limits import ACCOUNT, NETWORK, RateLimited
from hub.admin.auth import guard, page_rate_limits
from hub.admin.auth.guard import admin, public, require_role
from hub.admin.auth.page_rate_limits import limit_failed_sign_ins
from hub.admin.view import forms
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import Role
from hub.shared import security_log

MORE_TRIES = {
    0: "Try again in 5 minutes.",
    1: "You have 1 attempt left. After that, wait 5 minutes.",
    2: "You have 2 attempts left. After that, wait 5 minutes.",
    3: "You have 3 attempts left. After that, wait 5 minutes.",
}


def _render_rate_limited(refusal: RateLimited) -> Any:
    """Return the sign-in page with a rate-limit error."""
    form = forms.SignIn(request.form)
    _record_refusal("sign_in_limited", form.email.data or "")
    response = make_response(_sign_in_page(form, ("Too many attempts.", str(refusal)), 429))
    response.headers["Retry-After"] = str(refusal.retry_after)
    return response


@admin.route("/sign-in", methods=["GET", "POST"])
@public
@limit_failed_sign_ins(NETWORK, page_rate_limits.client_network, _render_rate_limited)
@limit_failed_sign_ins(ACCOUNT, page_rate_limits.account_key, _render_rate_limited)
def sign_in() -> Any:
    """Sign a user in by email address and password."""
    target = guard.safe_redirect_target(request.args.get("next"))
    if g.user is not None:
        return redirect(target, 303)
    form = forms.SignIn(request.form)
    if not forms.is_submitted():
        return _sign_in_page(form)
    if not form.validate():
        return _sign_in_page(form, status=422)
    email = form.email.data or ""
    address = request.remote_addr or ""
    browser = guard.find_known_browser(email)
    try:
        rate_limits.count_sign_in_attempt(email, address, browser)
    except RateLimited as refusal:
        return _render_rate_limited(refusal)
    user = user_sessions.authenticate(email, form.password.data or "")
    attempts_left = rate_limits.finish_sign_in_attempt(
        email, address, browser, known=user is not None
    )
    if user is None:
        g.sign_in_failed = True  # read by `limit_failed_sign_ins`
        _record_refusal("sign_in_failed", email)
        problem = (
            "The email address and password do not match.",
            MORE_TRIES.get(attempts_left, "Check both and try again."),
        )
        return _sign_in_page(form, problem, 422)
    guard.begin_session(user.id)
    return redirect(target, 303)


def _record_refusal(action: str, email: str) -> None:
    """Record a refused sign-in. Unknown accounts are not named, because people mistype."""
    user = users.find_by_email(email)
    account_fields = (
        {"subject": user.id, "title": user.name} if user else {"title": "an unknown account"}
    )
    security_log.record(action, request.remote_addr or "", **account_fields)


def _sign_in_page(
    form: forms.SignIn, problem: tuple[str, str] | None = None, status: int = 200
) -> Any:
    return render_template("sign_in.html", form=form, problem=problem), status


@admin.post("/sign-out")
@require_role(Role.VIEWER)
def sign_out() -> Any:
    """Sign this browser out."""
    guard.end_session()
    flash("You are signed out.", "info")
    return redirect(url_for("admin.sign_in"), 303)


@admin.route("/setup/<token>", methods=["GET", "POST"])
@public
def first_admin(token: str) -> Any:
    """Create the first admin with the link that the terminal printed."""
    if not single_use_links.is_first_admin_link_open(token):
        return render_template("first_admin.html", form=None), 404
    form = forms.FirstAdmin(request.form)
    if not forms.is_submitted():
        return render_template("first_admin.html", form=form)
    try:
        if form.validate():
            guard.begin_session(
                single_use_links.set_up_first_admin(
                    token, form.email.data or "", form.name.data or "", form.password.data or ""
                )
            )
            return redirect(guard.safe_redirect_target("/"), 303)
    except NotFound:
        return render_template("first_admin.html", form=None), 404
    except Refused as refusal:
        forms.add_error(form, refusal)
    return render_template("first_admin.html", form=form), 422


@admin.route("/password/<token>", methods=["GET", "POST"])
@public
def set_password(token: str) -> Any:
    """Set a password with a link from an admin."""
    owner = single_use_links.find_password_link_user(token)
    if owner is None:
        return render_template("set_password.html", form=None), 404
    name = owner.name
    form = forms.NewPassword(request.form)
    if not forms.is_submitted():
        return render_template("set_password.html", form=form, name=name)
    try:
        if form.validate():
            guard.begin_session(single_use_links.set_password(token, form.password.data or ""))
            return redirect(guard.safe_redirect_target("/"), 303)
    except NotFound:
        return render_template("set_password.html", form=None), 404
    except Refused as refusal:
        forms.add_error(form, refusal)
    return render_template("set_password.html", form=form, name=name), 422
