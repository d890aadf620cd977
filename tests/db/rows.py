"""Rows that database tests store and read."""

from __future__ import annotations

from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.contacts import address_migration
from hub.models import Setting
from hub.shared.index_key import INDEX_KEY
from tests.hub_fixtures import signing_app as signing_app


def make_setting(name: str) -> Setting:
    row = Setting(name=name)
    row.value = name
    return row


@transaction
def add_settings(*setting_names: str) -> None:
    for name in setting_names:
        db.session.add(make_setting(name))


def setting_names() -> set[str]:
    db.session.rollback()
    written_at_start = {INDEX_KEY, address_migration.SETTING}  # made when the hub is set up
    return set(db.session.scalars(select(Setting.name))) - written_at_start
