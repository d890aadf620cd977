"""API keys: creation, digests, expiry and revocation."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from hub.accounts import api_keys
from hub.core.errors import NotFound, Refused
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import ApiKey, AuditEntry


@pytest.mark.parametrize(("test", "begins"), [(True, "sp_test_"), (False, "sp_live_")])
def test_api_key_authenticates_for_its_source(in_app: Flask, test: bool, begins: str) -> None:
    text = api_keys.create_key("Contracts", test=test)
    assert text.startswith(begins)
    key = api_keys.authenticate(text)
    assert key is not None
    assert (key.name, key.test) == ("Contracts", test)
    assert key.used_at is not None


def test_only_the_digest_of_an_api_key_is_stored(in_app: Flask) -> None:
    text = api_keys.create_key("Contracts", test=False)
    key = db.session.scalars(select(ApiKey)).one()
    assert text.encode() not in key.digest
    assert not any(
        text in f"{row.detail}{row.title}" for row in db.session.scalars(select(AuditEntry))
    )


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text[8:],
        lambda _: "",
    ],
)
def test_altered_api_key_is_refused(in_app: Flask, change: object) -> None:
    text = api_keys.create_key("Contracts", test=True)
    assert api_keys.authenticate(change(text)) is None  # type: ignore[operator]


def test_revoked_api_key_is_refused(in_app: Flask) -> None:
    text = api_keys.create_key("Contracts", test=True)
    key = api_keys.find_key(text)
    assert key is not None
    api_keys.revoke_key(key.id)
    assert api_keys.authenticate(text) is None


def test_expired_api_key_is_refused(in_app: Flask) -> None:
    text = api_keys.create_key("Contracts", test=True)

    @transaction
    def expire() -> None:
        db.session.scalars(select(ApiKey)).one().expires_at = now() - timedelta(seconds=1)

    expire()
    assert api_keys.authenticate(text) is None


def test_api_key_requires_a_name_and_a_source(in_app: Flask) -> None:
    with pytest.raises(Refused) as refusal:
        api_keys.create_key("  ", test=True)
    assert refusal.value.field == "name"
    with pytest.raises(NotFound):
        api_keys.create_key("Contracts", test=True, source="elsewhere")
