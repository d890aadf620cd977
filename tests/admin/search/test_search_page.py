"""The search box of every page finds people, requests and messages, and says why."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import structlog
from flask import Flask

from hub.admin.search import sealed_query
from hub.core.vocabulary import Address, Role
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.search import progress
from hub.signing import contact_erasure
from tests.conftest import Browser, config_of
from tests.hub_fixtures import ANNA, ERIC, SigningApp, event_body
from tests.search.index_steps import index_all, person, post_request


@pytest.fixture
def signing_app(app: Flask, demo_data: None) -> SigningApp:
    """Return the demo's signing app, which has posted two requests."""
    with app.app_context():
        key = (config_of(app).data_dir / "demo-key").read_text().strip()
    posting = SigningApp(app.test_client(), key)
    post_request(posting, "Employment Agreement", person("Eric Smith"))
    post_request(posting, "Lease of Elm Street", person("Anna Berg", ANNA))
    with app.app_context():
        index_all()
    return posting


@pytest.fixture
def viewer(signing_app: SigningApp, browser_for: Callable[..., Browser]) -> Browser:
    """Return the browser of a viewer."""
    return browser_for(Role.VIEWER)


def find(browser: Browser, query: str) -> str:
    """Search, follow the redirect, and return the text of the results."""
    answer = browser.post("/search", {"q": query})
    assert answer.status_code == 303
    page = browser.get(answer.location)
    assert page.status_code == 200
    main = page.text.partition('id="main"')[2]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


def test_name_finds_the_person_their_requests_and_messages(viewer: Browser) -> None:
    page = find(viewer, "smith")
    assert "Eric Smith" in page
    assert "+1 317-555-1234 Name" in page
    assert "Signer Eric Smith" in page
    assert "Sent to Eric Smith" in page
    assert "Elm Street" not in page


def test_title_number_and_id_are_found_with_the_reason(viewer: Browser) -> None:
    assert "Document title" in find(viewer, "elm lease")
    assert "Document title · Signer Anna Berg" in find(viewer, "anna elm")
    assert "Sender Acme HR" in find(viewer, "acme")
    assert "Phone number" not in find(viewer, "9999 1")
    page = find(viewer, "555 1234")
    assert "Eric Smith" in page
    assert "Phone number" in page
    assert "Signer +1 317-555-1234" in page
    assert "ID in your app" in find(viewer, "Lease of Elm Street")


def test_observer_is_found_with_the_role(viewer: Browser, signing_app: SigningApp) -> None:
    body = event_body(observers=[{"id": "o1", "name": "Olga Petrova", "email": "olga@example.com"}])
    body["request"] = {"id": "Lease of Elm Street"}
    assert signing_app.post("/events", body).status_code == 202
    with viewer.app.app_context():
        index_all()
    assert "Observer Olga Petrova" in find(viewer, "petrova")
    assert "Observer olga@example.com" in find(viewer, "olga@example.com")


def test_words_of_an_address_match_one_person(viewer: Browser, signing_app: SigningApp) -> None:
    """The sender is Acme, and another person has an address at example.com."""
    body = event_body(observers=[{"id": "o1", "name": "Olga", "email": "olga@example.com"}])
    body["request"] = {"id": "Lease of Elm Street"}
    assert signing_app.post("/events", body).status_code == 202
    with viewer.app.app_context():
        index_all()
    assert "Observer olga@example.com" in find(viewer, "example.com")
    assert "Observer olga@example.com" in find(viewer, "acme example.com"), "two words may differ"
    assert "olga" not in find(viewer, "acme.example")


def test_message_is_found_by_its_id(viewer: Browser, signing_app: SigningApp) -> None:
    message_id = signing_app.get("/messages").get_json()["messages"][0]["id"]
    assert "Signpost ID" in find(viewer, message_id)


def test_missing_results_are_explained(viewer: Browser) -> None:
    page = find(viewer, "nobody here")
    assert "Nothing matches “nobody here”" in page
    assert "still indexing" not in page
    with viewer.app.app_context():
        progress.start_again()
    assert "Signpost is still indexing older names." in find(viewer, "smith")


def test_erased_person_is_not_found(viewer: Browser) -> None:
    with viewer.app.app_context():
        contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
        contact_erasure.erase_contact(contact_id, reason="By letter, 3 November.")
    page = find(viewer, "eric smith")
    assert "Nothing matches" in page


def test_renamed_request_is_not_shown_under_its_old_name(
    viewer: Browser, signing_app: SigningApp
) -> None:
    body = event_body()
    body["request"] = {"id": "Lease of Elm Street", "title": "Sale"}
    signing_app.post("/events", body)
    assert "Nothing matches" in find(viewer, "elm")
    assert "Sale" in find(viewer, "anna")


# ── What others may see ───────────────────────────────────────────────────────────────────────────
def test_query_is_in_no_url_and_no_log(viewer: Browser) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = viewer.post("/search", {"q": "Smith Smithers"})
        viewer.get(answer.location)
    assert "smith" not in answer.location.lower()
    assert "smith" not in str(logs).lower()


def test_results_belong_to_the_user_who_searched(
    viewer: Browser, browser_for: Callable[..., Browser]
) -> None:
    location = viewer.post("/search", {"q": "smith"}).location
    other = browser_for(Role.ADMIN).get(location)
    assert "This search has expired." in other.text
    assert "Eric" not in other.text


def test_url_of_results_expires_and_cannot_be_changed(
    viewer: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = viewer.post("/search", {"q": "smith"}).location
    assert "Eric Smith" in viewer.get(location).text
    other = "B" if location[60] == "A" else "A"
    for damaged in (location[:-9], f"{location[:60]}{other}{location[61:]}", "/search?find=x"):
        assert "This search has expired." in viewer.get(damaged).text
    monkeypatch.setattr(sealed_query, "LIFETIME", -1)
    assert "This search has expired." in viewer.get(location).text


def test_search_needs_a_user_and_a_token(viewer: Browser, anonymous: Browser) -> None:
    assert anonymous.get("/search").status_code == 303
    assert viewer.client.post("/search", data={"q": "smith"}).status_code == 400


@pytest.mark.parametrize("query", ["", "   ", "%", "'", "x" * 5000, "\u202esmith", "𐀀" * 200])
def test_any_query_is_answered(viewer: Browser, query: str) -> None:
    answer = viewer.post("/search", {"q": query})
    assert answer.status_code == 303
    assert len(answer.location) < 2000
    assert viewer.get(answer.location).status_code == 200
