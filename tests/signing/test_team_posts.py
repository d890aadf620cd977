"""Team posts: events, threads, posts changed in place, and buttons that act once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from hub.connections import connections, rules
from hub.connections.connections import by_slug
from hub.core.errors import Conflict, NotFound
from hub.core.vocabulary import ConnectionState, EventType
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import Outbound
from hub.messaging.compose import cancellation, resend
from hub.messaging.policy.rules import Rules
from hub.messaging.send import claims
from hub.messaging.track import statuses
from hub.messaging.track.statuses import Origin
from hub.models import Action, Audit, Body, Connection, Contact, Message, Signer, SigningRequest
from hub.signing import accept, button_actions, erasure, reminders, team_subscriptions
from hub.signing.events import EventIn
from tests.fake_provider import Loft, lost
from tests.hub_fixtures import (
    ERIC,
    SigningApp,
    a_signer,
    an_event,
    change,
    deliver,
    make_due,
    source_id,
    status,
    turn_connection,
)

Roof = Callable[[str], Connection]


def tell(kind: str = "request.sent", **more: Any) -> dict[str, Any]:
    more.setdefault("signers", [a_signer("Eric"), a_signer("Anna", "+442071234567")])
    return accept.accept_event(
        EventIn.model_validate(an_event(kind, **more)), source_id(), test=True
    )


def flown(loft: Loft, to: str = "") -> list[Outbound]:
    """Deliver what waits, a second for each of a thread, and return what was carried."""
    before = len(loft.flown)
    deliver()
    while db.session.scalar(
        select(func.count())
        .select_from(Message)
        .where(Message.status == "queued", Message.thread != "")
    ):
        time.sleep(0.1)
        deliver()
    return [one for one in loft.flown[before:] if not to or one.to == to]


def request() -> SigningRequest:
    db.session.rollback()
    return db.session.scalars(select(SigningRequest)).one()


def token(one: Outbound, text: str) -> str:
    return next(button.token for button in one.buttons if button.text.startswith(text))


def facts(one: Outbound) -> dict[str, str]:
    assert one.card is not None
    return dict(one.card.facts)


# ── Posts ─────────────────────────────────────────────────────────────────────────────────────────
def test_an_event_is_posted_with_a_card_and_its_buttons(roof: Roof, loft: Loft) -> None:
    roof("W1")
    answer = tell()
    [post] = flown(loft, "W1")
    assert [(one["channel"], one["to"]) for one in answer["messages"]][-1] == ("chat", "W1")
    assert post.text.endswith("for signature.")
    assert post.card is not None
    assert post.card.title == request().title
    assert facts(post) == {
        "State": "0 of 2 signed",
        "Sent by": "Acme HR",
        "Eric": "Has not signed",
        "Anna": "Has not signed",
    }
    assert [button.text for button in post.buttons] == [
        "Open in Signpost",
        "Remind Eric",
        "Snooze Eric a day",
        "Remind Anna",
        "Snooze Anna a day",
    ]
    assert post.buttons[0].url.endswith(f"/requests/{request().id}")
    assert all(button.url.endswith(f"/a/{button.token}") for button in post.buttons[1:])


def test_no_signers_own_link_is_ever_posted(roof: Roof, loft: Loft) -> None:
    roof("W1")
    tell(
        signers=[
            a_signer(
                "Eric",
                signing_url="https://sign.example/secret-of-eric",
                download_url="https://sign.example/his-copy",
            )
        ]
    )
    tell("request.completed", signers=[])
    for post in flown(loft, "W1"):
        assert "secret-of-eric" not in str(post)
        assert "his-copy" not in str(post)


def test_the_document_opens_where_the_app_says(roof: Roof, loft: Loft) -> None:
    roof("W1")
    event = an_event(signers=[a_signer("Eric")])
    event["request"]["url"] = "https://sign.example/documents/1"
    accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    [post] = flown(loft, "W1")
    assert (post.buttons[0].text, post.buttons[0].url) == (
        "Open document",
        "https://sign.example/documents/1",
    )


def test_many_signers_are_reminded_together(roof: Roof, loft: Loft) -> None:
    roof("W1")
    tell(signers=[a_signer(f"P{number}", None) for number in range(12)])
    [post] = flown(loft, "W1")
    assert [button.text for button in post.buttons[1:]] == ["Remind all 12", "Snooze all a day"]
    assert facts(post)["And"] == "4 more signers"


def test_only_what_was_chosen_is_posted(roof: Roof, loft: Loft) -> None:
    one = roof("W1")
    assert team_subscriptions.posted_events(one.id) == list(team_subscriptions.USUAL)
    team_subscriptions.save_subscriptions(one.id, ["request.declined"])
    tell()
    assert flown(loft, "W1") == []
    tell("request.declined", signer="eric", signers=[])
    [post] = flown(loft, "W1")
    assert post.text == 'Eric has declined to sign "Employment Agreement".'
    assert [button.token for button in post.buttons] == [""]


def test_what_was_turned_off_and_on_again_is_told_once(roof: Roof, loft: Loft) -> None:
    one = roof("W1")
    tell()
    team_subscriptions.save_subscriptions(one.id, [])
    team_subscriptions.save_subscriptions(one.id, ["request.sent"])
    tell()
    assert len(flown(loft, "W1")) == 1


def test_a_connection_for_people_only_posts_nothing_and_says_so(roof: Roof, loft: Loft) -> None:
    one = roof("")
    with pytest.raises(Conflict, match="people only"):
        team_subscriptions.save_subscriptions(one.id, ["request.sent"])
    tell()
    assert flown(loft) == []


def test_a_post_that_nobody_can_carry_is_listed(roof: Roof, loft: Loft) -> None:
    one = roof("W1")
    turn_connection(one.id, ConnectionState.DISABLED)
    assert ("", "chat", "connection_off") in [
        (item["signer"], item["step"], item["reason"]) for item in tell()["skipped"]
    ]


# ── Threads ───────────────────────────────────────────────────────────────────────────────────────
def test_what_follows_goes_into_the_thread_and_the_first_post_is_changed(
    roof: Roof, loft: Loft
) -> None:
    roof("T1")
    tell()
    [first] = flown(loft, "T1")
    tell("request.signed", signer="eric", signers=[])
    reply, edit = flown(loft, "T1")
    assert (reply.thread, reply.edits, reply.card, reply.buttons) == (
        f"thread of {first.id}",
        "",
        None,
        (),
    )
    assert reply.text == 'Eric has signed "Employment Agreement". 1 signature is missing.'
    assert (edit.edits, edit.text, facts(edit)["State"], facts(edit)["Eric"]) == (
        first.id,
        first.text,
        "1 of 2 signed",
        "Signed",
    )
    assert [button.text for button in edit.buttons] == [
        "Open in Signpost",
        "Remind Anna",
        "Snooze a day",
    ]


def test_they_go_one_at_a_time_and_oldest_first(roof: Roof, loft: Loft) -> None:
    roof("T1")
    for event in ("request.sent", "request.signed", "request.completed"):
        tell(event, **({"signer": "eric", "signers": []} if event == "request.signed" else {}))
    carried = flown(loft, "T1")
    assert [bool(one.edits) for one in carried] == [False, False, True, False]
    assert [one.id for one in carried] == sorted(one.id for one in carried)
    assert facts([one for one in carried if one.edits][-1])["State"] == "Completed"
    assert carried[0].thread == ""
    assert {one.thread for one in carried[1:] if not one.edits} == {f"thread of {carried[0].id}"}


def test_a_state_that_the_team_is_not_told_of_changes_the_first_post_all_the_same(
    roof: Roof, loft: Loft
) -> None:
    roof("T1")
    tell()
    flown(loft)
    tell("request.viewed", signer="eric", signers=[])
    [edit] = flown(loft, "T1")
    assert facts(edit)["Eric"] == "Opened it, has not signed"


def test_changes_that_wait_become_one(roof: Roof, loft: Loft) -> None:
    roof("T1")
    tell()
    flown(loft)
    tell("request.viewed", signer="eric", signers=[])
    tell("request.viewed", signer="anna", signers=[])
    [edit] = flown(loft, "T1")
    assert [facts(edit)[name] for name in ("Eric", "Anna")] == ["Opened it, has not signed"] * 2


def test_what_never_stood_is_not_changed_and_the_next_post_begins_the_thread(
    roof: Roof, loft: Loft
) -> None:
    roof("T1")
    first = tell()["messages"][-1]["id"]
    tell("request.viewed", signer="eric", signers=[])
    tell("request.viewed", signer="anna", signers=[])
    cancellation.cancel(first)
    tell("request.completed", signers=[])
    carried = flown(loft, "T1")
    assert [(one.thread, one.edits, one.card is not None) for one in carried] == [("", "", True)]
    db.session.rollback()
    assert {
        row.status for row in db.session.scalars(select(Message).where(Message.edits_id == first))
    } == {"canceled"}


def test_a_change_whose_outcome_is_not_known_is_made_again(roof: Roof, loft: Loft) -> None:
    roof("T1")
    tell()
    flown(loft)
    whole = loft.fly
    loft.fly = lost
    tell("request.viewed", signer="eric", signers=[])
    deliver()
    [edit] = db.session.scalars(select(Message).where(Message.edits_id.is_not(None))).all()
    assert edit.status == "queued"
    loft.fly = whole
    make_due(edit.id)
    deliver()
    assert (status(edit.id), loft.flown[-1].edits != "") == ("accepted", True)


def test_a_change_whose_worker_ended_keeps_its_turn(roof: Roof, loft: Loft) -> None:
    one = roof("T1")
    tell()
    flown(loft)
    tell("request.viewed", signer="eric", signers=[])
    [older] = db.session.scalars(select(Message).where(Message.edits_id.is_not(None))).all()
    claims.record_and_claim([], {one.id: 1})
    tell("request.signed", signer="eric", signers=[])
    with time_machine.travel(now() + timedelta(minutes=2)):
        statuses.expire_lease(older.id)
        assert status(older.id) == "queued"
        carried = [post for post in flown(loft, "T1") if post.edits]
    assert carried[-1].id != older.id
    assert facts(carried[-1])["State"] == "1 of 2 signed"


def test_a_change_that_is_over_is_not_sent_again(roof: Roof, loft: Loft) -> None:
    roof("T1")
    tell()
    flown(loft)
    tell("request.viewed", signer="eric", signers=[])
    flown(loft)
    older = db.session.scalars(select(Message.id).where(Message.edits_id.is_not(None))).one()
    change(older, status="failed")
    tell("request.signed", signer="eric", signers=[])
    with pytest.raises(Conflict, match="updated again since"):
        resend.resend(older)


def test_a_new_place_begins_a_thread_of_its_own(roof: Roof, loft: Loft) -> None:
    one = roof("T1")
    tell()
    flown(loft)
    move(one.id, "T2")
    tell("request.signed", signer="eric", signers=[])
    [post] = flown(loft, "T2")
    assert (post.thread, post.edits, post.card is not None) == ("", "", True)
    tell("request.completed", signers=[])
    reply, edit = flown(loft, "T2")
    assert (reply.thread, edit.edits) == (f"thread of {post.id}", post.id)


@transaction
def move(connection_id: str, place: str) -> None:
    db.session.get_one(Connection, connection_id).place = place


def test_after_its_words_are_removed_the_next_post_is_a_card_again(roof: Roof, loft: Loft) -> None:
    roof("T1")
    tell()
    [first] = flown(loft, "T1")
    forget(first.id)
    tell("request.signed", signer="eric", signers=[])
    [post] = flown(loft, "T1")
    assert (post.thread, post.card is not None) == (f"thread of {first.id}", True)


@transaction
def forget(message_id: str) -> None:
    db.session.delete(db.session.get_one(Body, message_id.partition("_")[2]))


def test_rules_about_people_do_not_silence_a_team(roof: Roof, loft: Loft) -> None:
    one = roof("T1")
    rules.save(one.id, Rules(per_day=1, consent=True))
    tell()
    for name in ("eric", "anna"):
        tell("request.signed", signer=name, signers=[])
    assert len([post for post in flown(loft, "T1") if not post.edits]) == 3


def test_nothing_of_archived_connections_is_listed(roof: Roof, loft: Loft) -> None:
    connections.archive(roof("W1").id)
    assert [item for item in tell()["skipped"] if item["signer"] == ""] == []


# ── Presses ───────────────────────────────────────────────────────────────────────────────────────
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
    row = db.session.scalars(select(Audit).where(Audit.action == "request.reminded")).one()
    assert row.who == "Dana Whitfield"


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


def reminders_to_eric() -> int:
    db.session.rollback()
    query = select(func.count()).select_from(Message).join(Signer, Signer.id == Message.signer_id)
    return db.session.scalar(query.where(Signer.external_id == "eric", Message.lane == "bulk")) or 0


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
            db.session.scalars(select(Action.outcome).where(Action.used_at.is_not(None))).one()
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


# ── Snooze ────────────────────────────────────────────────────────────────────────────────────────
def test_who_is_snoozed_is_reminded_by_nobody_for_a_day(
    signing_app: SigningApp, roof: Roof, loft: Loft
) -> None:
    roof("E1")
    tell()
    deliver()
    until = reminders.snooze(request().id, "eric")
    assert abs(until - now() - timedelta(days=1)) < timedelta(minutes=1)
    with pytest.raises(Conflict, match="snoozed until"):
        reminders.remind(request().id, "eric")
    answer = reminders.remind(request().id)
    assert {one["to"] for one in answer["messages"] if one["channel"] != "chat"} == {
        "+442071234567"
    }
    posted = tell("request.reminder", id="r1")
    assert ("eric", "snoozed") in {(one["signer"], one["reason"]) for one in posted["skipped"]}
    assert reminders_to_eric() == 0
    with time_machine.travel(now() + timedelta(days=1, minutes=1)):
        assert {one["to"] for one in reminders.remind(request().id, "eric")["messages"]} == {
            "+13175551234"
        }


def test_a_reminder_that_waits_is_taken_back_by_snooze(
    hub_demo: Flask, connection: Connection
) -> None:
    tell()
    deliver()
    turn_connection(connection.id, ConnectionState.BROKEN)
    [waiting] = [one["id"] for one in reminders.remind(request().id, "eric")["messages"]]
    reminders.snooze(request().id, "eric")
    assert status(waiting) == "canceled"


def test_a_snooze_can_be_ended(hub_demo: Flask) -> None:
    tell()
    reminders.snooze(request().id, "eric")
    reminders.unsnooze(request().id, "eric")
    assert len(reminders.remind(request().id, "eric")["messages"]) == 1
    with pytest.raises(Conflict, match="not snoozed"):
        reminders.unsnooze(request().id, "eric")


def test_a_card_goes_with_the_signer_whom_it_names(roof: Roof, loft: Loft) -> None:
    roof("E1")
    tell()
    [post] = flown(loft, "E1")
    eric = db.session.scalars(select(Contact.id).where(Contact.address == ERIC)).one()
    erasure.erase_contact(eric, why="asked for it")
    db.session.rollback()
    assert db.session.get(Body, post.id.partition("_")[2]) is None
    button_actions.perform_action(token(post, "Remind Anna"), "Dana")
    assert flown(loft, "E1") == [], "there is no card to change any more"


def test_everything_posts(roof: Roof, loft: Loft) -> None:
    one = roof("W1")
    team_subscriptions.save_subscriptions(one.id, [event_type.value for event_type in EventType])
    said = []
    for event_type in EventType:
        tell(
            event_type.value,
            signer="eric",
            id=f"e-{event_type}",
            occurred_at=f"2026-11-{20 + len(said)}T09:00:00Z",
        )
        said += [post.text for post in flown(loft, "W1")]
    assert said == [
        'Acme HR sent "Employment Agreement" to Eric and Anna for signature.',
        'Eric opened "Employment Agreement".',
        'Eric has signed "Employment Agreement". 1 signature is missing.',
        'Eric has declined to sign "Employment Agreement".',
        '"Employment Agreement" has been accepted by all parties.',
        'The time to sign "Employment Agreement" ran out. 1 signature was missing.',
        'Acme HR took "Employment Agreement" back.',
    ]
