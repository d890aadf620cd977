"""Connections: saved, tested against the simulator over HTTP, enabled, renamed, archived."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import select

from hub import integrations
from hub.connections import connection_tests, connections, demo
from hub.connections.connection_tests import set_state
from hub.connections.connections import ConnectionNotTested
from hub.connections.settings_form import InvalidSettings
from hub.core import data_dir
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Audit, Connection
from tests.conftest import config_of
from tests.hub_fixtures import a_message
from tests.hub_fixtures import change as change_message

NAME = "twilio_sms"
OTHER_TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def values(in_app: Flask) -> dict[str, Any]:
    """Return settings that the simulator knows."""
    credentials = data_dir.simulator_credentials(config_of(in_app).data_dir)
    found = integrations.get(NAME).demo_settings(credentials)
    assert found is not None
    return {**found, "per_second": ""}


def add(values: dict[str, Any], title: str = "Acme US") -> str:
    return connections.add(NAME, title, True, values)


def row(connection_id: str) -> Connection:
    return db.session.get_one(Connection, connection_id, populate_existing=True)


@transaction
def put(connection_id: str, state: ConnectionState, why: str = "") -> None:
    set_state(db.session.get_one(Connection, connection_id), state, why)


def actions(connection_id: str) -> list[str]:
    found = db.session.scalars(
        select(Audit.action).where(Audit.subject == connection_id).order_by(Audit.id)
    )
    return [action.removeprefix("connection.") for action in found]


# ── The rate ──────────────────────────────────────────────────────────────────────────────────────
def test_a_rate_is_kept_where_the_sender_is_looked_up_and_calls_for_no_test(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    assert row(connection_id).per_second is None
    assert connections.save(
        connection_id, {**values, "per_second": "2,5"}
    ) == connections.SaveResult(True)
    one = row(connection_id)
    assert (one.per_second, one.enabled, one.ready) == (2.5, True, True)
    connections.save(connection_id, values)
    assert row(connection_id).per_second is None


def test_a_rate_does_not_make_untested_settings_tested(values: dict[str, Any]) -> None:
    connection_id = add(values)
    connections.save(connection_id, {**values, "per_second": "1"})
    assert not row(connection_id).ready


@pytest.mark.parametrize("rate", ["0", "-1", "fast", "nan", "inf", "10001"])
def test_a_rate_that_is_none_is_refused_with_a_sentence(values: dict[str, Any], rate: str) -> None:
    with pytest.raises(InvalidSettings, match="Enter a number") as refusal:
        add({**values, "per_second": rate})
    assert refusal.value.field == "per_second"


# ── Saving ────────────────────────────────────────────────────────────────────────────────────────
def test_saving_fills_account_and_sender_and_numbers_the_settings(values: dict[str, Any]) -> None:
    one = row(add(values))
    assert (one.slug, one.account, one.sender) == (
        "acme-us",
        values["account_sid"],
        values["sender"],
    )
    assert (one.settings_version, one.state, one.channel) == (1, ConnectionState.NEW, "sms")
    assert one.settings == values


def test_saving_stores_what_the_provider_would_refuse(values: dict[str, Any]) -> None:
    connection_id = add(values)
    connections.save(connection_id, {**values, "auth_token": "not the token"})
    assert row(connection_id).settings["auth_token"] == "not the token"


def test_a_form_that_is_filled_in_wrong_is_not_stored_and_names_the_field(
    values: dict[str, Any],
) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        add({**values, "account_sid": "AC123"})
    assert refusal.value.field == "account_sid"
    assert refusal.value.form["sender"].data == values["sender"]
    assert connections.all_connections() == []


def test_a_blank_secret_keeps_the_stored_one(values: dict[str, Any]) -> None:
    connection_id = add(values)
    connections.save(connection_id, {**values, "auth_token": "", "sender": "+13175550199"})
    assert row(connection_id).settings == {**values, "sender": "+13175550199"}
    assert row(connection_id).settings_version == 2


def test_another_account_asks_for_its_secret(values: dict[str, Any]) -> None:
    connection_id = add(values)
    with pytest.raises(InvalidSettings) as refusal:
        connections.save(
            connection_id, {**values, "auth_token": "", "account_sid": "AC" + "f" * 32}
        )
    assert refusal.value.field == "auth_token"
    assert str(refusal.value) == "The Account SID changed. Enter the Auth Token that belongs to it."
    assert refusal.value.form["account_sid"].data == "AC" + "f" * 32
    assert row(connection_id).settings == values


def test_an_emptied_key_takes_its_secret_along(values: dict[str, Any]) -> None:
    key = {"api_key_sid": "SK" + "a" * 32, "api_key_secret": "hush"}
    connection_id = add({**values, **key})
    with pytest.raises(InvalidSettings) as refusal:
        connections.save(
            connection_id,
            {**values, "auth_token": "", "api_key_sid": "SK" + "b" * 32, "api_key_secret": ""},
        )
    assert refusal.value.field == "api_key_secret"
    connections.save(
        connection_id, {**values, "auth_token": "", "api_key_sid": "", "api_key_secret": ""}
    )
    assert row(connection_id).settings == values


def test_saving_the_same_changes_nothing(values: dict[str, Any]) -> None:
    connection_id = add(values)
    assert not connections.save(connection_id, {**values, "auth_token": ""}).changed
    assert row(connection_id).settings_version == 1


def test_blanks_around_what_was_pasted_are_dropped(values: dict[str, Any]) -> None:
    connection_id = add(
        {
            **values,
            "auth_token": f" {values['auth_token']}\n",
            "account_sid": values["account_sid"] + " ",
        }
    )
    assert row(connection_id).settings == values


def test_the_audit_names_the_fields_and_never_what_they_hold(values: dict[str, Any]) -> None:
    connection_id = add(values)
    connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    last = db.session.scalars(
        select(Audit).where(Audit.subject == connection_id).order_by(Audit.id.desc())
    ).first()
    assert last is not None
    assert last.detail == {"fields": ["auth_token"]}


# ── Testing and enabling ──────────────────────────────────────────────────────────────────────────
def test_a_passing_test_of_the_stored_settings_lets_the_connection_be_enabled(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    tested = connection_tests.run_test(connection_id)
    assert tested.check.ok, tested.check
    assert not tested.unsaved
    assert row(connection_id).ready
    connections.enable(connection_id)
    assert row(connection_id).enabled


def test_enabling_runs_the_test_that_is_missing_and_is_refused_when_it_fails(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add({**values, "auth_token": OTHER_TOKEN})
    with pytest.raises(ConnectionNotTested, match="Twilio rejected the Auth Token") as refusal:
        connections.enable(connection_id)
    assert refusal.value.field == "auth_token"
    assert row(connection_id).state == ConnectionState.NEW
    connections.save(connection_id, values)
    connections.enable(connection_id)
    assert row(connection_id).enabled


def test_other_settings_than_those_tested_have_to_be_tested_again(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    assert connection_tests.run_test(connection_id).check.ok
    connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    assert not row(connection_id).ready
    with pytest.raises(ConnectionNotTested):
        connections.enable(connection_id)


def test_testing_typed_settings_stores_neither_them_nor_the_result(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add({**values, "auth_token": OTHER_TOKEN})
    tested = connection_tests.run_test(connection_id, values)
    assert tested.check.ok
    assert tested.unsaved
    one = row(connection_id)
    assert (one.settings["auth_token"], one.checked_version) == (OTHER_TOKEN, None)


def test_a_typed_test_uses_the_stored_secret_for_a_blank_one(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    tested = connection_tests.run_test(connection_id, {**values, "auth_token": ""})
    assert (tested.check.ok, tested.unsaved) == (True, False)
    assert row(connection_id).ready
    with pytest.raises(InvalidSettings):
        connection_tests.run_test(
            connection_id, {**values, "auth_token": "", "account_sid": "AC" + "f" * 32}
        )


def test_a_provider_that_cannot_be_reached_is_told_in_words(values: dict[str, Any]) -> None:
    connection_id = add(values)  # and no simulator runs
    check = connection_tests.run_test(connection_id).check
    assert not check.ok
    assert "Could not reach" in check.title
    assert "connection refused" in check.text


def test_a_result_repeats_no_secret(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cls = integrations.get(NAME)

    def tells_all(self: Any) -> connection_tests.CheckResult:
        return connection_tests.CheckResult(
            False, f"No {self.settings['auth_token']}", answer=str(self.settings)
        )

    monkeypatch.setattr(cls, "check", tells_all)
    tested = connection_tests.run_test(add(values))
    assert values["auth_token"] not in str(tested.check)
    assert values["account_sid"] in tested.check.response


def test_no_transaction_is_open_while_the_provider_thinks(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    connection_id = add(values)

    def looks(self: Any) -> connection_tests.CheckResult:
        seen.append(db.session().in_transaction())
        return connection_tests.CheckResult(True, "Fine.")

    monkeypatch.setattr(integrations.get(NAME), "check", looks)
    connection_tests.run_test(connection_id)
    connections.enable(connection_id)
    assert seen == [False]


def test_a_broken_connection_goes_on_when_a_test_passes_and_what_waits_is_woken(
    values: dict[str, Any], simulator: Any, queue_url: str
) -> None:
    connection_id = add(values)
    put(connection_id, ConnectionState.BROKEN, "Twilio rejected the Auth Token.")
    with redis.Redis.from_url(queue_url) as queue:
        queue.flushall()
        connection_tests.run_test(connection_id)
        assert queue.exists("wake:deliver")
    one = row(connection_id)
    assert (one.enabled, one.why) == (True, "")
    assert actions(connection_id)[-2:] == ["tested", "resumed"]


def test_a_new_secret_of_a_sending_connection_is_tested_at_once_and_breaks_it_when_refused(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    saved = connections.save(connection_id, {**values, "auth_token": OTHER_TOKEN})
    assert saved.tested is not None
    one = row(connection_id)
    assert (one.state, one.why) == (ConnectionState.BROKEN, "Twilio rejected the Auth Token.")
    mended = connections.save(connection_id, values)
    assert mended.tested is not None
    assert mended.tested.check.ok
    assert row(connection_id).enabled


@pytest.mark.parametrize(
    ("state", "changed", "deserted"),
    [
        ("accepted", {"account_sid": "AC" + "f" * 32}, True),
        ("unknown", {"account_sid": "AC" + "f" * 32}, True),
        ("delivered", {"account_sid": "AC" + "f" * 32}, False),
        ("accepted", {"sender": "+13175550199"}, False),
    ],
)
def test_another_account_deserts_messages_of_which_more_is_to_be_heard(
    values: dict[str, Any], simulator: Any, state: str, changed: dict[str, str], deserted: bool
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    message_id = a_message(channel="", connection_slug=row(connection_id).slug)
    change_message(message_id, status=state, due_at=None if state == "delivered" else now())
    assert connections.save(connection_id, {**values, **changed}).deserted == deserted


def test_another_sender_keeps_a_connection_sending_untested(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    saved = connections.save(connection_id, {**values, "auth_token": "", "sender": "+13175550199"})
    assert saved.tested is None
    one = row(connection_id)
    assert (one.enabled, one.ready) == (True, False)


def test_a_broken_connection_is_not_enabled_on_an_old_test(
    values: dict[str, Any], simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection_id = add(values)
    connection_tests.run_test(connection_id)
    put(connection_id, ConnectionState.BROKEN, "why ever")
    monkeypatch.setattr(
        integrations.get(NAME), "check", lambda _: connection_tests.CheckResult(False, "Still not.")
    )
    with pytest.raises(ConnectionNotTested, match="Still not"):
        connections.enable(connection_id)
    assert row(connection_id).state == ConnectionState.BROKEN


def test_a_disabled_connection_is_enabled_on_its_last_test(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    connections.disable(connection_id)
    assert row(connection_id).state == ConnectionState.DISABLED
    assert not connections.needs_test(row(connection_id))
    connections.enable(connection_id)
    assert actions(connection_id) == ["added", "saved", "tested", "enabled", "disabled", "enabled"]


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
def test_a_slug_comes_from_the_title(in_app: Flask, title: str, slug: str) -> None:
    assert row(connections.create(NAME, title, False)).slug == slug


def test_equal_titles_get_slugs_of_their_own(in_app: Flask) -> None:
    slugs = [row(connections.create(NAME, "Acme", False)).slug for _ in range(3)]
    assert slugs == ["acme", "acme-2", "acme-3"]


def test_a_new_title_leaves_the_slug_and_a_taken_slug_is_refused(in_app: Flask) -> None:
    one, other = (connections.create(NAME, title, False) for title in ("Acme", "Other"))
    connections.rename(one, "Acme Europe")
    assert (row(one).title, row(one).slug) == ("Acme Europe", "acme")
    connections.rename(one, "Acme Europe", "acme-eu")
    assert row(one).slug == "acme-eu"
    with pytest.raises(Conflict, match="Another connection") as refusal:
        connections.rename(other, "Other", "acme-eu")
    assert refusal.value.field == "slug"
    with pytest.raises(Refused):
        connections.rename(other, "Other", "Not A Slug")


def test_an_archived_connection_keeps_its_settings_and_frees_its_slug(
    values: dict[str, Any], simulator: Any
) -> None:
    connection_id = add(values)
    connections.enable(connection_id)
    connections.archive(connection_id)
    one = row(connection_id)
    assert (one.enabled, one.slug, one.settings) == (False, "acme-us-archived", values)
    assert connections.all_connections() == []
    again = add(values)
    connections.archive(again)
    assert (row(again).slug, row(add(values)).slug) == ("acme-us-archived-2", "acme-us")
    for change in (
        lambda: connections.enable(connection_id),
        lambda: connections.save(connection_id, values),
    ):
        with pytest.raises(Conflict, match="is archived"):
            change()


def test_a_strange_name_is_not_found(in_app: Flask) -> None:
    with pytest.raises(NotFound):
        connections.by_slug("nothing")
    with pytest.raises(NotFound):
        connections.create("carrier_pigeon", "Acme", False)


class TestOutsideTheDemo:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_DEMO": "0"}

    def test_there_are_no_test_connections(self, in_app: Flask) -> None:
        with pytest.raises(Refused) as refusal:
            connections.create(NAME, "Acme", True)
        assert refusal.value.field == "test"


# ── The demo ──────────────────────────────────────────────────────────────────────────────────────
def test_the_demo_is_prepared_once_and_its_key_again_when_it_is_gone(in_app: Flask) -> None:
    from hub.accounts import api_keys

    folder = config_of(in_app).data_dir
    for _ in range(2):
        demo.prepare()
    made = db.session.scalars(select(Connection).order_by(Connection.id)).all()
    assert [(one.title, one.slug) for one in made] == [
        ("Demo SMS", "demo-sms"),
        ("Demo WhatsApp", "demo-whatsapp"),
    ]
    assert all(one.test and one.enabled and one.ready for one in made)
    assert (folder / "demo-key").stat().st_mode & 0o777 == 0o600
    first = (folder / "demo-key").read_text().strip()
    key = api_keys.find(first)
    assert key is not None
    assert key.test
    api_keys.revoke(key.id)
    demo.prepare()
    assert api_keys.find((folder / "demo-key").read_text().strip()) is not None


@pytest.mark.parametrize("slug", ["demo-sms", "demo-whatsapp"])
def test_the_demos_connections_pass_their_test(in_app: Flask, simulator: Any, slug: str) -> None:
    demo.prepare()
    connection_id = db.session.scalars(select(Connection.id).where(Connection.slug == slug)).one()
    tested = connection_tests.run_test(connection_id)
    assert tested.check.ok, asdict(tested.check)


def test_what_an_admin_made_of_a_demos_connection_stays(in_app: Flask) -> None:
    demo.prepare()
    connection_id = db.session.scalars(
        select(Connection.id).where(Connection.slug == "demo-sms")
    ).one()
    connections.archive(connection_id)
    demo.prepare()
    assert db.session.scalars(
        select(Connection.id).where(Connection.integration == "twilio_sms")
    ).all() == [connection_id]
