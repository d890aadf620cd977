"""Pages and evidence that show opens of short links."""

from __future__ import annotations

from flask import Flask

from hub.db.engine import db
from hub.evidence import export
from hub.models import Message
from tests.admin.requests.test_short_links import send, visit
from tests.conftest import Browser
from tests.hub_fixtures import hub_demo as hub_demo


def test_request_and_message_show_opens_as_hints(hub_demo: Flask, admin: Browser) -> None:
    message_id, path = send()
    for _ in range(3):
        visit(hub_demo, path)
    db.session.rollback()
    request_id = db.session.get_one(Message, message_id).request_id
    page = admin.get(f"/requests/{request_id}").text
    assert "Link opened" in page
    assert "Opened 3 times" in page
    assert "A hint: link scanners can look like a person." in page
    page = admin.get(f"/messages/{message_id}").text
    assert "Link opened 3 times" in page
    code = path.rpartition("/")[2]
    assert code not in admin.get("/activity").text


def test_evidence_lists_the_first_open_as_a_hint(hub_demo: Flask) -> None:
    message_id, path = send()
    visit(hub_demo, path)
    db.session.rollback()
    request_id = str(db.session.get_one(Message, message_id).request_id)
    entries = [item["entry"] for item in export.export_evidence(request_id)["entries"]]
    assert [entry["by"] for entry in entries if entry.get("provider_status") == "link opened"] == [
        "signpost"
    ]
