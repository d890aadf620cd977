"""Single-use links: setting up the first admin, and setting a password."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.accounts import single_use_links, user_sessions, users
from hub.connections import setup
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import now
from hub.models import ActionToken, Source

PASSWORD = "four words nobody knows"


def token_of(link: str | None) -> str:
    assert link
    return link.rpartition("/")[2]


def test_first_admin_link_creates_an_admin_once(in_app: Flask) -> None:
    link = setup.create_first_admin_link()
    assert str(link).startswith(in_app.extensions["hub.config"].public_url + "/setup/")
    user_id = single_use_links.set_up_first_admin(
        token_of(link), "dana@acme.example", "Dana", PASSWORD
    )
    assert users.get_user(user_id).rank is Role.ADMIN
    with pytest.raises(NotFound):
        single_use_links.set_up_first_admin(token_of(link), "eve@acme.example", "Eve", PASSWORD)
    assert len(users.list_users()) == 1


def test_first_admin_links_are_void_once_a_user_exists(in_app: Flask) -> None:
    tokens = [token_of(setup.create_first_admin_link()) for _ in range(2)]
    assert all(map(single_use_links.is_first_admin_link_open, tokens))
    users.create_user("dana@acme.example", "Dana", PASSWORD, Role.VIEWER)
    assert not any(map(single_use_links.is_first_admin_link_open, tokens))
    assert setup.create_first_admin_link() is None
    with pytest.raises(NotFound):
        single_use_links.set_up_first_admin(tokens[0], "eve@acme.example", "Eve", PASSWORD)


def test_first_admin_link_expires_after_a_day(in_app: Flask) -> None:
    token = token_of(setup.create_first_admin_link())
    with time_machine.travel(now() + timedelta(hours=23), tick=False):
        assert single_use_links.is_first_admin_link_open(token)
    with time_machine.travel(now() + timedelta(hours=25), tick=False):
        assert not single_use_links.is_first_admin_link_open(token)


def test_refused_password_does_not_use_up_the_link(in_app: Flask) -> None:
    token = token_of(setup.create_first_admin_link())
    with pytest.raises(Refused):
        single_use_links.set_up_first_admin(token, "dana@acme.example", "Dana", "short")
    assert single_use_links.is_first_admin_link_open(token)


def test_password_link_works_once_and_ends_existing_sign_ins(in_app: Flask) -> None:
    user_id = users.create_user("olaf@acme.example", "Olaf", PASSWORD, Role.OPERATOR)
    signed_in = user_sessions.create_session(user_id)
    token = token_of(single_use_links.create_password_link(user_id))
    assert single_use_links.set_password(token, "another one, quite long") == user_id
    assert user_sessions.find_session_user(signed_in) is None
    assert user_sessions.authenticate("olaf@acme.example", "another one, quite long") is not None
    with pytest.raises(NotFound):
        single_use_links.set_password(token, "and a third one, longer")


def test_new_password_link_voids_the_earlier_one(in_app: Flask) -> None:
    user_id = users.create_user("olaf@acme.example", "Olaf")
    first, second = (token_of(single_use_links.create_password_link(user_id)) for _ in range(2))
    assert single_use_links.find_password_link_user(first) is None
    owner = single_use_links.find_password_link_user(second)
    assert owner is not None
    assert owner.id == user_id


def test_password_link_is_refused_for_a_deactivated_user_or_after_two_days(
    in_app: Flask,
) -> None:
    user_id = users.create_user("olaf@acme.example", "Olaf")
    token = token_of(single_use_links.create_password_link(user_id))
    with time_machine.travel(now() + timedelta(hours=49), tick=False):
        assert single_use_links.find_password_link_user(token) is None
    users.deactivate(user_id)
    assert single_use_links.find_password_link_user(token) is None


def test_links_of_one_kind_do_not_work_as_the_other(in_app: Flask) -> None:
    first = token_of(setup.create_first_admin_link())
    assert single_use_links.find_password_link_user(first) is None
    user_id = users.create_user("olaf@acme.example", "Olaf")
    assert not single_use_links.is_first_admin_link_open(
        token_of(single_use_links.create_password_link(user_id))
    )


def test_only_digests_of_links_are_stored(in_app: Flask) -> None:
    token = token_of(setup.create_first_admin_link())
    stored = db.session.scalars(select(ActionToken)).one()
    assert token.encode() not in stored.digest
    assert len(stored.digest) == 32


def test_repeated_preparation_changes_nothing(in_app: Flask) -> None:
    setup.prepare()
    setup.prepare()
    assert db.session.scalars(select(Source.slug)).all() == ["default"]
