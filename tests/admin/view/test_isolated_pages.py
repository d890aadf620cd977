"""No value on a page changes the direction of the text around it."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from markupsafe import Markup
from sqlalchemy import select, update

from hub.accounts import api_keys
from hub.connections import demo
from hub.core.vocabulary import Channel, Role
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations import base
from hub.lib.page_text import Isolation, isolate_markup, strip_direction_marks
from hub.messaging.compose import provider_templates
from hub.messaging.contacts import suppressions
from hub.messaging.inbox import inbound
from hub.messaging.track.statuses import Origin
from hub.models import (
    ApiKey,
    Connection,
    Contact,
    Conversation,
    InboundMessage,
    Message,
    MessageBody,
    ProviderTemplate,
    Signer,
    SigningRequest,
    Source,
    StatusEvent,
    Suppression,
    User,
    WebhookEndpoint,
)
from hub.shared import audit
from hub.signing import accept
from hub.signing.events import EventIn
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import deliver, event_body, signer_body, source_id
from tests.lib.test_safe_text import unsafe_characters

OVERRIDES = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067")
EVIL = "\u202eדנה\u2069 ABC \u2066"
TEXT_ONLY = {"title", "textarea", "option", "script", "style"}


class BidiScanner(HTMLParser):
    """Find Hebrew text outside `<bdi>` elements."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loose: list[str] = []
        self.enclosed = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in ("input", "meta", "link", "br", "img", "hr", "path", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "דנה" not in data or TEXT_ONLY & set(self.open):
            return
        if "bdi" in self.open:
            self.enclosed += 1
        else:
            self.loose.append(data.strip())


def assert_isolated(page: str) -> int:
    assert not set(page) & OVERRIDES
    walk = BidiScanner()
    walk.feed(page)
    assert walk.loose == []
    return walk.enclosed


# ── The filter ────────────────────────────────────────────────────────────────────────────────────
def render(template: str, **values: Any) -> str:
    return (
        Environment(extensions=[Isolation], autoescape=True).from_string(template).render(**values)
    )


@pytest.mark.parametrize(
    ("template", "page"),
    [
        ("<p>{{ x }}</p>", "<p><bdi>דנה &lt;</bdi></p>"),
        ('<p title="{{ x }}">{{ x }}', '<p title="דנה &lt;"><bdi>דנה &lt;</bdi>'),
        ("<p class='{{ x }}'>", "<p class='דנה &lt;'>"),
        (
            "<title>{{ x }}</title><b>{{ x }}</b>",
            "<title>דנה &lt;</title><b><bdi>דנה &lt;</bdi></b>",
        ),
        ("<textarea>{{ x }}</textarea>", "<textarea>דנה &lt;</textarea>"),
        ("<option value={{ x }}>{{ x }}</option>", "<option value=דנה &lt;>דנה &lt;</option>"),
        (
            "{% if x %}<i{% if x %} id='a>b'{% endif %}>{{ x }}</i>{% endif %}",
            "<i id='a>b'><bdi>דנה &lt;</bdi></i>",
        ),
        (
            "{% macro m(y) %}<h1>{{ y }}</h1>{% endmacro %}{{ m(x) }}",
            "<h1><bdi>דנה &lt;</bdi></h1>",
        ),
        ("{{ x if x else 'a' }}{{- ' b' }}", "<bdi>דנה &lt;</bdi> b"),
        ("{{ 'Sent by ' ~ x }}", "<bdi>Sent by דנה &lt;</bdi>"),
        ("{{ 1 }}{{ 'plain é' }}{{ none }}{{ y }}", "1plain éNone"),
    ],
)
def test_output_is_isolated_where_markup_is_allowed(template: str, page: str) -> None:
    assert render(template, x="דנה <") == page


def test_markup_is_unchanged_and_bidi_overrides_are_removed() -> None:
    assert render("{{ x }}", x=Markup("<b>דנה</b>")) == "<b>דנה</b>"
    assert render("<i>{{ x }}</i>", x="ab\u202egpj") == "<i><bdi>abgpj</bdi></i>"
    assert render('<i title="{{ x }}">', x="ab\u202egpj") == '<i title="abgpj">'


@settings(max_examples=examples(200), deadline=None)
@given(st.text(st.one_of(st.characters(), st.sampled_from("\u202e\u2066\u2069\u2068א a\n"))))
def test_text_direction_of_a_value_stays_isolated(value: str) -> None:
    assert not set(str(strip_direction_marks(value))) & (OVERRIDES | {"\u2068", "\u2069", "\0"})
    assert not unsafe_characters(str(isolate_markup(value)))


def test_sentence_with_isolated_names_keeps_its_direction() -> None:
    sentence = "\u2068דנה\u2069 sent it."
    assert render("<i>{{ x }}</i>", x=sentence) == f"<i><bdi>{sentence}</bdi></i>"


# ── Every page ────────────────────────────────────────────────────────────────────────────────────
@transaction
def fill_with_bidi_text() -> None:
    """Write right-to-left text into every column that holds a name, a title or a text."""
    for model, names in (
        (Connection, ("title",)),
        (Source, ("name",)),
        (ApiKey, ("name",)),
        (User, ("name",)),
        (Suppression, ("explanation", "lift_reason")),
        (StatusEvent, ("reason",)),
        (ProviderTemplate, ("name", "reason", "text", "kind")),
        (WebhookEndpoint, ("description",)),
    ):
        db.session.execute(update(model).values(dict.fromkeys(names, EVIL)))
    for request in db.session.scalars(select(SigningRequest)):
        request.title = EVIL
        request.sender = {"name": EVIL}
        request.external_id = EVIL
    for contact in db.session.scalars(select(Contact)):
        contact.name = EVIL
    for signer in db.session.scalars(select(Signer)):
        signer.details = {**(signer.details or {}), "name": EVIL, "email": f"{EVIL}@acme.example"}
    for body in db.session.scalars(select(MessageBody)):
        body.content = {**body.content, "text": EVIL, "subject": EVIL, "name": EVIL}
    audit.record("connection.renamed", "con", EVIL, was=EVIL)


def fill() -> None:
    demo.prepare()
    demo.add_endpoint()
    accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    deliver()
    whatsapp = db.session.scalars(
        select(Connection).where(Connection.slug == "demo-whatsapp")
    ).one()
    suppressions.add_opt_out("+442071234567", channel="", explanation="Asked", test=True)
    inbound_message = base.Inbound(
        provider_id="SM" + "1" * 32,
        channel=Channel.WHATSAPP,
        senders=(whatsapp.sender,),
        address="+13175551234",
        text="Hi",
        name="Eric",
    )
    inbound.store_inbound(inbound_message, Origin("callback", (whatsapp.id,), None), now())
    api_keys.create_key("Key", test=True)
    transaction(
        lambda: db.session.add(
            ProviderTemplate(
                connection_id=whatsapp.id,
                external_id="HX1",
                name="t",
                locale="en",
                state=provider_templates.APPROVED,
                text="Hi",
            )
        )
    )()
    fill_with_bidi_text()


@pytest.fixture
def pages(app: Flask, simulator: Any) -> Callable[[], list[str]]:
    """Return a function that lists the addresses of all pages with such values."""

    def addresses() -> list[str]:
        with app.app_context():
            fill()
            ids = {
                "request_id": SigningRequest,
                "message_id": Message,
                "contact_id": Contact,
                "conversation_id": Conversation,
                "suppression_id": Suppression,
                "template_id": ProviderTemplate,
                "endpoint_id": WebhookEndpoint,
            }
            values_by_name = {
                name: db.session.scalars(select(model.id)).all() for name, model in ids.items()
            }
            values_by_name["slug"] = db.session.scalars(select(Connection.slug)).all()
            values_by_name["name"] = db.session.scalars(
                select(Connection.integration).distinct()
            ).all()
            assert db.session.scalars(select(InboundMessage.id)).all()
        paths = []
        for rule in app.url_map.iter_rules():
            if not rule.endpoint.startswith("admin.") or "GET" not in (rule.methods or ()):
                continue
            [name, *other_arguments] = sorted(rule.arguments) or [""]
            if other_arguments or (name and name not in values_by_name):
                continue  # files, and links that work once
            paths += (
                [rule.rule.replace(f"<{name}>", value) for value in values_by_name[name]]
                if name
                else [rule.rule]
            )
        return paths

    return addresses


def test_no_value_changes_the_direction_of_a_page(
    pages: Callable[[], list[str]], browser_for: Callable[..., Browser]
) -> None:
    admin = browser_for(Role.ADMIN)
    addresses = pages()
    assert len(addresses) > 30
    enclosed = {}
    for address in addresses:
        answer = admin.get(address)
        if answer.status_code == 200 and answer.mimetype == "text/html":
            enclosed[address] = assert_isolated(answer.text)
    shows = sum(count > 0 for count in enclosed.values())
    assert shows > 20, enclosed


def test_searches_show_the_input_isolated(admin: Browser) -> None:
    for address in ("/messages", "/requests", "/opt-outs"):
        assert_isolated(admin.get(address, query_string={"q": EVIL}).text)
