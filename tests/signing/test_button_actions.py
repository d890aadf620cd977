"""Each button of a team post acts once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.connections.connections import get_by_slug
from hub.core.errors import NotFound
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.types import now
from hub.messaging.track.statuses import Origin
from hub.models import ActionToken, AuditEntry, Connection
from hub.signing import button_actions, reminders, team_subscriptions
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import set_connection_state, signer_body
from tests.signing.post_steps import (
    ConnectTeam,
    button_token,
    card_facts,
    count_reminders_to_eric,
    deliver_posts,
    load_request,
    post_event,
)


def test_button_reminds_and_the_post_names_the_user(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    assert (
        button_actions.perform_action(button_token(post, "Remind Eric"), "Dana Whitfield") is True
    )
    edit = deliver_posts(fake_provider, "E1")[-1]
    assert edit.edits == post.id
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana Whitfield reminded Eric · ")
    assert card_facts(edit)["Eric"] == "Not signed, reminded once"
    assert [button.text for button in edit.buttons] == [
        "Open in Signpost",
        "Snooze Eric for a day",
        "Remind Anna",
        "Snooze Anna for a day",
    ]
    row = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "request.reminded")
    ).one()
    assert row.actor == "Dana Whitfield"


def test_button_action_without_recipients_explains_it(
    connect_team: ConnectTeam, fake_provider: FakeProvider, connection: Connection
) -> None:
    email_connection = connect_team("E1")
    team_subscriptions.save_subscriptions(email_connection.id, ["request.sent", "request.reminder"])
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    set_connection_state(connection.id, ConnectionState.DISABLED)
    set_connection_state(get_by_slug("demo-whatsapp").id, ConnectionState.DISABLED)
    button_actions.perform_action(button_token(post, "Remind Eric"), "Dana")
    edit = next(sent_post for sent_post in deliver_posts(fake_provider, "E1") if sent_post.edits)
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana tried to remind Eric, who could not be reached · ")


def test_fifty_concurrent_button_actions_act_once(
    app: Flask, connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    token = button_token(post, "Remind Eric")
    results = list[bool]()
    together = threading.Barrier(50)

    def press(number: int) -> None:
        with app.app_context():
            together.wait()
            results.append(button_actions.perform_action(token, f"Person {number}"))

    threads = [threading.Thread(target=press, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(results), count_reminders_to_eric()) == ([False] * 49 + [True], 1)


def test_button_used_in_one_channel_disappears_from_the_others(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    for destination in ("E1", "E2", "T1", "W1"):
        connect_team(destination)
    post_event()
    first = {post.to: post for post in deliver_posts(fake_provider)}
    assert (
        len(
            {
                button_token(first[destination], "Remind Eric")
                for destination in ("E1", "E2", "T1", "W1")
            }
        )
        == 1
    )
    button_actions.perform_action(button_token(first["E1"], "Remind Eric"), "Dana")
    edits = {post.to: post for post in deliver_posts(fake_provider) if post.edits}
    assert sorted(edits) == ["E1", "E2", "T1"], "what cannot be changed is left as it is"
    assert all(
        "Remind Eric" not in [button.text for button in edit.buttons] for edit in edits.values()
    )
    assert button_actions.perform_action(button_token(first["W1"], "Remind Eric"), "Tom") is False


def test_reply_edits_a_post_that_nothing_else_updates(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("W1")
    post_event()
    [post] = deliver_posts(fake_provider, "W1")
    button_actions.perform_action(
        button_token(post, "Snooze Eric"),
        "Dana",
        origin=Origin("callback", [connection.id]),
        reply_to="https://answer.example/1",
    )
    [edit] = deliver_posts(fake_provider, "W1")
    assert (edit.reply_to, edit.edits) == ("https://answer.example/1", "")
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana snoozed reminders for one day: Eric · ")


def test_event_has_one_button_of_each_kind_in_every_channel(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    for destination in ("T1", "T2", "E1"):
        connect_team(destination)
    post_event()
    deliver_posts(fake_provider)
    post_event("request.signed", signer="anna", signers=[])
    buttons = {
        button_token(post, "Remind Eric") for post in deliver_posts(fake_provider) if post.buttons
    }
    assert len(buttons) == 1


def test_one_of_several_connections_with_the_same_secret_replies(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    ids = [connect_team(destination).id for destination in ("W1", "W2", "W3")]
    post_event()
    post = deliver_posts(fake_provider)[0]
    button_actions.perform_action(
        button_token(post, "Snooze Eric"),
        "Dana",
        origin=Origin("callback", ids),
        reply_to="https://answer.example/1",
    )
    assert len(deliver_posts(fake_provider)) == 1


def test_button_action_from_an_unrelated_connection_is_refused(
    connect_team: ConnectTeam, fake_provider: FakeProvider, connection: Connection
) -> None:
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    with pytest.raises(NotFound):
        button_actions.perform_action(
            button_token(post, "Remind Eric"), "Dana", origin=Origin("callback", [connection.id])
        )
    assert count_reminders_to_eric() == 0


def test_group_reminder_is_named_as_it_was_pressed(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event(signers=[signer_body(name) for name in ("Eric", "Anna", "Ravi", "Tom")])
    post_event("request.signed", signer="tom", signers=[])
    post = next(
        sent_post for sent_post in reversed(deliver_posts(fake_provider, "E1")) if sent_post.buttons
    )
    button_actions.perform_action(button_token(post, "Remind all (3)"), "Dana")
    edit = next(sent_post for sent_post in deliver_posts(fake_provider, "E1") if sent_post.edits)
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana reminded all pending signers · ")


def test_team_is_not_notified_of_an_unsent_reminder(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("W1")
    team_subscriptions.save_subscriptions(connection.id, ["request.reminder"])
    post_event()
    reminders.snooze(load_request().id, "eric")
    post_event("request.reminder", id="r1")
    [post] = deliver_posts(fake_provider, "W1")
    assert post.text == 'Anna was reminded of "Employment Agreement".'
    reminders.snooze(load_request().id)
    post_event("request.reminder", id="r2")
    assert deliver_posts(fake_provider, "W1") == []


def test_button_for_a_signer_who_has_signed_explains_it(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    post_event("request.signed", signer="eric", signers=[])
    deliver_posts(fake_provider)
    button_actions.perform_action(button_token(post, "Remind Eric"), "Dana")
    edit = next(sent_post for sent_post in deliver_posts(fake_provider, "E1") if sent_post.edits)
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana tried to remind Eric: no signature is missing · ")
    assert count_reminders_to_eric() == 0


def test_button_used_soon_after_a_reminder_reminds_nobody_and_explains_it(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    reminders.remind(load_request().id, "eric")
    button_actions.perform_action(button_token(post, "Remind Eric"), "Dana")
    edit = [sent_post for sent_post in deliver_posts(fake_provider, "E1") if sent_post.edits][-1]
    assert edit.card is not None
    assert edit.card.notes[0].startswith(
        "Dana tried to remind Eric, who got a reminder less than an hour before · "
    )
    assert count_reminders_to_eric() == 1


def test_late_button_action_does_nothing_and_explains_it(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("E1")
    post_event()
    [post] = deliver_posts(fake_provider, "E1")
    with time_machine.travel(now() + timedelta(days=31)):
        button_actions.perform_action(button_token(post, "Remind Eric"), "Dana")
        assert (
            db.session.scalars(
                select(ActionToken.outcome).where(ActionToken.used_at.is_not(None))
            ).one()
            == "expired"
        )
    assert count_reminders_to_eric() == 0


@pytest.mark.parametrize("made_up", ["", "x", "A" * 43, "é" * 20, "A" * 42 + "\x00"])
def test_made_up_token_is_refused(hub_demo: Flask, made_up: str) -> None:
    assert button_actions.preview_action(made_up) is None
    with pytest.raises(NotFound):
        button_actions.perform_action(made_up, "Dana")


def test_token_of_another_purpose_is_refused(hub_demo: Flask) -> None:
    from hub.shared import action_tokens

    other_token = action_tokens.make_token("password", "usr_x", timedelta(hours=1))
    assert action_tokens.is_genuine(other_token)
    assert button_actions.preview_action(other_token) is None
