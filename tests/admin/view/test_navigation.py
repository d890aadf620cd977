"""The navigation rail, the settings page, and rows that are links."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from flask import Flask

from hub.connections import demo, rules
from hub.connections.connections import get_by_slug
from hub.core.vocabulary import Role
from hub.messaging.policy.quiet_hours import QuietHours
from hub.messaging.policy.rules import Rules
from tests.conftest import Browser, config_of
from tests.hub_fixtures import queue_text


def page_text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def rail_of(admin: Browser, path: str) -> str:
    """Return the navigation rail of a page as HTML."""
    [nav] = re.findall(r'<nav class="sp-nav".*?</nav>', admin.get(path).text, re.DOTALL)
    return str(nav)


def rail(admin: Browser, path: str = "/") -> dict[str, str]:
    """Return the title and address of each link in the navigation rail."""
    nav = rail_of(admin, path)
    links = re.findall(r'<a class="sp-nav-link" href="([^"]+)"[^>]*>(.*?)</a>', nav, re.DOTALL)
    return {page_text(title): href for href, title in links}


def test_rail_links_to_the_references_and_the_simulator(app: Flask, admin: Browser) -> None:
    links = rail(admin)
    assert links["Documentation"] == "/docs"
    assert links["API reference"] == "/api/docs"
    assert links["Simulator"] == f"{config_of(app).simulator_url}/"


class TestOutsideTheDemo:
    @pytest.fixture
    def settings(self) -> dict[str, str]:
        return {"HUB_DEMO": "0"}

    def test_the_rail_has_no_simulator(self, admin: Browser) -> None:
        assert "Simulator" not in rail(admin)


def test_settings_page_lists_its_sections(admin: Browser) -> None:
    page = admin.get("/settings")
    assert page.status_code == 200
    assert rail(admin)["Settings"] == "/settings"
    for href in re.findall(r'<a class="sp-row-link" href="([^"]+)"', page.text):
        answer = admin.get(href)
        assert answer.status_code == 200
        assert re.search(r'href="/settings" aria-current="page"', answer.text), href
    assert "/settings/short-links" in page.text


def test_rules_are_linked_beside_the_settings(app: Flask, admin: Browser, browser_for: Any) -> None:
    with app.app_context():
        demo.prepare()
    page = page_text(admin.get("/connections/demo-sms").text)
    assert "Countries Every country Limits per recipient No limit" in page
    assert "Change rules" in page
    with app.app_context():
        quiet = QuietHours("22:00", "08:00")
        countries = frozenset(("US", "CA"))
        changed = Rules(consent=True, consent_days=30, countries=countries, per_day=5, quiet=quiet)
        rules.save(get_by_slug("demo-sms").id, changed)
    page = page_text(admin.get("/connections/demo-sms").text)
    assert "Consent Required, valid for 30 days" in page
    assert "Countries CA, US" in page
    assert "Limits per recipient 5 per day" in page
    assert "Quiet hours 22:00 to 08:00" in page
    assert "View rules" in page_text(browser_for(Role.VIEWER).get("/connections/demo-sms").text)


def test_row_has_one_main_link(app: Flask, admin: Browser) -> None:
    with app.app_context():
        demo.prepare()
        message_id = queue_text()
    for path, href in (("/messages", f"/messages/{message_id}"), ("/", f"/messages/{message_id}")):
        rows = re.findall(r"<tr>.*?</tr>", admin.get(path).text, re.DOTALL)
        row_of_message = [row for row in rows if message_id in row]
        assert len(row_of_message) == 1
        [link] = re.findall(r'class="sp-who-link sp-row-link"\s+href="([^"]+)"', row_of_message[0])
        assert link == href


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/settings/short-links", "Settings"),
        ("/settings/sources/default/branding", "Settings"),
        ("/account", "Settings"),
        ("/receipts", "Messages"),
        ("/webhook-events", "Webhooks"),
        ("/handlers", "Handlers"),
        ("/templates/files", "Templates"),
    ],
)
def test_page_marks_its_section(admin: Browser, path: str, title: str) -> None:
    marked = re.findall(
        r'href="[^"]*" aria-current="page"[^>]*>(.*?)</a>', rail_of(admin, path), re.DOTALL
    )
    assert [page_text(link) for link in marked] == [title]


def test_error_of_a_source_marks_settings(admin: Browser) -> None:
    answer = admin.post("/settings/sources/default", {"name": ""})
    assert answer.status_code == 422
    assert re.search(r'href="/settings" aria-current="page"', answer.text)
