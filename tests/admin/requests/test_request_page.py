"""A request's page: posts, reminders, snoozes and the signers' chats."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from hub.core.vocabulary import Role, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts import chats
from hub.messaging.contacts.contacts import contact_for
from hub.models import Connection, Message, Signer, SigningRequest
from hub.signing import accept, chat_invitations
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import Look, Roof, words
from tests.admin.connections.team_pages import link as link
from tests.admin.connections.team_pages import look as look
from tests.admin.connections.team_pages import request_id as request_id
from tests.admin.connections.team_pages import roof as roof
from tests.admin.connections.team_pages import signer as signer
from tests.conftest import Browser
from tests.fake_provider import Loft
from tests.fake_provider import loft as loft
from tests.hub_fixtures import a_signer, an_event, deliver, source_id
from tests.team_connections import fly


def test_the_request_shows_what_was_posted(
    request_id: str, loft: Loft, person: Callable[..., Browser]
) -> None:
    page = words(person(Role.VIEWER).get(f"/requests/{request_id}"))
    assert "Posted to the team" in page
    assert 'Acme HR sent "Employment Agreement" to Eric for signature.' in page


def test_a_signer_is_reminded_snoozed_and_woken(
    request_id: str, signer: Callable[[], Signer], person: Callable[..., Browser]
) -> None:
    operator = person(Role.OPERATOR)
    here = f"/requests/{request_id}/signers/{signer().id}"
    operator.post(f"{here}/remind")
    assert signer().reminders == 1
    operator.post(f"{here}/snooze")
    assert signer().snoozed_until is not None
    page = words(operator.get(f"/requests/{request_id}"))
    assert "Reminders snoozed until" in page
    assert "Reminders snoozed until" in page
    operator.post(f"{here}/remind")
    assert "snoozed until" in words(operator.get(f"/requests/{request_id}"))
    assert signer().reminders == 1
    operator.post(f"{here}/unsnooze")
    assert signer().snoozed_until is None
    assert operator.post(f"{here}/explode").status_code == 404


def test_a_signers_link_is_shown_to_who_made_it(
    request_id: str, signer: Callable[[], Signer], person: Callable[..., Browser]
) -> None:
    operator = person(Role.OPERATOR)
    made = operator.post(f"/requests/{request_id}/signers/{signer().id}/invite")
    assert re.search(r"https://flock\.example/nest/[A-Za-z0-9_-]{43}", made.text)
    assert "Give this link only to Eric" in words(made)
    assert "Created a link that invites a signer of Employment Agreement to a chat" in words(
        operator.get("/activity")
    )


def test_the_message_shows_its_card_and_what_it_changes(
    request_id: str, look: Look[Any], person: Callable[..., Browser]
) -> None:
    message_id = look(
        lambda: db.session.scalars(select(Message.id).where(Message.thread != "")).one()
    )
    page = words(person(Role.VIEWER).get(f"/messages/{message_id}"))
    assert "Message to the team" in page
    assert "0 of 1 signed" in page
    assert "Buttons: Open in Signpost Remind Eric Snooze a day" in page


def test_what_nobody_reports_on_is_not_on_the_way(
    request_id: str, look: Look[Any], person: Callable[..., Browser]
) -> None:
    post, sms = (
        look(lambda kind=kind: db.session.scalars(select(Message.id).where(kind)).one())
        for kind in (Message.thread != "", Message.thread == "")
    )
    operator = person(Role.OPERATOR)
    listed = operator.get("/messages?show=way").text
    assert (sms in listed, post in listed) == (True, False)
    assert (
        sms in (found := operator.get(f"/messages?show=way&q={request_id}").text),
        post in found,
    ) == (True, False)
    overview = words(operator.get("/"))
    assert "2 1 in progress" in overview
    assert "No delivery reports" in overview
    page = operator.get(f"/messages/{post}")
    assert "This provider does not report delivery." in words(page)
    assert operator.post(f"/messages/{post}/resend").status_code == 303
    assert look(
        lambda: db.session.scalars(select(Message.id).where(Message.after_id == post)).one()
    )


def test_changes_of_a_post_are_told_apart_from_posts(
    roof: Roof, loft: Loft, look: Look[Any], person: Callable[..., Browser]
) -> None:
    roof("T1")
    loft.fly = lambda outbound: replace(fly(outbound), status=Status.DELIVERED)

    def happen(kind: str) -> str:
        signers = [a_signer("Eric"), a_signer("Anna", "+442071234567")]
        more = {"signer": {"id": "eric"}} if kind == "request.signed" else {"signers": signers}
        accept.accept_event(EventIn.model_validate(an_event(kind, **more)), source_id(), test=True)
        deliver()
        while db.session.scalar(
            select(Message.id).where(Message.status == Status.QUEUED, Message.thread != "").limit(1)
        ):
            time.sleep(0.1)  # of one thread they go one at a time, a second apart
            deliver()
        return db.session.scalars(select(SigningRequest.id)).one()

    look(lambda: happen("request.sent"))
    here = f"/requests/{look(lambda: happen('request.signed'))}"
    viewer = person(Role.VIEWER)
    assert words(viewer.get("/messages?channel=chat")).count(" Change ") == 1
    assert "Post updated once, last" in words(viewer.get(here))
    assert "Updates an earlier post" not in viewer.get(here).text


def test_a_signer_whose_chat_is_known_is_shown_so(
    request_id: str, signer: Callable[[], Signer], look: Look[Any], person: Callable[..., Browser]
) -> None:
    operator = person(Role.OPERATOR)
    assert "Invite to a chat" in words(operator.get(f"/requests/{request_id}"))

    def link() -> None:
        one = db.session.scalars(select(Signer)).one()
        flock = db.session.scalars(select(Connection).where(Connection.destination == "W1")).one()
        chats.link_chat(
            flock.id,
            one.request.source_id,
            chat_invitations._addresses(one),
            contact_for("chat", "778899", test=True).id,
        )

    look(link)
    page = words(operator.get(f"/requests/{request_id}"))
    assert "Roof W1 sends messages to their chat." in page
    assert "Invite to another chat" in page


def test_why_a_signer_was_not_reached_stands_with_the_request(
    roof: Roof, look: Look[Any], person: Callable[..., Browser]
) -> None:
    def send() -> str:
        accept.accept_event(
            EventIn.model_validate(an_event(signers=[a_signer("Eric")])), source_id(), test=True
        )
        transaction(
            lambda: db.session.execute(
                update(Message).values(status=Status.UNDELIVERED, code="30005", due_at=None)
            )
        )()
        return db.session.scalars(select(SigningRequest.id)).one()

    page = words(person(Role.VIEWER).get(f"/requests/{look(send)}"))
    assert re.search(r"Undelivered .* \(30005\)", page)


def test_after_the_end_nobody_can_be_reminded_and_the_page_says_why(
    request_id: str, signer: Callable[[], Signer], look: Look[Any], person: Callable[..., Browser]
) -> None:
    end = update(SigningRequest).values(expires_at=now() - timedelta(minutes=1))
    look(transaction(lambda: db.session.execute(end)))
    operator = person(Role.OPERATOR)
    here = f"/requests/{request_id}"
    page = operator.get(here)
    assert "The request has expired. 1 signature is missing. No more reminders are sent." in words(
        page
    )
    assert f"{here}/remind" not in page.text
    assert "/snooze" not in page.text
    assert "Invite to a chat" in words(page), "that asks nobody to sign"
    for path in ("remind", f"signers/{signer().id}/remind", f"signers/{signer().id}/snooze"):
        assert operator.post(f"{here}/{path}").status_code == 303
        assert "The request expired on " in words(operator.get(here))
