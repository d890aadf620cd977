"""Sign-ins of users, and their expiry."""

from __future__ import annotations

import secrets
from datetime import timedelta

from sqlalchemy import select

from hub.accounts import passwords, users
from hub.core.errors import Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.crypto import digest
from hub.models import User, UserSession
from hub.shared import audit

IDLE = timedelta(hours=12)
MAX_LIFETIME = timedelta(days=14)
SEEN_INTERVAL = timedelta(minutes=5)  # between writes of `seen_at`


def authenticate(email: str, password: str) -> User | None:
    """Return the user with this email address and password, or None.

    It takes equally long for an unknown email address.
    """
    user = users.find_by_email(email)
    is_match = passwords.matches_hash(user.password_hash if user else "", password)
    if user is None or not is_match or user.disabled_at is not None:
        return None
    if passwords.needs_rehash(user.password_hash):
        _replace_hash(user.id, user.password_hash, passwords.hash_password(password))
    return users.get_user(user.id)


@transaction
def _replace_hash(user_id: str, former_hash: str, password_hash: str) -> None:
    user = users.get_user(user_id)
    if user.password_hash == former_hash:  # it was not changed in the meantime
        user.password_hash = password_hash


@transaction
def create_session(user_id: str) -> str:
    """Start a sign-in and return its token, of which only a digest is stored."""
    token = secrets.token_urlsafe(32)
    signed_in_at = now()
    user = users.get_user(user_id)
    db.session.add(
        UserSession(digest=digest(token), user_id=user.id, expires_at=signed_in_at + MAX_LIFETIME)
    )
    user.signed_in_at = signed_in_at
    with users.record_changes_as(user):
        audit.record("user.signed_in", user.id, user.name)
    return token


def find_session_user(token: str) -> User | None:
    """Return the user who is signed in with a token, or None if the sign-in ended."""
    row = db.session.execute(
        select(User, UserSession.seen_at)
        .join(UserSession, UserSession.user_id == User.id)
        .where(
            UserSession.digest == digest(token),
            UserSession.expires_at > now(),
            UserSession.seen_at > now() - IDLE,
        )
        .where(User.disabled_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    user, seen_at = row
    if now() - seen_at > SEEN_INTERVAL:
        _record_activity(token)
        return users.get_user(user.id)
    return user


@transaction
def _record_activity(token: str) -> None:
    sign_in = db.session.get(UserSession, digest(token))
    if sign_in is not None:
        sign_in.seen_at = now()


@transaction
def end_session(token: str) -> None:
    """End one sign-in."""
    sign_in = db.session.get(UserSession, digest(token))
    if sign_in is not None:
        user = users.get_user(sign_in.user_id)
        db.session.delete(sign_in)
        audit.record("user.signed_out", user.id, user.name)


def change_password(
    user_id: str, current_password: str, new_password: str, *, kept_token: str = ""
) -> None:
    """Change a user's own password, after checking the old one, and end the user's other sign-ins.

    The sign-in with the token `kept_token` stays.
    """
    user = users.get_user(user_id)
    email = user.email
    name = user.name
    former_hash = user.password_hash
    if not passwords.matches_hash(former_hash, current_password):
        raise Refused("wrong_password", "The current password is not correct.", field="current")
    passwords.check_strength(new_password, email, name, field="password")
    set_password(user_id, passwords.hash_password(new_password), kept_token=kept_token)


@transaction
def set_password(user_id: str, password_hash: str, *, kept_token: str = "") -> None:
    """Store the hash of a password and end the user's sign-ins, except that of `kept_token`."""
    user = users.get_user(user_id)
    user.password_hash = password_hash
    users.end_sign_ins(user_id, kept_token)
    audit.record("user.password_changed", user.id, user.name)
