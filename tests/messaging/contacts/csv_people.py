"""People with opt-outs and consents, as tests export and import them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from hub.db.engine import db
from hub.db.store import transaction
from hub.lib.text import clean_line
from hub.messaging.contacts import suppressions
from hub.models import Consent, Contact, Suppression
from tests.effort import examples

STORABLE = st.characters(exclude_characters="\0", exclude_categories=("Cs",))
ODD = st.text(st.sampled_from("=+-@＝＋－＠'\",;\t\r\n a"), max_size=20) | st.text(
    STORABLE, max_size=20
)


AGAIN = settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def empty_tables(hub_demo: Flask) -> Callable[[], None]:
    @transaction
    def empty() -> None:
        for model in (Consent, Suppression, Contact):
            db.session.execute(delete(model))

    return empty


def stored_opt_outs() -> list[Any]:
    db.session.rollback()
    rows = [
        (suppressions.with_addresses([row])[0], row)
        for row in db.session.scalars(select(Suppression))
    ]
    return sorted(
        (
            str(address.kind),
            address.address,
            row.channel,
            row.sender,
            row.reason,
            row.code,
            clean_line(row.explanation),
            row.since,
            str(row.source_id),
        )
        for address, row in rows
    )


def stored_consents() -> list[Any]:
    db.session.rollback()
    rows = db.session.execute(
        select(Consent, Contact).join(Contact, Contact.id == Consent.contact_id)
    )
    return sorted(
        (
            address.kind,
            address.address,
            row.channel,
            row.purpose,
            row.given,
            row.evidence,
            row.at,
            row.ip,
            row.user_agent,
            str(row.proof or ""),
            str(row.source_id),
        )
        for row, address in rows
    )
