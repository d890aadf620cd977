"""WhatsApp: approved templates outside the window."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.admin.view import message_rows
from hub.db.engine import db
from hub.integrations.base import FilledTemplate, TemplateInfo
from hub.messaging.compose import provider_templates, template_sync
from hub.models import AuditEntry, Connection, Message, ProviderTemplate
from tests.hub_fixtures import ERIC, SigningApp, event_body, json_of, signer_body
from tests.messaging.whatsapp_steps import claim_one, forget_window
from tests.messaging.whatsapp_steps import whatsapp as whatsapp
from tests.signing.ladder_steps import set_route


class TestTemplates:
    def template_info(self, state: str = "approved", **fields: Any) -> list[TemplateInfo]:
        samples = {"1": "A", "2": "B"}
        return [
            TemplateInfo(
                "HX" + "a" * 32,
                "signing_request",
                "en_US",
                state,
                text="{{1}}: {{2}}",
                variables=samples,
                **fields,
            )
        ]

    def map_template(self, connection: Connection, locale: str = "en", **variables: str) -> None:
        template_sync.store_templates(connection.id, self.template_info())
        row = db.session.scalars(select(ProviderTemplate)).one()
        chosen = {"1": "title", "2": "link"} | {
            name[1:]: variable for name, variable in variables.items()
        }
        provider_templates.save_mapping(connection.id, "request_sent", locale, row.id, chosen)
        forget_window()

    def test_event_is_sent_with_its_approved_template(
        self, hub_demo: Flask, signing_app: SigningApp, whatsapp: Connection
    ) -> None:
        self.map_template(whatsapp)
        answer = json_of(
            signing_app.post(
                "/events", event_body(signers=[signer_body("Eric", ERIC, preference=["whatsapp"])])
            )
        )
        assert [(message["channel"], message["status"]) for message in answer["messages"]] == [
            ("whatsapp", "queued")
        ]
        claim = claim_one(whatsapp)
        assert claim is not None
        assert claim.outbound.template == FilledTemplate(
            "HX" + "a" * 32, {"1": "Employment Agreement", "2": "https://sign.example/r/eric"}
        )

    def test_lists_show_the_words_of_the_template_that_was_sent(
        self, hub_demo: Flask, signing_app: SigningApp, whatsapp: Connection
    ) -> None:
        self.map_template(whatsapp)
        signing_app.post(
            "/events", event_body(signers=[signer_body("Eric", ERIC, preference=["whatsapp"])])
        )
        claim = claim_one(whatsapp)
        assert claim is not None
        message = db.session.get_one(Message, claim.outbound.id)
        [row] = message_rows.rows([message])
        assert row.preview == "Employment Agreement: https://sign.example/r/eric"

    def test_event_without_a_mapped_template_is_suppressed(
        self, hub_demo: Flask, signing_app: SigningApp, whatsapp: Connection
    ) -> None:
        set_route(("whatsapp", None, None))
        answer = json_of(
            signing_app.post(
                "/events", event_body(signers=[signer_body("Eric", ERIC, preference=["whatsapp"])])
            )
        )
        assert [
            (message["channel"], message["status"], message["code"])
            for message in answer["messages"]
        ] == [("whatsapp", "suppressed", "window_closed")]

    @pytest.mark.parametrize(
        ("requested_locale", "mapped"),
        [("pt-BR", "pt_BR"), ("pt-BR", "pt"), ("pt-BR", "en"), ("pt-BR", "en_US")],
    )
    def test_locales_fall_back(
        self, hub_demo: Flask, whatsapp: Connection, requested_locale: str, mapped: str
    ) -> None:
        self.map_template(whatsapp, mapped)
        assert (
            provider_templates.fill_mapped(
                whatsapp.id, "request_sent", requested_locale, {"title": "T", "link": "L"}
            )
            is not None
        )
        assert (
            provider_templates.fill_mapped(whatsapp.id, "request_reminder", requested_locale, {})
            is None
        )

    def test_unapproved_template_cannot_be_mapped(
        self, hub_demo: Flask, whatsapp: Connection
    ) -> None:
        template_sync.store_templates(whatsapp.id, self.template_info("pending"))
        row = db.session.scalars(select(ProviderTemplate)).one()
        with pytest.raises(provider_templates.Refused, match="pending"):
            provider_templates.save_mapping(
                whatsapp.id, "request_sent", "en", row.id, {"1": "title", "2": "link"}
            )

    def test_every_variable_must_have_a_value(self, hub_demo: Flask, whatsapp: Connection) -> None:
        template_sync.store_templates(whatsapp.id, self.template_info())
        row = db.session.scalars(select(ProviderTemplate)).one()
        with pytest.raises(provider_templates.Refused) as caught:
            provider_templates.save_mapping(
                whatsapp.id, "request_sent", "en", row.id, {"1": "title", "2": "nonsense"}
            )
        assert caught.value.field == "variable-2"

    @pytest.mark.parametrize("problem", ["paused", "gone"])
    def test_lost_template_is_audited_and_no_longer_sent(
        self, hub_demo: Flask, whatsapp: Connection, problem: str
    ) -> None:
        self.map_template(whatsapp)
        template_sync.store_templates(
            whatsapp.id, [] if problem == "gone" else self.template_info(problem)
        )
        [row] = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "template.lost"))
        assert row.detail["state"] == problem
        forget_window()
        assert provider_templates.fill_mapped(whatsapp.id, "request_sent", "en", {}) is None

    @pytest.mark.parametrize(
        ("value", "clean"),
        [
            ("two\nlines", "two lines"),
            ("a\t\tb     c", "a b c"),
            ("", "–"),
            (None, "–"),
            (2, "2"),
            ("  x ", "x"),
        ],
    )
    def test_values_are_cleaned_for_whatsapp(self, value: Any, clean: str) -> None:
        assert provider_templates.clean_value(value) == clean
