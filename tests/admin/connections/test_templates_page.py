"""The templates page: texts of Signpost, templates of the provider, and their mapping."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.db.types import now
from hub.integrations.base import TemplateInfo
from hub.messaging.compose import template_sync
from hub.models import Connection, ProviderTemplate, TemplateMapping
from tests.admin.messages.test_inbox import whatsapp
from tests.conftest import Browser

SAMPLES = {"1": "Title", "2": "Link"}


def store_templates(app: Flask, **states: str) -> dict[str, str]:
    """Store a template in each of these states, by name; return their IDs and the connection's."""
    with app.app_context():
        demo.prepare()
        connection_id = whatsapp()
        add_templates(connection_id, **states)
        rows = db.session.scalars(select(ProviderTemplate)).all()
        return {row.name: row.id for row in rows} | {"connection": connection_id}


def add_templates(connection_id: str, **states: str) -> None:
    template_sync.store_templates(
        connection_id,
        [
            TemplateInfo(
                f"HX{name:0>32}",
                name,
                "en_US",
                state,
                text="{{1}} waits: {{2}}",
                variables=SAMPLES,
                reason="Reads like an advertisement." if state == "rejected" else "",
            )
            for name, state in states.items()
        ],
    )


def test_texts_are_listed_without_any_provider(admin: Browser) -> None:
    page = admin.get("/templates").text
    assert "request_sent" in page
    assert "/templates/texts/tpl_" in page


def test_only_approved_templates_can_be_mapped(app: Flask, admin: Browser) -> None:
    ids = store_templates(app, good="approved", bad="rejected")
    page = admin.get("/templates").text
    assert f"/templates/{ids['good']}" in page
    assert f"/templates/{ids['bad']}" not in page
    assert "Reads like an advertisement." in page
    assert '<span class="sp-mono">{{2}}</span> (for example Link)' in page, (
        "its variables, with the provider's samples"
    )
    fields = {"name": "request_sent", "locale": "en", "variable-1": "title", "variable-2": "link"}
    answer = admin.post(f"/templates/{ids['bad']}", fields)
    assert answer.status_code == 422
    assert "only approved templates are sent" in answer.text


def test_template_is_mapped_previewed_and_unmapped(app: Flask, admin: Browser) -> None:
    ids = store_templates(app, good="approved")
    page = admin.get(f"/templates/{ids['good']}").text
    assert "Employment Agreement waits: " in page, "the preview is filled"
    fields = {"name": "request_sent", "locale": "en", "variable-1": "title", "variable-2": "link"}
    assert admin.post(f"/templates/{ids['good']}", fields).status_code == 303
    with app.app_context():
        [mapping] = db.session.scalars(select(TemplateMapping)).all()
        assert (mapping.name, mapping.locale, mapping.variables) == (
            "request_sent",
            "en",
            '{"1": "title", "2": "link"}',
        )
        mapping_id = mapping.id
    assert admin.post(f"/templates/mappings/{mapping_id}/remove").status_code == 303
    with app.app_context():
        assert db.session.scalars(select(TemplateMapping)).all() == []


def test_mapped_template_that_is_paused_later_shows_a_warning(app: Flask, admin: Browser) -> None:
    ids = store_templates(app, good="approved")
    fields = {"name": "request_sent", "locale": "en", "variable-1": "title", "variable-2": "link"}
    admin.post(f"/templates/{ids['good']}", fields)
    with app.app_context():
        add_templates(ids["connection"], good="paused")
    assert "good can no longer be sent." in admin.get("/templates").text
    assert "Demo WhatsApp can no longer send the template good" in admin.get("/").text


def test_preview_does_not_save_the_choice(app: Flask, admin: Browser) -> None:
    ids = store_templates(app, good="approved")
    fields = {
        "name": "request_sent",
        "locale": "en",
        "variable-1": "sender",
        "variable-2": "title",
        "do": "preview",
    }
    answer = admin.post(f"/templates/{ids['good']}", fields)
    assert answer.status_code == 200
    assert "Acme HR waits: Employment Agreement" in answer.text
    with app.app_context():
        assert db.session.scalars(select(TemplateMapping)).all() == []


def test_stored_mapping_is_shown_when_reopened(app: Flask, admin: Browser) -> None:
    ids = store_templates(app, request_reminder="approved")
    assert (
        '<option selected value="request_reminder">'
        in admin.get(f"/templates/{ids['request_reminder']}").text
    ), "guessed by its name"
    fields = {"name": "request_sent", "locale": "en", "variable-1": "sender", "variable-2": "title"}
    admin.post(f"/templates/{ids['request_reminder']}", fields)
    page = admin.get(f"/templates/{ids['request_reminder']}").text
    assert '<option selected value="request_sent">' in page
    assert '<option selected value="sender">' in page
    assert "Acme HR waits: Employment Agreement" in page


def test_templates_are_fetched_daily_and_sooner_after_a_failure(
    app: Flask, simulator: object
) -> None:
    with app.app_context():
        demo.prepare()
        assert template_sync.is_due(), (
            "who has just enabled a connection need not wait for the daily round"
        )
        assert template_sync.sync_due() == 1, "SMS keeps none"
        assert not template_sync.is_due()
        assert len(db.session.scalars(select(ProviderTemplate)).all()) == 9
        due = db.session.get_one(Connection, whatsapp(), populate_existing=True).templates_due_at
        assert due is not None
        assert timedelta(hours=23) < due - now() <= timedelta(days=1)
        assert template_sync.sync_due() == 0


def test_unreachable_provider_is_polled_again_after_an_hour(app: Flask) -> None:
    with app.app_context():
        demo.prepare()
        assert template_sync.sync_due() == 0
        due = db.session.get_one(Connection, whatsapp(), populate_existing=True).templates_due_at
        assert due is not None
        assert timedelta(minutes=50) < due - now() <= timedelta(hours=1)


def test_viewer_sees_no_buttons(app: Flask, browser_for: object) -> None:
    ids = store_templates(app, good="approved")
    operator = browser_for(Role.OPERATOR)  # type: ignore[operator]
    page = operator.get("/templates").text
    assert "good" in page
    assert "Fetch templates" not in page
    assert operator.get(f"/templates/{ids['good']}").status_code == 403
