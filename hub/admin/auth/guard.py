"""Guard the admin pages: identify the user and check the role.

Every view declares its lowest role with `@require_role(Role.…)`, or `@public`. A view without
either is closed to everyone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    after_this_request,
    current_app,
    flash,
    g,
    redirect,
    request,
    session,
    url_for,
)
from flask_login import UserMixin, current_user, login_user, logout_user

from hub.accounts import known_browsers, user_sessions
from hub.admin.extensions import csrf, login
from hub.admin.view import datetimes
from hub.core.config import Config
from hub.core.vocabulary import Role
from hub.lib import compression, request_checks
from hub.lib.storable import is_storable
from hub.models import User
from hub.shared import audit, security_log
from hub.shared.audit import Actor

F = TypeVar("F", bound=Callable[..., Any])

admin = Blueprint("admin", __name__)
request_checks.add_request_checks(admin)


def require_role(role: Role) -> Callable[[F], F]:
    """Declare the lowest role that may open a view."""

    def declare(view: F) -> F:
        view.required_role = role  # type: ignore[attr-defined]
        return view

    return declare


def accepts_body(size: int) -> Callable[[F], F]:
    """Declare the maximum body size of a view in bytes, for example for file uploads."""

    def declare(view: F) -> F:
        view.max_body_size = size  # type: ignore[attr-defined]
        return view

    return declare


def public(view: F) -> F:
    """Declare that a view needs no sign-in."""
    view.required_role = None  # type: ignore[attr-defined]
    return view


def posted_by_others(view: F) -> F:
    """Declare that programs post to a view without cookies, so it needs no token against forgery.

    The view must check that the request is authorized.
    """
    view.without_csrf = True  # type: ignore[attr-defined]
    return view


def reports_control_characters(view: F) -> F:
    """Mark a view that reports characters which cannot be stored at their fields."""
    view.reports_control_characters = True  # type: ignore[attr-defined]
    return view


def opened_by_signers(view: F) -> F:
    """Declare that people without an account open a view, so its errors are in their language."""
    view.for_signers = True  # type: ignore[attr-defined]
    return view


def has_own_error_texts(prefix: str) -> Callable[[F], F]:
    """Declare that a view has error texts for visitors that others do not have.

    `prefix`: of the names of their sentences. The other errors have the usual texts.
    """

    def declare(view: F) -> F:
        view.error_texts = prefix  # type: ignore[attr-defined]
        return view

    return declare


class SignedIn(UserMixin):  # type: ignore[misc]
    """A signed-in user for Flask-Login, identified by the token of the browser's sign-in."""

    def __init__(self, token: str, user: User) -> None:
        self.token = token
        self.user = user

    def get_id(self) -> str:
        return self.token


@login.user_loader  # type: ignore[untyped-decorator]
def _load_user(token: str) -> SignedIn | None:
    user = user_sessions.find_session_user(token)
    return SignedIn(token, user) if user else None


@admin.before_request
def _check_access() -> Any:
    audit.act_as(audit.SYSTEM)
    g.user = user = current_user.user if current_user.is_authenticated else None
    if user is not None:
        g.zone = datetimes.choose_zone(user.time_zone, request.cookies.get(datetimes.ZONE_COOKIE))
        audit.act_as(Actor(user.name, user.id))
    view = current_app.view_functions[request.endpoint or ""]
    if not hasattr(view, "required_role"):
        abort(403)
    required_role: Role | None = view.required_role
    if required_role is not None and user is None:
        return _redirect_to_sign_in()
    if required_role is not None and user is not None and user.role < required_role:
        abort(403)
    if size := getattr(view, "max_body_size", 0):  # before the CSRF check, which reads the form
        request.max_content_length = size
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        if not hasattr(view, "without_csrf"):
            csrf.protect()
        is_checked_later = hasattr(view, "reports_control_characters")
        if not is_checked_later and not is_storable("".join(request.form.values())):
            abort(400)
    return None


admin.after_request(compression.compress_page)


@admin.after_request
def _set_no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    if response.status_code == 403:
        user = g.get("user")
        user_fields = {"actor_name": user.name, "subject": user.id} if user is not None else {}
        # the rule and not the URL, which may contain a token
        page = request.url_rule.rule if request.url_rule else ""
        security_log.record("forbidden", request.remote_addr or "", **user_fields, page=page)
    return response


@admin.teardown_request
def _reset_actor(_: BaseException | None) -> None:
    audit.act_as(audit.SYSTEM)  # the thread serves API requests too


def _redirect_to_sign_in() -> Any:
    if request.method == "GET":
        current_url = request.full_path if request.query_string else request.path
        return redirect(
            url_for("admin.sign_in", next=None if request.path == "/" else current_url), 303
        )
    flash("You are signed out. Sign in and try again.", "warn")
    return redirect(url_for("admin.sign_in", next=_referring_page()), 303)


def _referring_page() -> str | None:
    parts = urlsplit(request.referrer or "")
    path = parts.path.removeprefix(request.script_root)
    return path if parts.netloc == request.host and path not in ("", "/") else None


def begin_session(user_id: str) -> None:
    """Sign in the user in this browser, and clear the previous session."""
    token = user_sessions.create_session(user_id)
    session.clear()
    user = user_sessions.find_session_user(token)
    assert user is not None  # noqa: S101 - the token was created above
    login_user(SignedIn(token, user))
    _remember_browser(user.email)


def find_known_browser(email: str) -> str:
    """Return the browser's ID if the account has signed in with it before, or ""."""
    return known_browsers.find_known_browser(request.cookies.get(known_browsers.COOKIE, ""), email)


def _remember_browser(email: str) -> None:
    cookie = known_browsers.add_account_to_cookie(
        request.cookies.get(known_browsers.COOKIE, ""), email
    )
    config: Config = current_app.extensions["hub.config"]

    @after_this_request
    def _set(response: Response) -> Response:
        response.set_cookie(
            known_browsers.COOKIE,
            cookie,
            max_age=known_browsers.LIFETIME,
            path=config.path_prefix or "/",
            secure=config.https,
            httponly=True,
            samesite="Lax",
        )
        return response


def end_session() -> None:
    """Sign this browser out."""
    user_sessions.end_session(session_token())
    logout_user()
    session.clear()


def session_token() -> str:
    """Return the token of this browser's sign-in."""
    return str(current_user.get_id() or "")


def has_role(role: Role) -> bool:
    """Return whether the signed-in user has a role."""
    return g.user is not None and g.user.role >= role


def safe_redirect_target(target: str | None) -> str:
    """Return a safe redirect target on this site: `target`, or / if it is missing or leads
    elsewhere.
    """
    path = target or "/"
    safe = (
        path.startswith("/")
        and not path.startswith(("//", "/\\"))
        and "\\" not in path
        and path.isprintable()
    )
    return request.script_root + (path if safe else "/")
