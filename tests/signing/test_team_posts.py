"""Team posts: events, threads, edited posts, and buttons."""

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
from tests.fake_provider import FakeProvider, lose_response
from tests.hub_fixtures import (
    deliver,
    event_body,
    make_due,
    set_connection_state,
    signer_body,
    source_id,
    status,
    update_message,
)
from tests.signing.post_steps import (
    ConnectTeam,
    card_facts,
    deliver_posts,
    load_request,
    post_event,
)


# ── Posts ─────────────────────────────────────────────────────────────────────────────────────────
def test_event_is_posted_with_a_card_and_its_buttons(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("W1")
    answer = post_event()
    [post] = deliver_posts(fake_provider, "W1")
    assert [(message["channel"], message["to"]) for message in answer["messages"]][-1] == (
        "chat",
        "W1",
    )
    assert post.text.endswith("for signature.")
    assert post.card is not None
    assert post.card.title == load_request().title
    assert card_facts(post) == {
        "Status": "0 of 2 signed",
        "Sent by": "Acme HR",
        "Eric": "Not signed",
        "Anna": "Not signed",
    }
    assert [button.text for button in post.buttons] == [
        "Open in Signpost",
        "Remind Eric",
        "Snooze Eric for a day",
        "Remind Anna",
        "Snooze Anna for a day",
    ]
    assert post.buttons[0].url.endswith(f"/requests/{load_request().id}")
    assert all(button.url.endswith(f"/a/{button.token}") for button in post.buttons[1:])


def test_signing_links_are_never_posted(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("W1")
    post_event(
        signers=[
            signer_body(
                "Eric",
                signing_url="https://sign.example/secret-of-eric",
                download_url="https://sign.example/his-copy",
            )
        ]
    )
    post_event("request.completed", signers=[])
    for post in deliver_posts(fake_provider, "W1"):
        assert "secret-of-eric" not in str(post)
        assert "his-copy" not in str(post)


def test_button_opens_the_document_at_the_url_of_the_app(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("W1")
    event = event_body(signers=[signer_body("Eric")])
    event["request"]["url"] = "https://sign.example/documents/1"
    accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    [post] = deliver_posts(fake_provider, "W1")
    assert (post.buttons[0].text, post.buttons[0].url) == (
        "Open document",
        "https://sign.example/documents/1",
    )


def test_several_signers_are_reminded_together(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("W1")
    post_event(signers=[signer_body(f"P{number}", None) for number in range(12)])
    [post] = [sent for sent in deliver_posts(fake_provider, "W1") if sent.buttons]
    assert [button.text for button in post.buttons[1:]] == [
        "Remind all (12)",
        "Snooze all for a day",
    ]
    assert card_facts(post)["And"] == "4 more signers"


def test_only_chosen_events_are_posted(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("W1")
    assert team_subscriptions.posted_events(connection.id) == list(
        team_subscriptions.DEFAULT_EVENTS
    )
    team_subscriptions.save_subscriptions(connection.id, ["request.declined"])
    post_event()
    assert deliver_posts(fake_provider, "W1") == []
    post_event("request.declined", signer="eric", signers=[])
    [post] = deliver_posts(fake_provider, "W1")
    assert post.text == 'Eric has declined to sign "Employment Agreement".'
    assert [button.token for button in post.buttons] == [""]


def test_toggled_connection_is_reported_once(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("W1")
    post_event()
    team_subscriptions.save_subscriptions(connection.id, [])
    team_subscriptions.save_subscriptions(connection.id, ["request.sent"])
    post_event()
    assert len(deliver_posts(fake_provider, "W1")) == 1


def test_connection_for_people_only_posts_nothing_and_shows_it(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("")
    with pytest.raises(Conflict, match="direct messages only"):
        team_subscriptions.save_subscriptions(connection.id, ["request.sent"])
    post_event()
    assert deliver_posts(fake_provider) == []


def test_post_without_a_usable_connection_is_listed(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("W1")
    set_connection_state(connection.id, ConnectionState.DISABLED)
    assert ("", "chat", "connection_off") in [
        (item["signer"], item["step"], item["reason"]) for item in post_event()["skipped"]
    ]


# ── Threads ───────────────────────────────────────────────────────────────────────────────────────
def test_later_events_go_into_the_thread_and_edit_the_first_post(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    post_event()
    [first] = deliver_posts(fake_provider, "T1")
    post_event("request.signed", signer="eric", signers=[])
    reply, edit = deliver_posts(fake_provider, "T1")
    assert (reply.thread, reply.edits, reply.card, reply.buttons) == (
        f"thread of {first.id}",
        "",
        None,
        (),
    )
    assert reply.text == 'Eric has signed "Employment Agreement". 1 signature is missing.'
    assert (edit.edits, edit.text, card_facts(edit)["Status"], card_facts(edit)["Eric"]) == (
        first.id,
        first.text,
        "1 of 2 signed",
        "Signed",
    )
    assert [button.text for button in edit.buttons] == [
        "Open in Signpost",
        "Remind Anna",
        "Snooze for a day",
    ]


def test_posts_of_a_thread_are_sent_one_at_a_time_oldest_first(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    for event in ("request.sent", "request.signed", "request.completed"):
        post_event(
            event, **({"signer": "eric", "signers": []} if event == "request.signed" else {})
        )
    carried = deliver_posts(fake_provider, "T1")
    assert [bool(post.edits) for post in carried] == [False, False, True, False]
    assert [post.id for post in carried] == sorted(post.id for post in carried)
    assert card_facts([post for post in carried if post.edits][-1])["Status"] == "Completed"
    assert carried[0].thread == ""
    assert {post.thread for post in carried[1:] if not post.edits} == {f"thread of {carried[0].id}"}


def test_event_that_is_not_posted_still_edits_the_first_post(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    post_event()
    deliver_posts(fake_provider)
    post_event("request.viewed", signer="eric", signers=[])
    [edit] = deliver_posts(fake_provider, "T1")
    assert card_facts(edit)["Eric"] == "Opened, not signed"


def test_waiting_edits_are_merged(connect_team: ConnectTeam, fake_provider: FakeProvider) -> None:
    connect_team("T1")
    post_event()
    deliver_posts(fake_provider)
    post_event("request.viewed", signer="eric", signers=[])
    post_event("request.viewed", signer="anna", signers=[])
    [edit] = deliver_posts(fake_provider, "T1")
    assert [card_facts(edit)[name] for name in ("Eric", "Anna")] == ["Opened, not signed"] * 2


def test_undelivered_post_is_not_edited_and_the_next_post_starts_the_thread(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    first = post_event()["messages"][-1]["id"]
    post_event("request.viewed", signer="eric", signers=[])
    post_event("request.viewed", signer="anna", signers=[])
    cancellation.cancel(first)
    post_event("request.completed", signers=[])
    carried = deliver_posts(fake_provider, "T1")
    assert [(post.thread, post.edits, post.card is not None) for post in carried] == [
        ("", "", True)
    ]
    db.session.rollback()
    assert {
        row.status for row in db.session.scalars(select(Message).where(Message.edits_id == first))
    } == {"canceled"}


def test_edit_with_an_unknown_outcome_is_repeated(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    post_event()
    deliver_posts(fake_provider)
    original_send = fake_provider.on_send
    fake_provider.on_send = lose_response
    post_event("request.viewed", signer="eric", signers=[])
    deliver()
    [edit] = db.session.scalars(select(Message).where(Message.edits_id.is_not(None))).all()
    assert edit.status == "queued"
    fake_provider.on_send = original_send
    make_due(edit.id)
    deliver()
    assert (status(edit.id), fake_provider.sent[-1].edits != "") == ("accepted", True)


def test_edit_of_a_crashed_worker_keeps_its_order(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    post_event()
    deliver_posts(fake_provider)
    post_event("request.viewed", signer="eric", signers=[])
    [older] = db.session.scalars(select(Message).where(Message.edits_id.is_not(None))).all()
    claims.record_and_claim([], {connection.id: 1})
    post_event("request.signed", signer="eric", signers=[])
    with time_machine.travel(now() + timedelta(minutes=2)):
        statuses.expire_lease(older.id)
        assert status(older.id) == "queued"
        carried = [post for post in deliver_posts(fake_provider, "T1") if post.edits]
    assert carried[-1].id != older.id
    assert card_facts(carried[-1])["Status"] == "1 of 2 signed"


def test_outdated_edit_is_not_resent(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    post_event()
    deliver_posts(fake_provider)
    post_event("request.viewed", signer="eric", signers=[])
    deliver_posts(fake_provider)
    older = db.session.scalars(select(Message.id).where(Message.edits_id.is_not(None))).one()
    update_message(older, status="failed")
    post_event("request.signed", signer="eric", signers=[])
    with pytest.raises(Conflict, match="updated since"):
        resend.resend(older)


def test_new_destination_starts_its_own_thread(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    post_event()
    deliver_posts(fake_provider)
    set_destination(connection.id, "T2")
    post_event("request.signed", signer="eric", signers=[])
    [post] = deliver_posts(fake_provider, "T2")
    assert (post.thread, post.edits, post.card is not None) == ("", "", True)
    post_event("request.completed", signers=[])
    reply, edit = deliver_posts(fake_provider, "T2")
    assert (reply.thread, edit.edits) == (f"thread of {post.id}", post.id)


@transaction
def set_destination(connection_id: str, destination: str) -> None:
    db.session.get_one(Connection, connection_id).destination = destination


def test_post_after_the_text_is_removed_is_a_card_again(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("T1")
    post_event()
    [first] = deliver_posts(fake_provider, "T1")
    remove_body(first.id)
    post_event("request.signed", signer="eric", signers=[])
    [post] = deliver_posts(fake_provider, "T1")
    assert (post.thread, post.card is not None) == (f"thread of {first.id}", True)


@transaction
def remove_body(message_id: str) -> None:
    db.session.delete(db.session.get_one(MessageBody, message_id.partition("_")[2]))


def test_contact_rules_do_not_apply_to_team_posts(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("T1")
    rules.save(connection.id, Rules(per_day=1, consent=True))
    post_event()
    for name in ("eric", "anna"):
        post_event("request.signed", signer=name, signers=[])
    assert len([post for post in deliver_posts(fake_provider, "T1") if not post.edits]) == 3


def test_archived_connections_are_not_listed(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connections.archive(connect_team("W1").id)
    assert [item for item in post_event()["skipped"] if item["signer"] == ""] == []
