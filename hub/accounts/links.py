"""Single-use links: the one that makes the first admin, and those that set a password."""

from __future__ import annotations

from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, select

from hub.accounts import passwords, sign_ins, users
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
FIRST_ADMIN_LASTS = timedelta(hours=24)
PASSWORD_LASTS = timedelta(hours=48)


@transaction
def first_admin_link() -> str | None:
    """Make a link that sets up the first admin; None once there is a user."""
    if users.any_exist():
        return None
    return _link("setup", FIRST_ADMIN, "", FIRST_ADMIN_LASTS)


@transaction
def password_link(user_id: str) -> str:
    """Make a link with which a user chooses a password; earlier ones of theirs open nothing any
    more.
    """
    user = users.get(user_id)
    db.session.execute(
        delete(ActionToken).where(
            ActionToken.kind == PASSWORD,
            ActionToken.subject == user.id,
            ActionToken.used_at.is_(None),
        )
    )
    audit.record("user.link_made", user.id, user.name)
    return _link("password", PASSWORD, user.id, PASSWORD_LASTS)


def _link(path: str, kind: str, subject: str, lasts: timedelta) -> str:
    root = current_app.extensions["hub.config"].public_url
    return f"{root}/{path}/{action_tokens.make_token(kind, subject, lasts)}"


def first_admin_open(token: str) -> bool:
    """Tell whether a link still sets up the first admin."""
    return _find(token, FIRST_ADMIN) is not None and not users.any_exist()


def password_owner(token: str) -> User | None:
    """Return whose password a link sets, or None when it is used, too old or unknown."""
    action = _find(token, PASSWORD)
    user = db.session.get(User, action.subject) if action else None
    return user if user and user.disabled_at is None else None


def set_up_first_admin(token: str, email: str, name: str, password: str) -> str:
    """Make the first admin and return the id.

    Raises NotFound when the link is void, as it is once a user exists.
    """
    address = users.clean_email(email)
    words = users.clean_name(name)
    passwords.check_strength(password, address, words)
    return _set_up(token, address, words, passwords.hash_password(password))


@transaction
def _set_up(token: str, email: str, name: str, password_hash: str) -> str:
    db.session.execute(
        select(Source.id).with_for_update()
    )  # two links at once: the second sees the first one's user
    if not first_admin_open(token):
        raise NotFound("link_void", "This link is no longer valid.")
    _use(token)
    user = User(email=email, name=name, role=Role.ADMIN.value, password_hash=password_hash)
    db.session.add(user)
    db.session.flush()
    with users.acting_as(user):
        audit.record("user.added", user.id, user.name, email=email, role=Role.ADMIN.title)
    return user.id


def choose_password(token: str, password: str) -> str:
    """Set the password of the link's user and return the user's id.

    Raises NotFound when the link is void.
    """
    user = password_owner(token)
    if user is None:
        raise NotFound("link_void", "This link is no longer valid.")
    passwords.check_strength(password, user.email, user.name)
    return _choose(token, passwords.hash_password(password))


@transaction
def _choose(token: str, password_hash: str) -> str:
    db.session.execute(
        select(ActionToken.digest).where(ActionToken.digest == digest(token)).with_for_update()
    )
    user = password_owner(token)
    if user is None:
        raise NotFound("link_void", "This link is no longer valid.")
    _use(token)
    with users.acting_as(user):
        sign_ins.set_password(user.id, password_hash)
    return user.id


def _find(token: str, kind: str) -> ActionToken | None:
    action = action_tokens.find_token(token, kind, proven=False)
    return action if action_tokens.is_open(action) else None


def _use(token: str) -> None:
    action = db.session.get_one(ActionToken, digest(token))
    action.used_at = now()
