"""Users, their passwords and their sign-ins."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.accounts import passwords, user_sessions, users
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.lib.crypto import digest
from hub.models import AuditEntry, User, UserSession

PASSWORD = "four words nobody knows"
IN_PRODUCTION = passwords.HASHER  # before the tests replace it


def add_user(name: str = "Dana", role: Role = Role.ADMIN, password: str = PASSWORD) -> str:
    return users.create_user(f"{name}@acme.example", name, password, role)


def test_email_address_is_matched_in_any_case(in_app: Flask) -> None:
    user_id = add_user()
    user = user_sessions.authenticate(" DANA@Acme.Example", PASSWORD)
    assert user is not None
    assert user.id == user_id


@pytest.mark.parametrize(
    "password", ["", "four words nobody know", PASSWORD.upper(), PASSWORD + " "]
)
def test_wrong_password_is_refused(in_app: Flask, password: str) -> None:
    add_user()
    assert user_sessions.authenticate("dana@acme.example", password) is None


def test_user_without_a_password_cannot_sign_in(in_app: Flask) -> None:
    add_user(password="")
    assert user_sessions.authenticate("dana@acme.example", "") is None


def test_unknown_email_address_costs_as_much_work_as_a_known_one(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []

    class CountingHasher:
        def verify(self, stored: str, password: str) -> bool:
            verified.append(stored)
            return hasher.verify(stored, password)

        def __getattr__(self, name: str) -> object:
            return getattr(hasher, name)

    hasher = passwords.HASHER
    monkeypatch.setattr(passwords, "HASHER", CountingHasher())
    assert user_sessions.authenticate("nobody@acme.example", PASSWORD) is None
    assert len(verified) == 1
    assert verified[0].startswith("$argon2id$")


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("nine char", "password_too_short"),
        ("dana@acme.example", "password_is_personal"),
        ("x" * 1001, "password_too_long"),
    ],
)
def test_password_is_refused_only_if_short_or_equal_to_the_email_address(
    in_app: Flask, password: str, code: str
) -> None:
    with pytest.raises(Refused) as refusal:
        add_user(password=password)
    assert (refusal.value.code, refusal.value.field) == (code, "password")


def test_ten_random_letters_are_accepted(in_app: Flask) -> None:
    assert add_user(password="xkqzvmqbwz")


@pytest.mark.parametrize(
    "email",
    ["", "dana", "dana@", "@acme.example", "da na@acme.example", "a@b@c", "x" * 250 + "@a.de"],
)
def test_invalid_email_address_is_refused(in_app: Flask, email: str) -> None:
    with pytest.raises(Refused) as refusal:
        users.create_user(email, "Dana", PASSWORD)
    assert refusal.value.field == "email"


def test_email_address_is_unique_in_any_case(in_app: Flask) -> None:
    add_user()
    with pytest.raises(Conflict, match="already a user"):
        users.create_user("DANA@ACME.EXAMPLE", "Other", PASSWORD)
    assert len(users.list_users()) == 1


def test_production_hashes_passwords_with_the_parameters_of_owasp() -> None:
    parameters = IN_PRODUCTION.hash(PASSWORD).split("$")[1:4]
    assert parameters == ["argon2id", "v=19", "m=19456,t=2,p=1"]


def test_password_is_rehashed_after_parameters_change(
    in_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = add_user()
    before = users.get_user(user_id).password_hash
    monkeypatch.setattr(
        passwords, "HASHER", passwords.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1)
    )
    assert user_sessions.authenticate("dana@acme.example", PASSWORD) is not None
    after = users.get_user(user_id).password_hash
    assert after != before
    assert "m=8192" in after
    assert user_sessions.authenticate("dana@acme.example", PASSWORD) is not None


def test_only_a_digest_of_the_session_token_is_stored(in_app: Flask) -> None:
    token = user_sessions.create_session(add_user())
    assert db.session.scalars(select(UserSession.digest)).all() == [digest(token)]
    assert len(token) >= 43


def test_sign_in_expires_after_twelve_idle_hours(in_app: Flask) -> None:
    token = user_sessions.create_session(add_user())
    with time_machine.travel(now() + timedelta(hours=11, minutes=59), tick=False):
        assert user_sessions.find_session_user(token) is not None  # and this visit counts
    with time_machine.travel(now() + timedelta(hours=23), tick=False):
        assert user_sessions.find_session_user(token) is not None
    with time_machine.travel(now() + timedelta(hours=36), tick=False):
        assert user_sessions.find_session_user(token) is None


def test_sign_in_expires_after_fourteen_days_of_activity(in_app: Flask) -> None:
    start = now()
    token = user_sessions.create_session(add_user())
    for hours in range(0, 14 * 24, 11):
        with time_machine.travel(start + timedelta(hours=hours), tick=False):
            assert user_sessions.find_session_user(token) is not None
    with time_machine.travel(start + timedelta(days=14, minutes=1), tick=False):
        assert user_sessions.find_session_user(token) is None


def test_signing_out_ends_only_the_current_sign_in(in_app: Flask) -> None:
    user_id = add_user()
    current_session = user_sessions.create_session(user_id)
    other_session = user_sessions.create_session(user_id)
    user_sessions.end_session(current_session)
    assert user_sessions.find_session_user(current_session) is None
    assert user_sessions.find_session_user(other_session) is not None


def test_changing_the_password_ends_other_sign_ins(in_app: Flask) -> None:
    user_id = add_user()
    current_session = user_sessions.create_session(user_id)
    other_session = user_sessions.create_session(user_id)
    user_sessions.change_password(
        user_id, PASSWORD, "another one, quite long", kept_token=current_session
    )
    assert user_sessions.find_session_user(current_session) is not None
    assert user_sessions.find_session_user(other_session) is None
    assert user_sessions.authenticate("dana@acme.example", PASSWORD) is None
    assert user_sessions.authenticate("dana@acme.example", "another one, quite long") is not None


def test_changing_the_password_requires_the_current_one(in_app: Flask) -> None:
    user_id = add_user()
    with pytest.raises(Refused) as refusal:
        user_sessions.change_password(user_id, "not this one at all", "another one, quite long")
    assert refusal.value.field == "current"
    assert user_sessions.authenticate("dana@acme.example", PASSWORD) is not None


def test_deactivation_signs_the_user_out_until_reactivation(in_app: Flask) -> None:
    add_user("Root")
    user_id = add_user("Olaf", Role.OPERATOR)
    token = user_sessions.create_session(user_id)
    users.deactivate(user_id)
    assert user_sessions.find_session_user(token) is None
    assert user_sessions.authenticate("olaf@acme.example", PASSWORD) is None
    users.reactivate(user_id)
    assert user_sessions.find_session_user(token) is None
    assert user_sessions.authenticate("olaf@acme.example", PASSWORD) is not None


def test_last_active_admin_cannot_be_removed(in_app: Flask) -> None:
    user_id = add_user()
    add_user("Invited", password="")  # an admin too, but with no password yet
    inactive_admin = add_user("Gone")
    users.deactivate(inactive_admin)
    for change in (
        lambda: users.deactivate(user_id),
        lambda: users.change_role(user_id, Role.VIEWER),
    ):
        with pytest.raises(Conflict, match="last admin"):
            change()
    assert users.get_user(user_id).rank is Role.ADMIN
    users.reactivate(inactive_admin)
    users.change_role(user_id, Role.VIEWER)
    assert users.get_user(user_id).rank is Role.VIEWER


def test_unknown_user_is_not_found(in_app: Flask) -> None:
    for user_id in ("usr_019aa5c2-71f8-7b3e-9c40-2d6f8a1be41c", "nobody", ""):
        with pytest.raises(NotFound):
            users.get_user(user_id)


def test_changes_are_audited_without_passwords(in_app: Flask) -> None:
    add_user("Root")
    user_id = add_user("Olaf", Role.VIEWER)
    users.change_role(user_id, Role.OPERATOR)
    users.set_time_zone(user_id, "Europe/Berlin")
    token = user_sessions.create_session(user_id)
    user_sessions.change_password(user_id, PASSWORD, "another one, quite long")
    users.deactivate(user_id)
    rows = db.session.scalars(
        select(AuditEntry).where(AuditEntry.subject == user_id).order_by(AuditEntry.id)
    ).all()
    assert [row.action.partition(".")[2] for row in rows] == [
        "added",
        "role_changed",
        "time_zone_changed",
        "signed_in",
        "password_changed",
        "deactivated",
    ]
    written = " ".join(f"{row.detail} {row.title}" for row in rows)
    assert not any(secret in written for secret in (PASSWORD, "another one", token, "$argon2"))


def test_concurrent_deactivation_leaves_one_admin(in_app: Flask) -> None:
    first_admin = add_user("One")
    second_admin = add_user("Other")
    users.deactivate(first_admin)
    with pytest.raises(Conflict):
        users.deactivate(second_admin)

    @transaction
    def active() -> int:
        return len(db.session.scalars(select(User).where(User.disabled_at.is_(None))).all())

    assert active() == 1
