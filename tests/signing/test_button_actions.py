"""Buttons in a team's posts act once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.connections.connections import by_slug
from hub.core.errors import NotFound
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.types import now
from hub.messaging.track.statuses import Origin
from hub.models import ActionToken, AuditEntry, Connection
from hub.signing import button_actions, reminders, team_subscriptions
from tests.fake_provider import Loft
from tests.hub_fixtures import (
    a_signer,
    turn_connection,
)
from tests.signing.post_steps import Roof, facts, flown, reminders_to_eric, request, tell, token


def test_a_press_reminds_and_the_post_says_who_did(roof: Roof, loft: Loft) -> None:
    roof("E1")
    tell()
    [post] = flown(loft, "E1")
    assert button_actions.perform_action(token(post, "Remind Eric"), "Dana Whitfield") is True
    edit = flown(loft, "E1")[-1]
    assert edit.edits == post.id
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana Whitfield reminded Eric · ")
    assert facts(edit)["Eric"] == "Has not signed, reminded once"
    assert [button.text for button in edit.buttons] == [
        "Open in Signpost",
        "Snooze Eric a day",
        "Remind Anna",
        "Snooze Anna a day",
    ]
    row = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "request.reminded")
    ).one()
    assert row.actor == "Dana Whitfield"


def test_a_press_that_reaches_nobody_says_so(
    roof: Roof, loft: Loft, connection: Connection
) -> None:
    one = roof("E1")
    team_subscriptions.save_subscriptions(one.id, ["request.sent", "request.reminder"])
    tell()
    [post] = flown(loft, "E1")
    turn_connection(connection.id, ConnectionState.DISABLED)
    turn_connection(by_slug("demo-whatsapp").id, ConnectionState.DISABLED)
    button_actions.perform_action(token(post, "Remind Eric"), "Dana")
    edit = next(one for one in flown(loft, "E1") if one.edits)
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana wanted to remind Eric, who could not be reached · ")


def test_fifty_presses_at_once_act_once(app: Flask, roof: Roof, loft: Loft) -> None:
    roof("E1")
    tell()
    [post] = flown(loft, "E1")
    pressed = token(post, "Remind Eric")
    results = list[bool]()
    together = threading.Barrier(50)

    def press(number: int) -> None:
        with app.app_context():
            together.wait()
            results.append(button_actions.perform_action(pressed, f"Person {number}"))

    threads = [threading.Thread(target=press, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sorted(results), reminders_to_eric()) == ([False] * 49 + [True], 1)


def test_a_button_pressed_in_one_place_is_gone_in_the_others(roof: Roof, loft: Loft) -> None:
    for place in ("E1", "E2", "T1", "W1"):
        roof(place)
    tell()
    first = {one.to: one for one in flown(loft)}
    assert len({token(first[place], "Remind Eric") for place in ("E1", "E2", "T1", "W1")}) == 1
    button_actions.perform_action(token(first["E1"], "Remind Eric"), "Dana")
    edits = {one.to: one for one in flown(loft) if one.edits}
    assert sorted(edits) == ["E1", "E2", "T1"], "what cannot be changed is left as it is"
    assert all(
        "Remind Eric" not in [button.text for button in one.buttons] for one in edits.values()
    )
    assert button_actions.perform_action(token(first["W1"], "Remind Eric"), "Tom") is False


def test_an_answer_goes_to_who_pressed_where_nothing_else_changes_the_post(
    roof: Roof, loft: Loft
) -> None:
    one = roof("W1")
    tell()
    [post] = flown(loft, "W1")
    button_actions.perform_action(
        token(post, "Snooze Eric"),
        "Dana",
        origin=Origin("callback", [one.id]),
        reply_to="https://answer.example/1",
    )
    [edit] = flown(loft, "W1")
    assert (edit.reply_to, edit.edits) == ("https://answer.example/1", "")
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana put off reminders to Eric for a day · ")


def test_an_event_has_one_button_of_each_kind_wherever_it_stands(roof: Roof, loft: Loft) -> None:
    for place in ("T1", "T2", "E1"):
        roof(place)
    tell()
    flown(loft)
    tell("request.signed", signer="anna", signers=[])
    shown = {token(one, "Remind Eric") for one in flown(loft) if one.buttons}
    assert len(shown) == 1


def test_one_of_several_that_share_a_proof_answers_a_press(roof: Roof, loft: Loft) -> None:
    ids = [roof(place).id for place in ("W1", "W2", "W3")]
    tell()
    post = flown(loft)[0]
    button_actions.perform_action(
        token(post, "Snooze Eric"),
        "Dana",
        origin=Origin("callback", ids),
        reply_to="https://answer.example/1",
    )
    assert len(flown(loft)) == 1


def test_a_press_that_another_connection_proved_does_nothing(
    roof: Roof, loft: Loft, connection: Connection
) -> None:
    roof("E1")
    tell()
    [post] = flown(loft, "E1")
    with pytest.raises(NotFound):
        button_actions.perform_action(
            token(post, "Remind Eric"), "Dana", origin=Origin("callback", [connection.id])
        )
    assert reminders_to_eric() == 0


def test_a_group_is_named_as_what_it_was(roof: Roof, loft: Loft) -> None:
    roof("E1")
    tell(signers=[a_signer(name) for name in ("Eric", "Anna", "Ravi", "Tom")])
    tell("request.signed", signer="tom", signers=[])
    post = next(one for one in reversed(flown(loft, "E1")) if one.buttons)
    button_actions.perform_action(token(post, "Remind all 3"), "Dana")
    edit = next(one for one in flown(loft, "E1") if one.edits)
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana reminded all who have not signed · ")


def test_a_team_hears_of_no_reminder_that_nobody_got(roof: Roof, loft: Loft) -> None:
    one = roof("W1")
    team_subscriptions.save_subscriptions(one.id, ["request.reminder"])
    tell()
    reminders.snooze(request().id, "eric")
    tell("request.reminder", id="r1")
    [post] = flown(loft, "W1")
    assert post.text == 'Anna was reminded of "Employment Agreement".'
    reminders.snooze(request().id)
    tell("request.reminder", id="r2")
    assert flown(loft, "W1") == []


def test_a_press_for_who_has_signed_meanwhile_says_so(roof: Roof, loft: Loft) -> None:
    roof("E1")
    tell()
    [post] = flown(loft, "E1")
    tell("request.signed", signer="eric", signers=[])
    flown(loft)
    button_actions.perform_action(token(post, "Remind Eric"), "Dana")
    edit = next(one for one in flown(loft, "E1") if one.edits)
    assert edit.card is not None
    assert edit.card.notes[0].startswith("Dana wanted to remind Eric: nothing is left to sign · ")
    assert reminders_to_eric() == 0


def test_a_press_that_comes_too_late_does_nothing_and_says_so(roof: Roof, loft: Loft) -> None:
    roof("E1")
    tell()
    [post] = flown(loft, "E1")
    with time_machine.travel(now() + timedelta(days=31)):
        button_actions.perform_action(token(post, "Remind Eric"), "Dana")
        assert (
            db.session.scalars(
                select(ActionToken.outcome).where(ActionToken.used_at.is_not(None))
            ).one()
            == "expired"
        )
    assert reminders_to_eric() == 0


@pytest.mark.parametrize("made_up", ["", "x", "A" * 43, "é" * 20, "A" * 42 + "\x00"])
def test_a_token_that_we_did_not_make_is_no_button(hub_demo: Flask, made_up: str) -> None:
    assert button_actions.preview_action(made_up) is None
    with pytest.raises(NotFound):
        button_actions.perform_action(made_up, "Dana")


def test_a_link_for_something_else_is_no_button(hub_demo: Flask) -> None:
    from hub.shared import action_tokens

    other = action_tokens.make_token("password", "usr_x", timedelta(hours=1))
    assert action_tokens.is_genuine(other)
    assert button_actions.preview_action(other) is None
