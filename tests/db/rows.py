"""Rows that tests of the database store and read."""

from __future__ import annotations

from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.contacts import address_migration
from hub.models import Setting
from hub.shared.index_key import INDEX_KEY
from tests.hub_fixtures import signing_app as signing_app


def a_setting(name: str) -> Setting:
    row = Setting(name=name)
    row.value = name
    return row


@transaction
def add(*names: str) -> None:
    for name in names:
        db.session.add(a_setting(name))


def names() -> set[str]:
    db.session.rollback()
    own = {INDEX_KEY, address_migration.SETTING}  # made when the hub is set up
    return set(db.session.scalars(select(Setting.name))) - own
