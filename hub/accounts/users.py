"""Users and their roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from hub.accounts import passwords
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, now
from hub.lib.crypto import digest
from hub.models import User, UserSession
from hub.shared import audit
from hub.shared.audit import Actor

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
MAX_NAME_LENGTH = 120


def list_users() -> list[User]:
    """Return all users, active ones first, by name."""
    return list(
        db.session.scalars(
            select(User).order_by(User.disabled_at.is_not(None), func.lower(User.name), User.id)
        )
    )


def get_user(user_id: str) -> User:
    """Return a user. Raises NotFound."""
    user = db.session.get(User, user_id) if is_id("usr", user_id) else None
    if user is None:
        raise NotFound("unknown_user", "This user does not exist.")
    return user


def find_by_email(email: str) -> User | None:
    """Return the user with an email address, or None."""
    return db.session.scalar(select(User).where(User.email == email.strip().lower()))


def has_users() -> bool:
    """Return whether any user exists."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def clean_email(email: str) -> str:
    """Return the stored form of an email address. Raises Refused."""
    address = email.strip().lower()
    if len(address) > 254 or not EMAIL.fullmatch(address):
        raise Refused(
            "bad_email", "Enter an email address, such as dana@acme.example.", field="email"
        )
    return address


def create_user(email: str, name: str, password: str = "", role: Role = Role.VIEWER) -> str:
    """Create a user and return the ID.

    Without a password, the user cannot sign in until a link has set one.
    """
    address = clean_email(email)
    if password:
        passwords.check_strength(password, address, name)
    return _insert_user(
        address, clean_name(name), passwords.hash_password(password) if password else "", Role(role)
    )


def clean_name(name: str) -> str:
    """Return a name without extra spaces. Raises Refused."""
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > MAX_NAME_LENGTH:
        raise Refused(
            "bad_name", f"Enter a name of at most {MAX_NAME_LENGTH} characters.", field="name"
        )
    return cleaned


@contextmanager
def record_changes_as(user: User) -> Iterator[None]:
    """Record the changes inside as those of a user who is not signed in yet."""
    former_actor = audit.actor()
    audit.act_as(Actor(user.name, user.id))
    try:
        yield
    finally:
        audit.act_as(former_actor)


@transaction
def _insert_user(email: str, name: str, password_hash: str, role: Role) -> str:
    user = User(email=email, name=name, role=role.value, password_hash=password_hash)
    db.session.add(user)
    try:
        db.session.flush()
    except IntegrityError:
        reason = f"{email} is already a user. Create a new link for them, or change their role."
        raise Conflict("email_taken", reason, field="email") from None
    audit.record("user.added", user.id, user.name, email=email, role=role.title)
    return user.id


@transaction
def change_role(user_id: str, role: Role) -> None:
    """Change a user's role. Raises Conflict for the last admin who can sign in."""
    other_admins = _other_admins(user_id)
    user = get_user(user_id)
    if user.role == role:
        return
    if user.rank is Role.ADMIN and not other_admins:
        raise Conflict(
            "last_admin",
            f"{user.name} is the last admin who can sign in. Make another user an admin first.",
        )
    audit.record(
        "user.role_changed", user.id, user.name, before=user.rank.title, role=Role(role).title
    )
    user.role = Role(role).value


@transaction
def deactivate(user_id: str) -> None:
    """Deactivate a user and end all sign-ins. Raises Conflict for the last admin who can
    sign in.
    """
    other_admins = _other_admins(user_id)
    user = get_user(user_id)
    if user.disabled_at is not None:
        return
    if user.rank is Role.ADMIN and not other_admins:
        raise Conflict(
            "last_admin",
            f"{user.name} is the last admin who can sign in. Make another user an admin first.",
        )
    user.disabled_at = now()
    end_sign_ins(user.id)
    audit.record("user.deactivated", user.id, user.name)


@transaction
def end_sign_ins(user_id: str, kept_token: str = "") -> None:
    """End a user's sign-ins, except the one with the token `kept_token`."""
    statement = delete(UserSession).where(UserSession.user_id == user_id)
    db.session.execute(
        statement.where(UserSession.digest != digest(kept_token)) if kept_token else statement
    )


@transaction
def reactivate(user_id: str) -> None:
    """Reactivate a user."""
    user = get_user(user_id)
    if user.disabled_at is not None:
        user.disabled_at = None
        audit.record("user.reactivated", user.id, user.name)


@transaction
def set_time_zone(user_id: str, zone: str) -> None:
    """Set the time zone in which pages show times to a user, or '' for the browser's."""
    user = get_user(user_id)
    if user.time_zone != zone:
        user.time_zone = zone
        audit.record("user.time_zone_changed", user.id, user.name, time_zone=zone)


def _other_admins(user_id: str) -> list[User]:
    """Return the other admins who can sign in, with their rows locked.

    The lock makes two admins who remove each other wait for one another.
    """
    admins = db.session.scalars(
        select(User)
        .where(User.role == Role.ADMIN.value, User.disabled_at.is_(None), User.password_hash != "")
        .order_by(User.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return [admin for admin in admins if admin.id != user_id]
