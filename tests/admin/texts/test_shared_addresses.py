"""The editors of texts and routes say which signers share an address, in the same words."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.connections import demo
from hub.db.engine import db
from hub.db.types import now
from hub.models import MessageBody, SigningRequest
from hub.signing import accept, people, signing_batch
from hub.signing.events import EventIn
from hub.signing.shared_address_notes import find_shared_addresses
from tests.admin.routing.routing_steps import URL, words
from tests.admin.texts.text_pages import find_text, post_text
from tests.conftest import Browser
from tests.hub_fixtures import ANNA, ERIC, event_body, signer_body, source_id

NOTE = "Anna Berg and Eric Smith have the same phone number. Each text to it names its reader."


@pytest.fixture(autouse=True)
def _prepare_demo(app: Flask) -> None:
    with app.app_context():
        demo.prepare()


def post_request(app: Flask, *signers: dict[str, Any]) -> str:
    """Accept an event that asks signers, and return the ID of the request."""
    with app.app_context():
        event = event_body("request.sent", signers=list(signers))
        accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
        newest = select(SigningRequest.id).order_by(SigningRequest.id.desc())
        return str(db.session.scalars(newest.limit(1)).one())


def share_phone(app: Flask) -> str:
    anna = {**signer_body("Anna", ERIC), "name": "Anna Berg"}
    return post_request(app, anna, {**signer_body("Eric", ERIC), "name": "Eric Smith"})


def preview_of(admin: Browser, name: str, request_id: str, channel: str = "sms") -> str:
    """Return the preview of a stored text with a request, as text."""
    page = admin.get(f"/templates/texts/{find_text(admin, name, channel)}?sample={request_id}").text
    shown = page.partition('id="preview"')[2].partition("</section>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown)).split())


def test_preview_shows_the_text_and_the_note_of_a_shared_phone(app: Flask, admin: Browser) -> None:
    request_id = share_phone(app)
    shown = preview_of(admin, "request_sent", request_id)
    assert NOTE in shown
    with app.app_context():
        sent = [body.content["text"] for body in db.session.scalars(select(MessageBody))]
    first = next(text for text in sent if text.startswith("For Anna Berg:"))
    assert first.partition("http")[0].strip() in shown
    typed = post_text(
        admin,
        find_text(admin, "request_sent"),
        "((sender)) asks ((recipient)) to sign: ((link))",
        do="preview",
        sample=request_id,
    )
    assert NOTE in words(typed)
    assert "asks Anna Berg to sign" in words(typed)
    assert "For Anna Berg:" not in words(typed), "the text itself names its reader"


@pytest.mark.parametrize(
    ("name", "channel"), [("request_completed_sender", "sms"), ("request_sent", "email")]
)
def test_note_is_about_the_readers_and_the_channel_of_the_text(
    app: Flask, admin: Browser, name: str, channel: str
) -> None:
    assert "same" not in preview_of(admin, name, share_phone(app), channel)


def test_preview_without_a_shared_phone_has_no_note(app: Flask, admin: Browser) -> None:
    request_id = post_request(app, signer_body("Eric", ERIC), signer_body("Anna", ANNA))
    assert "have the same" not in preview_of(admin, "request_sent", request_id)
    share_phone(app)
    assert "have the same" not in preview_of(admin, "request_sent", "example")


def test_example_of_a_route_has_the_same_note(app: Flask, admin: Browser) -> None:
    request_id = share_phone(app)
    with app.app_context():
        record = signing_batch.read_request(request_id)
        assert record is not None
        [shared] = find_shared_addresses(record, ["phone"])
    assert shared.describe() == NOTE
    example = words(admin.get(URL)).partition("What happens now")[2]
    assert NOTE in example.partition("Limits and opt-outs")[0]


PHONES = [ERIC, ANNA, "+4915155501234", None]
EMAILS = ["a@example.com", "b@example.com", None]


@given(
    st.lists(st.tuples(st.sampled_from(PHONES), st.sampled_from(EMAILS)), max_size=6),
    st.sampled_from([["phone"], ["email"], ["phone", "email"], []]),
)
def test_every_shared_address_is_found_with_all_its_signers(
    addresses: list[tuple[str | None, str | None]], kinds: list[str]
) -> None:
    request = signing_batch.new_request("src", "agr-1", now(), test=True)
    for number, (phone, email) in enumerate(addresses):
        person = request.add_person(people.PersonRole.SIGNER, f"s{number}", now())
        person.details = {"name": f"Name {number}", "mobile_number": phone, "email": email}
    found = find_shared_addresses(request, kinds)
    for position, kind in enumerate(("phone", "email")):
        expected = {}
        for number, pair in enumerate(addresses):
            if pair[position]:
                expected.setdefault(pair[position], []).append(f"Name {number}")
        assert {item.address: list(item.names) for item in found if item.kind == kind} == {
            address: names
            for address, names in expected.items()
            if len(names) > 1 and kind in kinds
        }
    for person in request.signers:
        own = find_shared_addresses(request, kinds, person)
        assert [item for item in found if person.details["name"] in item.names] == own
