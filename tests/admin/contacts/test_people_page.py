"""The list of people shows each with channels, consent, open requests and the last message."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from hub.admin.view import pagination
from hub.core.vocabulary import Address, Role
from hub.db.engine import db
from hub.messaging.contacts import consents, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import Contact
from hub.signing import accept, contact_erasure
from hub.signing.events import EventIn
from tests.conftest import Browser
from tests.hub_fixtures import ANNA, ERIC, event_body, queue_text, source_id
from tests.search.index_steps import person


@pytest.fixture
def viewer(app: Flask, demo_data: None, browser_for: Callable[..., Browser]) -> Browser:
    """Return the browser of a viewer of a hub with a request to two people."""
    with app.app_context():
        body = event_body(signers=[person("Eric Smith"), person("Anna Berg", ANNA)])
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
    return browser_for(Role.VIEWER)


def rows_of(browser: Browser, path: str = "/people") -> dict[str, str]:
    """Return the text of each row, by the name of the person."""
    page = browser.get(path)
    assert page.status_code == 200
    rows = re.findall(r"<tr>(.*?)</tr>", page.text, re.DOTALL)[1:]
    texts = [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]
    return {" ".join(text.split()[:2]): text for text in texts}


def test_person_is_listed_with_channels_consent_requests_and_last_message(
    app: Flask, viewer: Browser
) -> None:
    with app.app_context():
        entry = ConsentEntry(ERIC, True, "sms", proof="I agree")
        consents.record_consent(entry, source="api", test=True)
        suppressions.add_opt_out(ANNA, explanation="Asked on the phone.", test=True)
    rows = rows_of(viewer)
    assert rows["Eric Smith"].startswith("Eric Smith Test +1 317-555-1234 SMS Given · SMS")
    assert "Employment Agreement Queued just now" in rows["Eric Smith"]
    assert "Opted out" in rows["Anna Berg"]


def test_closed_request_is_no_open_request(app: Flask, viewer: Browser) -> None:
    with app.app_context():
        body = event_body("request.canceled")
        accept.accept_event(EventIn.model_validate(body), source_id(), test=True)
    assert "Employment Agreement" not in rows_of(viewer)["Eric Smith"]
    contact = re.search(r'href="/contacts/(ctc_[^"]+)"', viewer.get("/people").text)
    assert contact
    page = viewer.get(f"/contacts/{contact[1]}").text
    assert "Employment Agreement" in page
    assert "Canceled" in page


def test_people_are_filtered_by_channel_consent_and_requests(app: Flask, viewer: Browser) -> None:
    with app.app_context():
        get_or_create_contact(Address.EMAIL, "eva@example.com", test=True, name="Eva Lund")
        entry = ConsentEntry(ERIC, True, "sms", proof="I agree")
        consents.record_consent(entry, source="api", test=True)
        suppressions.add_opt_out(ANNA, explanation="Asked on the phone.", test=True)
    for filters, names in (
        ("", ["Anna Berg", "Eric Smith", "Eva Lund"]),
        ("channel=sms", ["Anna Berg", "Eric Smith"]),
        ("channel=sms&consent=recorded", ["Eric Smith"]),
        ("consent=opted_out", ["Anna Berg"]),
        ("consent=missing", ["Eva Lund"]),
        ("requests=open", ["Anna Berg", "Eric Smith"]),
        (
            "channel=nonsense&consent=nonsense&before=nonsense",
            ["Anna Berg", "Eric Smith", "Eva Lund"],
        ),
    ):
        rows = rows_of(viewer, f"/people?{filters}")
        assert sorted(rows) == names, filters
        assert f"Showing {len(names)} of {len(names)}" in viewer.get(f"/people?{filters}").text
    assert "No people match these filters" in viewer.get("/people?consent=refused").text


def test_person_with_the_newest_message_comes_first(app: Flask, viewer: Browser) -> None:
    for number in (ANNA, ERIC, ANNA):
        with app.app_context():
            queue_text(number)
        first = next(iter(rows_of(viewer)))
        assert first == ("Anna Berg" if number == ANNA else "Eric Smith")


def test_links_of_filters_and_pages_hold_no_personal_data(
    app: Flask, viewer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "ROWS", 1)
    page = viewer.get("/people?channel=sms&requests=open").text
    links = re.findall(r'href="(/people[^"]*)"', page)
    assert any("before=msg_" in link and "requests=open" in link for link in links)
    for link in links:
        assert "Eric" not in link
        assert "1317" not in link


def test_erased_person_is_not_listed(app: Flask, viewer: Browser) -> None:
    with app.app_context():
        contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
        contact_erasure.erase_contact(contact_id, reason="By letter, 3 November.")
    assert list(rows_of(viewer)) == ["Anna Berg"]


def test_people_are_listed_in_pages(
    app: Flask, viewer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "ROWS", 2)
    with app.app_context():
        for number in range(3):
            queue_text(f"+1317555800{number}")
    seen: list[str] = []
    path = "/people"
    while path:
        page = viewer.get(path).text
        seen += re.findall(r'sp-row-link" href="/contacts/(ctc_[^"]+)"', page)
        older = re.search(r'href="([^"]+)">Older', page)
        path = html.unescape(older[1]) if older else ""
    with app.app_context():
        stored = set(db.session.scalars(select(Contact.id)))
    assert len(seen) == len(set(seen))
    assert set(seen) == stored
