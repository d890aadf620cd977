"""Dynamic templates of SendGrid: fetched, mapped to texts, and filled when they are sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import PermanentError
from hub.db.engine import db
from hub.integrations.base import FilledTemplate
from hub.integrations.branding import Branding
from hub.integrations.sendgrid.mail_send import NO_TRACKING
from hub.integrations.sendgrid.templates import fetch_templates
from hub.lib.provider_http import ProviderResponse
from hub.messaging.compose import provider_templates, template_sync
from hub.models import Connection, ProviderTemplate, Source
from hub.shared import branding
from hub.simulator.sendgrid.scripted_faults import DOMAIN
from tests.hub_fixtures import (
    SigningApp,
    deliver,
    event_body,
    signer_body,
    source_id,
)
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import served as served
from tests.hub_fixtures import signing_app as signing_app
from tests.integrations.test_sendgrid import outbound, sendgrid
from tests.integrations.test_sendgrid_events import connect, opt_outs
from tests.integrations.test_sendgrid_events import hub as hub


def test_values_of_the_letterhead_fill_the_template() -> None:
    later = {"stop": "unsubscribe_link", "brand": "brand_name", "tint": "brand_color"}
    template = FilledTemplate("d-1", {"title": "Agreement"}, later)
    message = outbound(
        template=template,
        unsubscribe_url="https://hub.example/u/token",
        branding=Branding(name="Acme", logo=b"\x89PNG", logo_type="image/png", color="#112233"),
    )
    request = sendgrid(unsubscribe="all").render(message)
    assert request["personalizations"][0]["dynamic_template_data"] == {
        "title": "Agreement",
        "stop": "https://hub.example/u/token",
        "brand": "Acme",
        "tint": "#112233",
    }
    assert "attachments" not in request, "the template does not show the logo"
    shown = replace(message, template=replace(template, letterhead={"logo": "brand_logo"}))
    [logo] = sendgrid().render(shown)["attachments"]
    assert (logo["disposition"], logo["content_id"]) == ("inline", "logo@signpost")
    values = sendgrid().render(shown)["personalizations"][0]["dynamic_template_data"]
    assert values["logo"] == "cid:logo@signpost"
    without_link = sendgrid(unsubscribe="never").render(message)["personalizations"][0]
    assert without_link["dynamic_template_data"]["stop"] == ""


def test_mapped_template_replaces_the_text_in_its_language(
    hub: Flask, signing_app: SigningApp, simulator: Any
) -> None:
    query = select(Connection.id).where(Connection.slug == "demo-sendgrid")
    connection_id = db.session.scalars(query).one()
    assert template_sync.sync_templates(connection_id) == 3
    for row in templates_like("request_sent%"):
        locale = "de" if row.name.endswith("German") else "en"
        mapping = {name: name for name in provider_templates.read_variables(row.variables)}
        provider_templates.save_mapping(connection_id, "request_sent", locale, row.id, mapping)
    signers = [
        signer_body(name, None, email=f"{name}@{DOMAIN}", locale=locale, preference=["email"])
        for name, locale in (("Eric", "en"), ("Dana", "de-AT"), ("Luc", "fr"))
    ]
    assert signing_app.post("/events", event_body(signers=signers)).status_code == 202
    deliver()
    completed = event_body("request.completed", signers=signers[:1])
    assert signing_app.post("/events", completed).status_code == 202
    deliver()
    stored = simulator.test_client().get("/simulator/mail.json").json["emails"]
    texts = {
        email["recipient"].partition("@")[0]: email["text"]
        for email in stored
        if "template_id" in email["request"]
    }
    assert texts["dana"].startswith("Guten Tag Dana,\n\nbitte unterschreiben Sie Employment")
    assert texts["eric"].startswith("Hello Eric,\n\nAcme HR asks you to sign Employment Agreement")
    assert texts["luc"].startswith("Hello Luc,")
    assert "https://sign.example/r/luc" in texts["luc"]
    own = [email["request"] for email in stored if "template_id" not in email["request"]]
    assert len(own) == len(signers), "the text of a completed request has no template"
    assert {part["type"] for request in own for part in request["content"]} == {
        "text/plain",
        "text/html",
    }
    for email in stored:
        assert email["request"]["tracking_settings"] == dict(NO_TRACKING)
        assert "References" in dict(email["headers"])


def templates_like(name: str) -> list[ProviderTemplate]:
    query = select(ProviderTemplate).where(ProviderTemplate.name.like(name))
    return list(db.session.scalars(query))


def test_template_shows_the_branding_and_an_unsubscribe_link_that_works(
    hub: Flask, signing_app: SigningApp, simulator: Any
) -> None:
    source = db.session.get_one(Source, source_id())
    look = Branding(name="Acme Legal", footer="Acme Inc.\n1 Main St", color="#112233")
    branding.save_branding(source, look, logo=b"\x89PNG\r\n\x1a\n" + bytes(9))
    query = select(Connection.id).where(Connection.slug == "demo-sendgrid")
    connection_id = db.session.scalars(query).one()
    template_sync.sync_templates(connection_id)
    [row] = templates_like("request_reminder%")
    mapping = {name: name for name in provider_templates.read_variables(row.variables)}
    provider_templates.save_mapping(connection_id, "request_reminder", "en", row.id, mapping)
    signers = [signer_body("Eric", None, email=f"eric@{DOMAIN}", preference=["email"])]
    for kind in ("request.sent", "request.reminder"):
        assert signing_app.post("/events", event_body(kind, signers=signers)).status_code == 202
    deliver()
    stored = simulator.test_client().get("/simulator/mail.json").json["emails"]
    [email] = [email for email in stored if "template_id" in email["request"]]
    text = email["text"]
    assert text.startswith("Acme Legal\n\nPlease sign Employment Agreement")
    assert "Acme Inc.\n1 Main St" in text
    assert 'src="cid:logo@signpost"' in email["html"]
    assert [file["content_id"] for file in email["request"]["attachments"]] == ["logo@signpost"]
    link = text.rpartition("Unsubscribe: ")[2].strip()
    assert link == dict(email["headers"])["List-Unsubscribe"].strip("<>")
    one_click = {"List-Unsubscribe": "One-Click"}
    assert hub.test_client().post(urlsplit(link).path, data=one_click).status_code == 200
    assert set(opt_outs().values()) == {"unsubscribe"}


def test_templates_of_a_key_that_may_not_read_them_leave_the_connection_alone(
    simulator: Any, app: Flask
) -> None:
    key = connect(app).settings["api_key"].rpartition(".")[0] + ".read-only-read-only"
    with pytest.raises(PermanentError) as problem:
        connect(app, api_key=key).fetch_templates()
    assert problem.value.code == "no_template_access"


def test_template_without_an_active_version_cannot_be_mapped() -> None:
    versions = [{"id": "v1", "active": 0}]
    listed = {"result": [{"id": "d-1", "name": "Draft", "versions": versions}]}
    response = ProviderResponse(200, {}, json.dumps(listed).encode())
    [template] = fetch_templates(lambda *_: response)
    assert (template.state, template.variables) == ("draft", {})
