"""The panel of a cell shows what its route would do for a real person now."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.models import Contact, Message
from hub.signing import accept
from hub.signing.events import EventIn
from tests.admin.routing.routing_steps import (
    LADDER,
    URL,
    post_request,
    seen,
    stored_id,
    words,
)
from tests.conftest import Browser
from tests.hub_fixtures import event_body, source_id
from tests.signing.test_planning import open_window


def test_example_shows_what_a_signer_would_receive(app: Flask, admin: Browser) -> None:
    post_request(app)
    before = count_messages(app)
    page = words(admin.post(URL, {"seen": stored_id(app), **LADDER, "do": "example"}))
    assert "Eric Smith" in page
    example = page.partition("What happens now")[2].partition("Limits and opt-outs")[0]
    assert "Skipped WhatsApp The person has not written recently" in example
    assert "Now SMS +13175551234 · 1 segment" in example
    assert "Skipped Email No enabled connection." in example
    assert count_messages(app) == before


def example_of(page: Any) -> str:
    return words(page).partition("What happens now")[2].partition("Limits and opt-outs")[0]


def test_example_shows_prices_windows_and_times(app: Flask, admin: Browser) -> None:
    post_request(app)
    prices = {"currency": "USD", "prices": "US: 0.0083\nother: 0.1"}
    assert admin.post("/connections/demo-sms/rules", prices).status_code == 303
    with app.app_context():
        open_window()
    posted = {"seen": stored_id(app), **LADDER, "steps-1-wait": "1", "steps-1-unit": "days"}
    example = example_of(admin.post(URL, {**posted, "do": "example"}))
    assert "Now WhatsApp +13175551234 · free text (window open)" in example
    price = r"USD 0\.0083 \(price list of the connection\)"
    sms = rf"SMS \+13175551234 · 1 segment · {price} · if not delivered by then"
    assert re.search(rf"Tomorrow, \d\d:\d\d {sms}", example)


@pytest.mark.parametrize(
    ("url", "name", "result"),
    [
        ("/routing/completed/sender", "Dana Berg", "Now Email dana@example.com"),
        ("/routing/completed/observers", "Olga Reyes", "Now Email olga@example.com"),
        ("/routing/signed/others", "Eric Smith", "Now Email eric@example.com"),
        ("/routing/signed/signer", "Eric Smith", "Now Email eric@example.com"),
        ("/routing/declined/others", "Eric Smith", "would not be notified"),
        ("/routing/canceled/signer", "Eric Smith", "Now Email eric@example.com"),
        ("/routing/expired/sender", "Dana Berg", "Now Email dana@example.com"),
    ],
)
def test_example_is_about_a_person_of_the_audience(
    app: Flask, admin: Browser, url: str, name: str, result: str
) -> None:
    with app.app_context():
        demo.connect_chats_and_mail()
        post_whole_request()
    email = {"steps-0-connective": "also", "steps-0-over": "email", "do": "example"}
    answer = admin.post(url, {"seen": seen(admin.get(url)), **email})
    example = example_of(answer)
    assert name in example
    assert result in example


def post_whole_request() -> None:
    """Accept an event with two signers, a sender and an observer, all with email addresses."""
    people = ("eric", "Eric Smith"), ("anna", "Anna Berg")
    signers = [{"id": key, "name": name, "email": f"{key}@example.com"} for key, name in people]
    observer = {"id": "olga", "name": "Olga Reyes", "email": "olga@example.com"}
    sender = {"name": "Dana Berg", "email": "dana@example.com"}
    body = event_body("request.sent", signers=signers, observers=[observer])
    body["request"] = {**body["request"], "sender": sender}
    accept.accept_event(EventIn.model_validate(body), source_id(), test=True)


def test_example_counts_the_opt_out_line_of_a_first_sms(app: Flask, admin: Browser) -> None:
    post_request(app)
    line = {"currency": "USD", "opt_out_line": "Reply STOP " + "x" * 109, "opt_out_prefixes": "+1"}
    assert admin.post("/connections/demo-sms/rules", line).status_code == 303
    posted = {"seen": stored_id(app), **LADDER, "do": "example"}
    assert "+13175551234 · 1 segment" in words(admin.post(URL, posted))
    with app.app_context():
        forget_opt_out_lines()
    assert "+13175551234 · 2 segments" in words(admin.post(URL, posted))


@transaction
def forget_opt_out_lines() -> None:
    for contact in db.session.scalars(select(Contact)):
        contact.opt_out_line_at = None


BOTH = {"email": True, "mobile_number": True}
IN_TIME = {"steps-2-goal": "delivered", "steps-2-wait": "30", "steps-2-unit": "minutes"}


def post_request_for_both(app: Flask) -> None:
    """Accept an event whose app wants the email address and the number used."""
    signer = {"id": "eric", "name": "Eric Smith", "mobile_number": "+13175551234"}
    signer |= {"email": "eric@example.com", "send_to": BOTH}
    with app.app_context():
        demo.connect_chats_and_mail()
        body = event_body("request.sent", signers=[signer])
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)


def test_fallback_that_is_sent_at_once_is_explained_and_sorted_by_time(
    app: Flask, admin: Browser
) -> None:
    post_request_for_both(app)
    with app.app_context():
        open_window()
    posted = {"seen": stored_id(app), **LADDER, **IN_TIME, "do": "example"}
    example = example_of(admin.post(URL, posted))
    at_once = "sent at once, because your app wants both addresses"
    assert re.search(
        rf"Now WhatsApp .* Now Email eric@example\.com · {at_once} .*\d\d:\d\d SMS", example
    )
    assert example.count(at_once) == 1


def test_step_after_a_skipped_one_is_not_shown_as_a_detached_step(
    app: Flask, admin: Browser
) -> None:
    post_request_for_both(app)
    posted = {"seen": stored_id(app), **LADDER, **IN_TIME, "do": "example"}
    example = example_of(admin.post(URL, posted))
    assert "Now SMS +13175551234 · 1 segment " in example
    assert example.count("sent at once") == 1, "only the email"


def test_step_that_follows_a_failure_names_the_step_that_fails(app: Flask, admin: Browser) -> None:
    post_request(app)
    with app.app_context():
        open_window()
    posted = {"seen": stored_id(app), **LADDER, "steps-1-goal": "", "do": "example"}
    example = example_of(admin.post(URL, posted))
    assert "After a failure SMS +13175551234 · 1 segment" in example
    assert "only if the WhatsApp message fails" in example


def test_list_of_people_offers_two_of_each_request_with_short_labels(
    app: Flask, admin: Browser
) -> None:
    title = "Agreement about the lease of everything " * 3
    with app.app_context():
        for key in ("large", "small"):
            people = [f"{key}{number} {'Montgomery ' * 4}".strip() for number in range(12)]
            signers = [
                {"id": str(index), "name": name, "mobile_number": f"+1317555{index:04}"}
                for index, name in enumerate(people)
            ]
            body = event_body("request.sent", signers=signers)
            body["request"] = {**body["request"], "id": key, "title": title.strip()}
            accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
    select_of_people = admin.get(URL).text.partition('id="person"')[2].partition("</select>")[0]
    labels = [label.strip() for label in re.findall(r">([^<]+)</option>", select_of_people)]
    assert [label.partition("Mont")[0].strip() for label in labels] == [
        "small0",
        "small1",
        "large0",
        "large1",
    ]
    for label in labels:
        name, _, document = label.partition(" · ")
        assert len(name) <= 30
        assert len(document) <= 40
        assert name.endswith("…")
        assert document.endswith("…")


def count_messages(app: Flask) -> int:
    with app.app_context():
        return len(db.session.scalars(select(Message)).all())
