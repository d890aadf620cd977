"""Connections: saved, tested against the simulator over HTTP, enabled, renamed and archived."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub import integrations
from hub.connections import connections
from hub.connections.refresh_destinations import refresh_destinations
from hub.connections.settings_form import InvalidSettings
from hub.core import data_dir
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import AuditEntry
from tests.conftest import config_of
from tests.connections.connection_steps import NAME, OTHER_TOKEN, add_connection, load_connection
from tests.connections.connection_steps import values as values


# ── The rate ──────────────────────────────────────────────────────────────────────────────────────
def test_rate_limit_is_stored_and_requires_no_test(values: dict[str, Any], simulator: Any) -> None:
    connection_id = add_connection(values)
    connections.enable(connection_id)
    assert load_connection(connection_id).per_second is None
    assert connections.save(
        connection_id, {**values, "per_second": "2,5"}
    ) == connections.SaveResult(True)
    connection = load_connection(connection_id)
    assert (connection.per_second, connection.enabled, connection.ready) == (2.5, True, True)
    connections.save(connection_id, values)
    assert load_connection(connection_id).per_second is None


def test_rate_limit_does_not_mark_untested_settings_as_tested(values: dict[str, Any]) -> None:
    connection_id = add_connection(values)
    connections.save(connection_id, {**values, "per_second": "1"})
    assert not load_connection(connection_id).ready


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "nan", "inf", "10001"])
def test_invalid_rate_limit_is_refused_with_the_reason(values: dict[str, Any], rate: str) -> None:
    with pytest.raises(InvalidSettings, match="Enter a number") as refusal:
        add_connection({**values, "per_second": rate})
    assert refusal.value.field == "per_second"


# ── Saving ────────────────────────────────────────────────────────────────────────────────────────
def test_saving_stores_account_and_sender_and_numbers_the_settings(values: dict[str, Any]) -> None:
    connection = load_connection(add_connection(values))
    assert (connection.slug, connection.account, connection.sender) == (
        "acme-us",
        values["account_sid"],
        values["sender"],
    )
    assert (connection.settings_version, connection.state, connection.channel) == (
        1,
        ConnectionState.NEW,
        "sms",
    )
    assert connection.settings == values


def test_saving_stores_settings_that_the_provider_would_refuse(values: dict[str, Any]) -> None:
    connection_id = add_connection(values)
    connections.save(connection_id, {**values, "auth_token": "not the token"})
    assert load_connection(connection_id).settings["auth_token"] == "not the token"


def test_invalid_form_is_not_stored_and_names_the_field(
    values: dict[str, Any],
) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        add_connection({**values, "account_sid": "AC123"})
    assert refusal.value.field == "account_sid"
    assert refusal.value.form["sender"].data == values["sender"]
    assert connections.list_connections() == []


def test_blank_secret_keeps_the_stored_one(values: dict[str, Any]) -> None:
    connection_id = add_connection(values)
    connections.save(connection_id, {**values, "auth_token": "", "sender": "+13175550199"})
    assert load_connection(connection_id).settings == {**values, "sender": "+13175550199"}
    assert load_connection(connection_id).settings_version == 2


def test_changing_the_account_requires_its_secret(values: dict[str, Any]) -> None:
    connection_id = add_connection(values)
    with pytest.raises(InvalidSettings) as refusal:
        connections.save(
            connection_id, {**values, "auth_token": "", "account_sid": "AC" + "f" * 32}
        )
    assert refusal.value.field == "auth_token"
    assert str(refusal.value) == "The Account SID changed. Enter the Auth Token that belongs to it."
    assert refusal.value.form["account_sid"].data == "AC" + "f" * 32
    assert load_connection(connection_id).settings == values


def test_clearing_an_api_key_removes_its_secret(values: dict[str, Any]) -> None:
    key = {"api_key_sid": "SK" + "a" * 32, "api_key_secret": "hush"}
    connection_id = add_connection({**values, **key})
    with pytest.raises(InvalidSettings) as refusal:
        connections.save(
            connection_id,
            {**values, "auth_token": "", "api_key_sid": "SK" + "b" * 32, "api_key_secret": ""},
        )
    assert refusal.value.field == "api_key_secret"
    connections.save(
        connection_id, {**values, "auth_token": "", "api_key_sid": "", "api_key_secret": ""}
    )
    assert load_connection(connection_id).settings == values


def test_saving_equal_settings_changes_nothing(values: dict[str, Any]) -> None:
    connection_id = add_connection(values)
    assert not connections.save(connection_id, {**values, "auth_token": ""}).has_changed
    assert load_connection(connection_id).settings_version == 1


def test_surrounding_whitespace_is_removed(values: dict[str, Any]) -> None:
    connection_id = add_connection(
        {
            **values,
            "auth_token": f" {values['auth_token']}\n",
            "account_sid": values["account_sid"] + " ",
        }
    )
    assert load_connection(connection_id).settings == values


def test_audit_names_fields_without_their_values(values: dict[str, Any]) -> None:
    connection_id = add_connection(values)
    connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    last = db.session.scalars(
        select(AuditEntry).where(AuditEntry.subject == connection_id).order_by(AuditEntry.id.desc())
    ).first()
    assert last is not None
    assert last.detail == {"fields": ["auth_token"]}


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Acme US", "acme-us"),
        ("  Zürich – GmbH & Co. ", "zurich-gmbh-co"),
        ("…", "twilio-sms"),
        ("a" * 80, "a" * 44),
    ],
)
def test_slug_is_derived_from_the_title(in_app: Flask, title: str, slug: str) -> None:
    assert load_connection(connections.create(NAME, title, False)).slug == slug


def test_equal_titles_get_distinct_slugs(in_app: Flask) -> None:
    slugs = [load_connection(connections.create(NAME, "Acme", False)).slug for _ in range(3)]
    assert slugs == ["acme", "acme-2", "acme-3"]


def test_renaming_keeps_the_slug_and_refuses_a_used_one(in_app: Flask) -> None:
    first, second = (connections.create(NAME, title, False) for title in ("Acme", "Other"))
    connections.rename(first, "Acme Europe")
    assert (load_connection(first).title, load_connection(first).slug) == ("Acme Europe", "acme")
    connections.rename(first, "Acme Europe", "acme-eu")
    assert load_connection(first).slug == "acme-eu"
    with pytest.raises(Conflict, match="Another connection") as refusal:
        connections.rename(second, "Other", "acme-eu")
    assert refusal.value.field == "slug"
    with pytest.raises(Refused):
        connections.rename(second, "Other", "Not A Slug")


def test_archived_connection_keeps_its_settings_and_frees_its_slug(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add_connection(values)
    connections.enable(connection_id)
    connections.archive(connection_id)
    connection = load_connection(connection_id)
    assert (connection.enabled, connection.slug, connection.settings) == (
        False,
        "acme-us-archived",
        values,
    )
    assert connections.list_connections() == []
    second_id = add_connection(values)
    connections.archive(second_id)
    assert (load_connection(second_id).slug, load_connection(add_connection(values)).slug) == (
        "acme-us-archived-2",
        "acme-us",
    )
    for change in (
        lambda: connections.enable(connection_id),
        lambda: connections.save(connection_id, values),
    ):
        with pytest.raises(Conflict, match="is archived"):
            change()


def test_unknown_slug_or_integration_is_not_found(in_app: Flask) -> None:
    with pytest.raises(NotFound):
        connections.get_by_slug("nothing")
    with pytest.raises(NotFound):
        connections.create("webhook_chat", "Acme", False)


class TestOutsideTheDemo:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_DEMO": "0"}

    def test_connections_are_refused(self, in_app: Flask) -> None:
        with pytest.raises(Refused) as refusal:
            connections.create(NAME, "Acme", True)
        assert refusal.value.field == "test"


def test_destination_is_written_again_in_its_present_form(in_app: Flask, simulator: Any) -> None:
    credentials = data_dir.simulator_credentials(config_of(in_app).data_dir)
    values = {**(integrations.get("teams").demo_settings(credentials) or {}), "per_second": ""}
    connection_id = connections.add("teams", "Contracts", True, values)
    destination = load_connection(connection_id).destination

    @transaction
    def store_older_form() -> None:
        load_connection(connection_id).destination = "an older form"

    store_older_form()
    assert connections.save(connection_id, values).has_changed
    assert load_connection(connection_id).destination == destination
    assert not connections.save(connection_id, values).has_changed
    store_older_form()
    assert refresh_destinations() == 1, "every start does it, too"
    assert load_connection(connection_id).destination == destination
    assert refresh_destinations() == 0


def test_start_keeps_the_destination_of_an_invitation(in_app: Flask, simulator: Any) -> None:
    credentials = data_dir.simulator_credentials(config_of(in_app).data_dir)
    values = {**(integrations.get("telegram").demo_settings(credentials) or {}), "per_second": ""}
    connection_id = connections.add("telegram", "Contracts", True, values)

    @transaction
    def link_group() -> None:
        load_connection(connection_id).destination = "-1009876543210"

    link_group()
    assert refresh_destinations() == 0
    assert load_connection(connection_id).destination == "-1009876543210"
