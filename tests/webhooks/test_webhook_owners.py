"""A webhook belongs to the connection whose secret verifies it."""

from __future__ import annotations

import pytest
from flask import Flask

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.models import Connection, PlatformEvent
from tests.hub_fixtures import (
    callbacks,
    copy_connection,
    count,
    event_types,
    json_of,
    post_callback,
    process_pending_callbacks,
    status,
    status_form,
    status_target,
)
from tests.webhooks.webhook_steps import SID, add_sent_message


def test_callbacks_of_an_archived_connection_are_verified(
    hub_demo: Flask, connection: Connection
) -> None:
    message_id = add_sent_message(hub_demo, connection)

    @transaction
    def archive() -> None:
        db.session.get_one(Connection, connection.id).archived_at = now()

    archive()
    assert (
        post_callback(
            hub_demo, status_form(hub_demo, SID, "delivered"), target=status_target(message_id)
        ).status_code
        == 200
    )
    process_pending_callbacks()
    assert status(message_id) == "delivered"


def test_token_gives_access_only_to_messages_of_its_connection(
    hub_demo: Flask, connection: Connection
) -> None:
    rolled = db.session.get_one(
        Connection, copy_connection("Rolled", like=connection, auth_token="f" * 32)
    )
    old = add_sent_message(hub_demo, connection)
    new = add_sent_message(hub_demo, rolled, "SM" + "1" * 32)
    for message_id, sid, token in ((new, "SM" + "1" * 32, None), (old, SID, "f" * 32)):
        # signed with the other connection's token: genuine, and not about this one's message
        assert (
            post_callback(
                hub_demo,
                status_form(hub_demo, sid, "delivered"),
                target=status_target(message_id),
                token=token,
            ).status_code
            == 200
        )
    process_pending_callbacks()
    assert (status(old), status(new)) == ("accepted", "accepted")
    assert (event_types(old), event_types(new)) == ([], [])


def test_token_shared_by_two_connections_gives_access_to_both(
    hub_demo: Flask, connection: Connection
) -> None:
    twin = db.session.get_one(Connection, copy_connection("Twin", like=connection))
    ids = [
        add_sent_message(hub_demo, connection),
        add_sent_message(hub_demo, twin, "SM" + "1" * 32),
    ]
    for message_id, sid in zip(ids, (SID, "SM" + "1" * 32), strict=True):
        post_callback(
            hub_demo, status_form(hub_demo, sid, "delivered"), target=status_target(message_id)
        )
    process_pending_callbacks()
    assert [status(reported_id) for reported_id in ids] == ["delivered", "delivered"]


def test_account_cannot_report_on_a_message_of_another_account(
    hub_demo: Flask, connection: Connection
) -> None:
    other_connection = copy_connection(
        "Theirs", like=connection, account_sid="AC" + "e" * 32, auth_token="e" * 32
    )
    message_id = add_sent_message(hub_demo, connection)
    form = {**status_form(hub_demo, SID, "delivered"), "AccountSid": "AC" + "e" * 32}
    assert other_connection
    assert (
        post_callback(hub_demo, form, target=status_target(message_id), token="e" * 32).status_code
        == 200
    )
    process_pending_callbacks()
    assert (status(message_id), event_types(message_id)) == ("accepted", [])


class TestUnassigned:
    """A hub with a token for accounts that have no connection."""

    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"TWILIO_WEBHOOK_AUTH_TOKEN": "stray-token"}

    def test_callback_of_an_unknown_account_is_stored_and_changes_nothing(
        self, hub_demo: Flask, connection: Connection
    ) -> None:
        message_id = add_sent_message(hub_demo, connection)
        form = {**status_form(hub_demo, SID, "delivered"), "AccountSid": "AC" + "d" * 32}
        answer = post_callback(
            hub_demo, form, target=status_target(message_id), token="stray-token"
        )
        assert (answer.status_code, json_of(answer)["processed"]) == (200, 1)
        [row] = callbacks()
        assert row.connection_id is None
        process_pending_callbacks()
        [row] = callbacks()
        assert (row.due_at, row.error) == (None, "")
        assert (status(message_id), count(PlatformEvent)) == ("accepted", 0)

    def test_token_is_refused_for_an_account_with_a_connection(self, hub_demo: Flask) -> None:
        assert (
            post_callback(
                hub_demo, status_form(hub_demo, SID, "delivered"), token="stray-token"
            ).status_code
            == 403
        )

    def test_forged_callback_is_refused(self, hub_demo: Flask) -> None:
        form = {**status_form(hub_demo, SID, "delivered"), "AccountSid": "AC" + "d" * 32}
        assert post_callback(hub_demo, form, token="guessed").status_code == 403
