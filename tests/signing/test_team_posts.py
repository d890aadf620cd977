"""Team posts: events, threads, posts changed in place, and buttons that act once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import select

from hub.connections import connections, rules
from hub.core.errors import Conflict
from hub.core.vocabulary import ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.compose import cancellation, resend
from hub.messaging.policy.rules import Rules
from hub.messaging.send import claims
from hub.messaging.track import statuses
from hub.models import Connection, Message, MessageBody
from hub.signing import accept, team_subscriptions
from hub.signing.events import EventIn
from tests.fake_provider import Loft, lost
from tests.hub_fixtures import (
    a_signer,
    an_event,
    change,
    deliver,
    make_due,
    source_id,
    status,
    turn_connection,
)
from tests.signing.post_steps import Roof, facts, flown, request, tell


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
    with pytest.raises(Conflict, match="direct messages only"):
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
    db.session.get_one(Connection, connection_id).destination = place


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
    db.session.delete(db.session.get_one(MessageBody, message_id.partition("_")[2]))


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
