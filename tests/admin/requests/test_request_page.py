"""The page of a signing request: posts, reminders, snoozes and the signers' chats."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.connections import connections
from hub.core.vocabulary import ConnectionState, RequestState, Role, SignerState, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts import chats
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Connection, Message, Signer, SigningRequest
from hub.signing import accept, chat_invitations
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import ConnectTeam, RunInApp, text_of
from tests.admin.connections.team_pages import action_link as action_link
from tests.admin.connections.team_pages import connect_team as connect_team
from tests.admin.connections.team_pages import request_id as request_id
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.admin.connections.team_pages import signer as signer
from tests.conftest import Browser
from tests.fake_provider import FakeProvider
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import (
    deliver,
    event_body,
    set_connection_state,
    signer_body,
    source_id,
)
from tests.team_connections import accept_post


def test_request_lists_its_team_posts(
    request_id: str, fake_provider: FakeProvider, browser_for: Callable[..., Browser]
) -> None:
    page = text_of(browser_for(Role.VIEWER).get(f"/requests/{request_id}"))
    assert "Posted to the team" in page
    assert 'Acme HR sent "Employment Agreement" to Eric for signature.' in page


def test_team_that_was_not_notified_is_named_with_the_reason(
    connect_team: ConnectTeam, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    connection = connect_team("W1")

    def post_while_disabled() -> str:
        set_connection_state(connection.id, ConnectionState.DISABLED)
        for name in ("e1", "e2"):
            event = event_body(signers=[signer_body("Eric")], id=name)
            accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
        return db.session.scalars(select(SigningRequest.id)).one()

    path = f"/requests/{run_in_app(post_while_disabled)}"
    page = text_of(browser_for(Role.VIEWER).get(path))
    assert page.count("Not posted to Team W1: not enabled.") == 1


def test_signer_is_reminded_snoozed_and_unsnoozed(
    request_id: str, signer: Callable[[], Signer], browser_for: Callable[..., Browser]
) -> None:
    operator = browser_for(Role.OPERATOR)
    signer_path = f"/requests/{request_id}/signers/{signer().id}"
    operator.post(f"{signer_path}/remind")
    assert signer().reminders == 1
    operator.post(f"{signer_path}/snooze")
    assert signer().snoozed_until is not None
    page = text_of(operator.get(f"/requests/{request_id}"))
    assert "Reminders snoozed until" in page
    assert "Reminders snoozed until" in page
    operator.post(f"{signer_path}/remind")
    assert "snoozed until" in text_of(operator.get(f"/requests/{request_id}"))
    assert signer().reminders == 1
    operator.post(f"{signer_path}/unsnooze")
    assert signer().snoozed_until is None
    assert operator.post(f"{signer_path}/explode").status_code == 404


def test_operator_creates_a_chat_link_for_a_signer(
    request_id: str, signer: Callable[[], Signer], browser_for: Callable[..., Browser]
) -> None:
    operator = browser_for(Role.OPERATOR)
    response = operator.post(f"/requests/{request_id}/signers/{signer().id}/invite")
    assert re.search(r"https://team-chat\.example/chat/[A-Za-z0-9_-]{43}", response.text)
    assert "Give this link only to Eric" in text_of(response)
    assert "Created a link that invites a signer of Employment Agreement to a chat" in text_of(
        operator.get("/activity")
    )


def test_message_page_shows_the_post_and_its_buttons(
    request_id: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    message_id = run_in_app(
        lambda: db.session.scalars(select(Message.id).where(Message.thread != "")).one()
    )
    page = text_of(browser_for(Role.VIEWER).get(f"/messages/{message_id}"))
    assert "Message to the team" in page
    assert "0 of 1 signed" in page
    assert "Buttons: Open in Signpost Remind Eric Snooze for a day" in page


def test_message_without_reports_is_not_shown_in_progress(
    request_id: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    post, sms = (
        run_in_app(lambda kind=kind: db.session.scalars(select(Message.id).where(kind)).one())
        for kind in (Message.thread != "", Message.thread == "")
    )
    operator = browser_for(Role.OPERATOR)
    listed = operator.get("/messages?show=way").text
    assert (sms in listed, post in listed) == (True, False)
    assert (
        sms in (messages_page := operator.get(f"/messages?show=way&q={request_id}").text),
        post in messages_page,
    ) == (True, False)
    overview = text_of(operator.get("/"))
    assert "2 1 in progress" in overview
    assert "No delivery reports" in overview
    page = operator.get(f"/messages/{post}")
    assert "This provider does not report delivery." in text_of(page)
    assert operator.post(f"/messages/{post}/resend").status_code == 303
    assert run_in_app(
        lambda: db.session.scalars(select(Message.id).where(Message.after_id == post)).one()
    )


def test_updates_of_a_post_are_listed_apart_from_posts(
    connect_team: ConnectTeam,
    fake_provider: FakeProvider,
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
) -> None:
    connect_team("T1")
    fake_provider.on_send = lambda outbound: replace(accept_post(outbound), status=Status.DELIVERED)

    def add_update(kind: str) -> str:
        signers = [signer_body("Eric"), signer_body("Anna", "+442071234567")]
        signer_fields = (
            {"signer": {"id": "eric"}} if kind == "request.signed" else {"signers": signers}
        )
        accept.accept_event(
            EventIn.model_validate(event_body(kind, **signer_fields)), source_id(), test=True
        )
        deliver()
        while db.session.scalar(
            select(Message.id).where(Message.status == Status.QUEUED, Message.thread != "").limit(1)
        ):
            time.sleep(0.1)  # of one thread they go one at a time, a second apart
            deliver()
        return db.session.scalars(select(SigningRequest.id)).one()

    run_in_app(lambda: add_update("request.sent"))
    path = f"/requests/{run_in_app(lambda: add_update('request.signed'))}"
    viewer = browser_for(Role.VIEWER)
    assert text_of(viewer.get("/messages?channel=chat")).count(" Change ") == 1
    assert "Post updated once, last" in text_of(viewer.get(path))
    assert "Updates an earlier post" not in viewer.get(path).text


def test_signer_with_a_linked_chat_is_marked(
    request_id: str,
    signer: Callable[[], Signer],
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
) -> None:
    operator = browser_for(Role.OPERATOR)
    assert "Invite to a chat" in text_of(operator.get(f"/requests/{request_id}"))

    def link() -> None:
        signer = db.session.scalars(select(Signer)).one()
        team_chat = db.session.scalars(
            select(Connection).where(Connection.destination == "W1")
        ).one()
        chats.link_chat(
            team_chat.id,
            signer.request.source_id,
            chat_invitations._addresses(signer),
            get_or_create_contact("chat", "778899", test=True).id,
        )

    run_in_app(link)
    page = text_of(operator.get(f"/requests/{request_id}"))
    assert "Team W1 sends messages to their chat." in page
    assert "Invite to another chat" in page


def test_request_shows_why_a_signer_was_not_reached(
    connect_team: ConnectTeam, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def send() -> str:
        accept.accept_event(
            EventIn.model_validate(event_body(signers=[signer_body("Eric")])),
            source_id(),
            test=True,
        )
        transaction(
            lambda: db.session.execute(
                update(Message).values(status=Status.UNDELIVERED, code="30005", due_at=None)
            )
        )()
        return db.session.scalars(select(SigningRequest.id)).one()

    page = text_of(browser_for(Role.VIEWER).get(f"/requests/{run_in_app(send)}"))
    assert re.search(r"SMS undelivered .* \(30005\)", page)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (RequestState.COMPLETED, "Everyone has signed."),
        (RequestState.DECLINED, "The request is declined. No more reminders are sent."),
        (RequestState.CANCELED, "The request is canceled. No more reminders are sent."),
    ],
)
def test_closed_request_says_why_nobody_is_reminded(
    request_id: str,
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
    state: RequestState,
    reason: str,
) -> None:
    close = update(SigningRequest).values(state=state.value)
    run_in_app(transaction(lambda: db.session.execute(close)))
    page = text_of(browser_for(Role.VIEWER).get(f"/requests/{request_id}"))
    assert f"Reminders {reason}" in page
    assert "No signatures are missing" not in page


def test_declined_request_names_the_signer_who_declined(
    request_id: str, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def decline() -> None:
        db.session.execute(update(SigningRequest).values(state=RequestState.DECLINED.value))
        db.session.execute(update(Signer).values(state=SignerState.DECLINED.value))

    run_in_app(transaction(decline))
    page = text_of(browser_for(Role.VIEWER).get(f"/requests/{request_id}"))
    assert "Eric declined to sign." in page


def test_signer_without_a_mobile_number_is_named_with_the_next_step(
    run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def send() -> str:
        body = event_body(signers=[signer_body("Eric", None)])
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        return db.session.scalars(select(SigningRequest.id)).one()

    page = text_of(browser_for(Role.VIEWER).get(f"/requests/{run_in_app(send)}"))
    assert (
        "Signing request not sent by SMS: the signer has no mobile number."
        " Add one in the signing app." in page
    )


@pytest.mark.parametrize(
    ("kind", "is_possible"), [("documenso", False), ("pactsafe", True), ("", True)]
)
def test_number_is_asked_for_only_if_the_signing_app_knows_numbers(
    run_in_app: RunInApp[Any], browser_for: Callable[..., Browser], kind: str, is_possible: bool
) -> None:
    def send() -> str:
        if kind:
            connections.create(kind, "Contracts", test=True, source="default")
        body = event_body(signers=[signer_body("Eric", None)])
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
        return db.session.scalars(select(SigningRequest.id)).one()

    page = text_of(browser_for(Role.VIEWER).get(f"/requests/{run_in_app(send)}"))
    assert "Signing request not sent by SMS: the signer has no mobile number." in page
    assert ("no mobile number. Add one in the signing app." in page) == is_possible


def test_ended_request_refuses_reminders_and_explains_why(
    request_id: str,
    signer: Callable[[], Signer],
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
) -> None:
    end = update(SigningRequest).values(expires_at=now() - timedelta(minutes=1))
    run_in_app(transaction(lambda: db.session.execute(end)))
    operator = browser_for(Role.OPERATOR)
    request_path = f"/requests/{request_id}"
    page = operator.get(request_path)
    assert (
        "The request has expired. 1 signature is missing. No more reminders are sent."
        in text_of(page)
    )
    assert f"{request_path}/remind" not in page.text
    assert "/snooze" not in page.text
    assert "Invite to a chat" in text_of(page), "that asks nobody to sign"
    for path in ("remind", f"signers/{signer().id}/remind", f"signers/{signer().id}/snooze"):
        assert operator.post(f"{request_path}/{path}").status_code == 303
        assert "The request expired on " in text_of(operator.get(request_path))
