"""Routes of version 0.2.0 keep notifying the same people after an upgrade."""

from __future__ import annotations

import uuid
from collections import defaultdict
from itertools import count
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import MetaData, select

from hub.db import engine
from hub.db.engine import db
from hub.models import Route
from hub.run import up
from tests.conftest import POSTGRES

numbers = count(1)


class Hub020:
    """The database of a hub of version 0.2.0, to which tests add routes."""

    def __init__(self, app: Flask) -> None:
        flask_migrate.Migrate(app, db, directory=engine.MIGRATIONS)
        flask_migrate.upgrade(revision="0.2.0")
        self.tables = MetaData()
        self.tables.reflect(db.engine, only=["routes", "route_steps", "sources"])
        self.source = self._add("sources", slug="acme", name="Acme", applies_to_all=False)

    def add_route(
        self, event_type: str, audience: str, *templates: str, own: bool = False, on: bool = True
    ) -> None:
        route = self._add(
            "routes",
            source_id=self.source if own else None,
            event_type=f"request.{event_type}",
            audience=audience,
            enabled=on,
        )
        for position, template in enumerate(templates, 1):
            self._add(
                "route_steps", route_id=route, position=position, channel="sms", template=template
            )

    def _add(self, table: str, **values: Any) -> Any:
        row_id = uuid.UUID(int=next(numbers))
        stored_id = row_id if POSTGRES else row_id.bytes
        if table == "sources":
            values["created_at"] = db.session.scalar(select(db.func.now())) if POSTGRES else 0
        with db.engine.begin() as connection:
            connection.execute(self.tables.tables[table].insert().values(id=stored_id, **values))
        return stored_id

    def upgrade(self) -> dict[tuple[str, str, bool], list[str] | None]:
        """Upgrade, and return the templates of each cell in force; None if it is disabled.

        The key is the event, the audience and whether the route belongs to the source.
        """
        db.session.rollback()
        up.migrate()
        cells: dict[tuple[str, str, bool], list[str] | None] = {}
        for route in db.session.scalars(select(Route).where(Route.replaced_at.is_(None))):
            cell = (
                route.event_type.removeprefix("request."),
                route.audience,
                bool(route.source_id),
            )
            assert cell not in cells
            cells[cell] = [step.template for step in route.steps] if route.enabled else None
        return cells


@pytest.fixture
def hub_0_2_0(empty_app: Flask) -> Hub020:
    return Hub020(empty_app)


def of_event(cells: dict[tuple[str, str, bool], Any], event_type: str) -> dict[str, Any]:
    """Return the cells of an event, by audience, with "own " before those of the source."""
    found = defaultdict(list)
    for (name, audience, own), templates in cells.items():
        if name == event_type:
            found["own " * own + audience] = templates
    return dict(found)


def test_installed_routes_get_their_new_audiences(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("sent", "signers", "a")
    hub_0_2_0.add_route("signed", "others", "b")
    hub_0_2_0.add_route("signed", "actor", "c")
    hub_0_2_0.add_route("completed", "signers", "d")
    hub_0_2_0.add_route("reminder", "pending", "e")
    hub_0_2_0.add_route("sent", "team", "t")
    cells = hub_0_2_0.upgrade()
    assert cells["sent", "signer", False] == ["a"]
    assert cells["sent", "team", False] == ["t"]
    assert cells["signed", "others", False] == ["b"]
    assert cells["signed", "signer", False] == ["c"]
    assert cells["completed", "signer", False] == ["d"]
    assert cells["reminder", "signer", False] == ["e"]


def test_route_for_all_signers_is_divided_where_the_event_is_about_one(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("viewed", "signers", "a", "b")
    assert of_event(hub_0_2_0.upgrade(), "viewed") == {"signer": ["a", "b"], "others": ["a", "b"]}


def test_routes_of_one_cell_become_one_with_all_steps(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("sent", "actor", "off", on=False)
    hub_0_2_0.add_route("sent", "signers", "a")
    hub_0_2_0.add_route("sent", "pending", "b", "c")
    assert of_event(hub_0_2_0.upgrade(), "sent") == {"signer": ["a", "b", "c"]}


def test_disabled_route_stays_disabled(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("sent", "signers", "a", on=False)
    assert of_event(hub_0_2_0.upgrade(), "sent") == {"signer": None}


def test_own_route_of_a_source_still_hides_all_general_routes(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("signed", "others", "a")
    hub_0_2_0.add_route("signed", "actor", "b")
    hub_0_2_0.add_route("signed", "actor", "c", own=True)
    hub_0_2_0.add_route("completed", "signers", "d", own=True, on=False)
    cells = hub_0_2_0.upgrade()
    signed = of_event(cells, "signed")
    assert {name: signed[name] for name in ("signer", "others", "own signer", "own others")} == {
        "signer": ["b"],
        "others": ["a"],
        "own signer": ["c"],
        "own others": None,
    }
    assert "own signer" not in of_event(cells, "completed")


def test_steps_keep_their_ids(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("sent", "signers", "a")
    hub_0_2_0.add_route("sent", "pending", "b")
    steps = hub_0_2_0.tables.tables["route_steps"]
    with db.engine.connect() as connection:
        before = {str(row_id) for row_id in connection.scalars(select(steps.c.id))}
    hub_0_2_0.upgrade()
    with db.engine.connect() as connection:
        after = {str(row_id) for row_id in connection.scalars(select(steps.c.id))}
    assert before <= after


def test_unedited_routes_get_the_new_steps_and_edited_ones_are_kept(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("sent", "signers", "request_sent")
    hub_0_2_0.add_route("reminder", "pending", "request_reminder", "own_text")
    hub_0_2_0.add_route("completed", "signers", "own_text")
    hub_0_2_0.add_route("signed", "actor", "request_signed_actor", on=False)
    cells = hub_0_2_0.upgrade()
    assert cells["sent", "signer", False] == ["request_sent"] * 3
    assert cells["reminder", "signer", False] == ["request_reminder", "own_text"]
    assert cells["completed", "signer", False] == ["own_text"]
    assert cells["signed", "signer", False] is None
    assert cells["declined", "sender", False] == ["request_declined_sender"] * 2
    query = select(Route).where(Route.event_type == "request.sent", Route.audience == "signer")
    former, current = db.session.scalars(query.order_by(Route.version))
    assert (former.version, current.version, current.replaced_at) == (1, 2, None)
    assert former.replaced_at is not None
    assert former.steps  # messages of 0.2.0 name its step
    assert [step.wait_minutes for step in current.steps] == [None, 30, None]


def test_repeated_upgrade_changes_no_route(hub_0_2_0: Hub020) -> None:
    hub_0_2_0.add_route("sent", "signers", "request_sent")
    first = hub_0_2_0.upgrade()
    before = {*db.session.scalars(select(Route.id))}
    assert hub_0_2_0.upgrade() == first
    assert {*db.session.scalars(select(Route.id))} == before
