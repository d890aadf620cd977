"""Sign-ins: who a browser is signed in as, and until when."""

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
LONGEST = timedelta(days=14)
SEEN_EVERY = timedelta(minutes=5)  # a page must not cost a write


def authenticate(email: str, password: str) -> User | None:
    """Return the user whom e-mail and password belong to, or None.

    Takes as long for an e-mail that nobody has.
    """
    user = users.with_email(email)
    known = passwords.matches_hash(user.password_hash if user else "", password)
    if user is None or not known or user.disabled_at is not None:
        return None
    if passwords.needs_rehash(user.password_hash):
        _store(user.id, user.password_hash, passwords.hash_password(password))
    return users.get(user.id)


@transaction
def _store(user_id: str, before: str, password_hash: str) -> None:
    user = users.get(user_id)
    if user.password_hash == before:  # nobody changed it meanwhile
        user.password_hash = password_hash


@transaction
def sign_in(user_id: str) -> str:
    """Begin a sign-in and return its token; only a digest of it is stored."""
    token = secrets.token_urlsafe(32)
    moment = now()
    user = users.get(user_id)
    db.session.add(UserSession(digest=digest(token), user_id=user.id, expires_at=moment + LONGEST))
    user.signed_in_at = moment
    with users.acting_as(user):
        audit.record("user.signed_in", user.id, user.name)
    return token


def user_of_token(token: str) -> User | None:
    """Return who is signed in with this token, or None when that ended."""
    found = db.session.execute(
        select(User, UserSession.seen_at)
        .join(UserSession, UserSession.user_id == User.id)
        .where(
            UserSession.digest == digest(token),
            UserSession.expires_at > now(),
            UserSession.seen_at > now() - IDLE,
        )
        .where(User.disabled_at.is_(None))
    ).one_or_none()
    if found is None:
        return None
    user, seen_at = found
    if now() - seen_at > SEEN_EVERY:
        _touch(token)
        return users.get(user.id)
    return user


@transaction
def _touch(token: str) -> None:
    sign_in = db.session.get(UserSession, digest(token))
    if sign_in is not None:
        sign_in.seen_at = now()


@transaction
def sign_out(token: str) -> None:
    """End one sign-in."""
    sign_in = db.session.get(UserSession, digest(token))
    if sign_in is not None:
        user = users.get(sign_in.user_id)
        db.session.delete(sign_in)
        audit.record("user.signed_out", user.id, user.name)


def change_password(user_id: str, old: str, new: str, *, keep: str = "") -> None:
    """Change one's own password, which the old one allows, and end the other sign-ins; the one with
    the token `keep` stays.
    """
    user = users.get(user_id)
    email = user.email
    name = user.name
    before = user.password_hash
    if not passwords.matches_hash(before, old):
        raise Refused("wrong_password", "The current password is not correct.", field="current")
    passwords.check_strength(new, email, name, field="password")
    set_password(user_id, passwords.hash_password(new), keep=keep)


@transaction
def set_password(user_id: str, password_hash: str, *, keep: str = "") -> None:
    """Store a password's hash and end the user's sign-ins."""
    user = users.get(user_id)
    user.password_hash = password_hash
    users.end_sign_ins(user_id, keep)
    audit.record("user.password_changed", user.id, user.name)
