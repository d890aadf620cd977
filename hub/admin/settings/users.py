"""Manage users: add them, change their roles, deactivate them and create password links."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for

from hub.accounts import single_use_links, users
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.view import confirmation, forms
from hub.core.errors import Refused
from hub.core.vocabulary import Role

ROLES = [(role.value, role.title, role.meaning) for role in Role]


@admin.get("/settings/users", endpoint="users")
@require_role(Role.VIEWER)
def list_users() -> Any:
    """List all users."""
    return _page()


@admin.post("/settings/users")
@require_role(Role.ADMIN)
def add_user() -> Any:
    """Add a user, and create the link with which they choose a password."""
    form = forms.AddUser(request.form)
    try:
        if form.validate():
            user_id = users.create_user(
                form.email.data or "", form.name.data or "", role=Role(int(form.role.data))
            )
            return _page(link_of=user_id)
    except Refused as refusal:
        forms.add_error(form, refusal)
    return _page(form), 422


@admin.post("/settings/users/<user_id>/role")
@require_role(Role.ADMIN)
def change_role(user_id: str) -> Any:
    """Change a user's role."""
    posted = request.form.get("role", "")
    role = next((role for role in Role if str(role.value) == posted), None)
    if role is None:
        raise Refused("unknown_role", "This role does not exist.", field="role")
    return _change(
        lambda: users.change_role(user_id, role), user_id, f"is now {_with_article(role)}"
    )


@admin.route("/settings/users/<user_id>/deactivate", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def deactivate_user(user_id: str) -> Any:
    """Ask for confirmation, and deactivate a user."""
    if not forms.is_submitted():
        name = users.get_user(user_id).name
        list_url = url_for("admin.users")
        return confirmation.ask(
            f"Deactivate {name}",
            [f"{name} is signed out immediately and can no longer sign in. You can undo this."],
            button="Deactivate user",
            cancel=list_url,
            crumbs=[("Settings", url_for("admin.settings")), ("Users", list_url)],
        )
    return _change(
        lambda: users.deactivate(user_id), user_id, "is signed out and can no longer sign in"
    )


@admin.post("/settings/users/<user_id>/reactivate")
@require_role(Role.ADMIN)
def reactivate_user(user_id: str) -> Any:
    """Allow a deactivated user to sign in again."""
    return _change(lambda: users.reactivate(user_id), user_id, "can sign in again")


@admin.post("/settings/users/<user_id>/link")
@require_role(Role.ADMIN)
def new_password_link(user_id: str) -> Any:
    """Create a link with which a user chooses a new password."""
    return _page(link_of=users.get_user(user_id).id)


def _change(change: Any, user_id: str, result: str) -> Any:
    try:
        change()
        flash(f"{users.get_user(user_id).name} {result}.", "good")
    except Refused as refusal:
        if refusal.status == 404:
            raise
        flash(str(refusal), "bad")
    return redirect(url_for("admin.users"), 303)


def _with_article(role: Role) -> str:
    return f"{'an' if role.title[0] in 'AEIOU' else 'a'} {role.title.lower()}"


def _page(form: forms.AddUser | None = None, *, link_of: str = "") -> str:
    link = single_use_links.create_password_link(link_of) if link_of else None
    form_add = (form or forms.AddUser()) if has_role(Role.ADMIN) else None
    return render_template(
        "users.html",
        users=users.list_users(),
        form_add=form_add,
        roles=ROLES,
        link=link,
        link_for=users.get_user(link_of).name if link_of else "",
    )
