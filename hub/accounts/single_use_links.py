"""Single-use links: to create the first admin, and to set a password."""

from __future__ import annotations

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, select

from hub.accounts import passwords, user_sessions, users
from hub.core.errors import NotFound
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.crypto import digest
from hub.models import ActionToken, Source, User
from hub.shared import action_tokens, audit

FIRST_ADMIN = "first_admin"
PASSWORD = "password"  # noqa: S105 - a kind of link
FIRST_ADMIN_LIFETIME = timedelta(hours=24)
PASSWORD_LIFETIME = timedelta(hours=48)


@transaction
def create_first_admin_link() -> str | None:
    """Return a new link that creates the first admin, or None if a user exists."""
    if users.has_users():
        return None
    return _create_link("setup", FIRST_ADMIN, "", FIRST_ADMIN_LIFETIME)


@transaction
def create_password_link(user_id: str) -> str:
    """Return a new link with which a user sets a password. Earlier links of the user become
    invalid.
    """
    user = users.get_user(user_id)
    db.session.execute(
        delete(ActionToken).where(
            ActionToken.kind == PASSWORD,
            ActionToken.subject == user.id,
            ActionToken.used_at.is_(None),
        )
    )
    audit.record("user.link_made", user.id, user.name)
    return _create_link("password", PASSWORD, user.id, PASSWORD_LIFETIME)


def _create_link(path: str, kind: str, subject: str, lifetime: timedelta) -> str:
    public_url = current_app.extensions["hub.config"].public_url
    return f"{public_url}/{path}/{action_tokens.make_token(kind, subject, lifetime)}"


def is_first_admin_link_open(token: str) -> bool:
    """Return whether a link can still create the first admin."""
    return _find_valid_token(token, FIRST_ADMIN) is not None and not users.has_users()


def find_password_link_user(token: str) -> User | None:
    """Return the user of a password link, or None if the link is used, expired or unknown."""
    action = _find_valid_token(token, PASSWORD)
    user = db.session.get(User, action.subject) if action else None
    return user if user and user.disabled_at is None else None


def set_up_first_admin(token: str, email: str, name: str, password: str) -> str:
    """Create the first admin and return the ID. Raises NotFound for an invalid link.

    Every link becomes invalid once a user exists.
    """
    address = users.clean_email(email)
    clean_name = users.clean_name(name)
    passwords.check_strength(password, address, clean_name)
    return _create_first_admin(token, address, clean_name, passwords.hash_password(password))


@transaction
def _create_first_admin(token: str, email: str, name: str, password_hash: str) -> str:
    # serializes two requests at once: the second sees the user of the first
    db.session.execute(select(Source.id).with_for_update())
    if not is_first_admin_link_open(token):
        raise NotFound("link_void", "This link is no longer valid.")
    _mark_used(token)
    user = User(email=email, name=name, role=Role.ADMIN.value, password_hash=password_hash)
    db.session.add(user)
    db.session.flush()
    with users.record_changes_as(user):
        audit.record("user.added", user.id, user.name, email=email, role=Role.ADMIN.title)
    return user.id


def set_password(token: str, password: str) -> str:
    """Set the password of the link's user and return the user's ID. Raises NotFound for an invalid
    link.
    """
    user = find_password_link_user(token)
    if user is None:
        raise NotFound("link_void", "This link is no longer valid.")
    passwords.check_strength(password, user.email, user.name)
    return _set_password(token, passwords.hash_password(password))


@transaction
def _set_password(token: str, password_hash: str) -> str:
    db.session.execute(
        select(ActionToken.digest).where(ActionToken.digest == digest(token)).with_for_update()
    )
    user = find_password_link_user(token)
    if user is None:
        raise NotFound("link_void", "This link is no longer valid.")
    _mark_used(token)
    with users.record_changes_as(user):
        user_sessions.set_password(user.id, password_hash)
    return user.id


def _find_valid_token(token: str, kind: str) -> ActionToken | None:
    action = action_tokens.find_token(token, kind, require_proof=False)
    return action if action_tokens.is_open(action) else None


def _mark_used(token: str) -> None:
    action = db.session.get_one(ActionToken, digest(token))
    action.used_at = now()
