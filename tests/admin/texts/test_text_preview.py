"""The preview of a text: values, segments, prices, plural forms, approved templates, tests."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.compose import provider_templates
from hub.models import Connection, MessageBody, Source
from hub.signing import accept
from hub.signing.events import EventIn
from tests.admin.connections.test_templates_page import store_templates
from tests.admin.texts.text_pages import find_text, post_text, published
from tests.conftest import Browser
from tests.hub_fixtures import ERIC
from tests.short_link_steps import SHORT_LINK

SIGNED = "request_signed_others"
CURLY = "“((title))” – signed"


@pytest.fixture(autouse=True)
def _prepare_demo(app: Flask) -> None:
    with app.app_context():
        demo.prepare()


def region(page: str) -> str:
    """Return the preview of a page."""
    return html.unescape(page.partition('id="preview"')[2].partition("</section>")[0])


def test_preview_shows_what_was_typed_and_saves_nothing(admin: Browser) -> None:
    text_id = find_text(admin, SIGNED)
    answer = post_text(admin, text_id, "Dear all: ((title)), ((missing))", do="preview")
    assert "Dear all: Employment Agreement, 1" in region(answer.text)
    assert published(admin, text_id).number == 1


def test_preview_of_a_text_with_an_error_names_it(admin: Browser) -> None:
    answer = post_text(admin, find_text(admin, SIGNED), "((title", do="preview")
    assert "Correct the text to see its preview" in region(answer.text)
    assert "Write “))” after its name" in html.unescape(answer.text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("((title)) ((oops))", "((oops)) is not a value"),
        ("((title)) ((download link))", "This event has no ((download link))"),
        ("((title: one | # more))", "((title)) is not a number"),
        ("((missing: one | two | three))", "the language needs 2"),
    ],
)
def test_preview_says_why_a_text_cannot_be_saved(admin: Browser, text: str, reason: str) -> None:
    answer = post_text(admin, find_text(admin, SIGNED), text, do="preview")
    assert "Correct the text to see its preview." in region(answer.text)
    assert reason in region(answer.text)
    assert "is missing. The message is not sent" not in region(answer.text)


def test_preview_shows_each_plural_form(admin: Browser) -> None:
    page = region(admin.get(f"/templates/texts/{find_text(admin, SIGNED, locale='pl')}").text)
    assert "Brakuje jeszcze jednego podpisu" in page
    assert "2, 3, 4, 22, 23…" in page
    assert "Brakuje jeszcze 5 podpisów" in page


def test_each_plural_form_has_a_box(admin: Browser) -> None:
    text_id = find_text(admin, SIGNED, locale="pl")
    page = admin.get(f"/templates/texts/{text_id}").text
    boxes = re.findall(r'name="((?:form|was)-0-\d)"[^>]*value="([^"]*)"', page)
    assert len(boxes) == 6
    fields = dict(boxes) | {"form-0-1": "Brakuje # podpisow (kilku)"}
    answer = post_text(admin, text_id, published(admin, text_id).text, **fields)
    assert answer.status_code == 303
    assert "| Brakuje # podpisow (kilku) |" in published(admin, text_id).text


def test_preview_uses_a_chosen_request(admin: Browser) -> None:
    post_event(admin, "Lease of the mill", "Acme")
    text_id = find_text(admin, SIGNED)
    page = admin.get(f"/templates/texts/{text_id}").text
    request_id = re.search(r'value="(req_[^"]+)">Lease of the mill', page)
    assert request_id is not None
    answer = post_text(admin, text_id, "About ((title))", do="preview", sample=request_id[1])
    assert "About Lease of the mill" in region(answer.text)


def test_preview_uses_the_longest_title_and_names(admin: Browser) -> None:
    post_event(admin, "Short", "A rather long name of a sender")
    post_event(admin, "T" * 150, "Acme")
    text = "((title)) ((sender))"
    answer = post_text(admin, find_text(admin, SIGNED), text, do="preview", sample="longest")
    assert f"{'T' * 150} A rather long name of a sender" in region(answer.text)
    assert "2 segments" in region(answer.text)


def post_event(browser: Browser, title: str, sender: str) -> None:
    event = {
        "type": "request.sent",
        "request": {"id": f"agr-{title[:5]}", "title": title, "sender": {"name": sender}},
        "signers": [{"id": "eric", "name": "Eric", "mobile_number": ERIC}],
    }
    with browser.app.app_context():
        source_id = db.session.scalars(select(Source.id)).first()
        assert source_id is not None
        accept.accept_event(EventIn.model_validate(event), source_id, test=True)


def test_costly_characters_are_named_and_replaced(admin: Browser) -> None:
    text_id = find_text(admin, SIGNED)
    preview = region(post_text(admin, text_id, CURLY, do="preview").text)
    assert "UCS-2" in preview
    assert re.search(r'“ →\s+"', preview)
    answer = html.unescape(post_text(admin, text_id, CURLY, do="replace").text)
    assert '"((title))" - signed</textarea>' in answer
    assert "GSM-7" in region(answer)


def test_price_is_at_the_rates_of_the_connection(admin: Browser) -> None:
    fields = {"prices": "US: 0.0083\nother: 0.05", "currency": "USD"}
    assert admin.post("/connections/demo-sms/rules", fields).status_code == 303
    text = "((title)) " + "x" * 150
    preview = region(post_text(admin, find_text(admin, SIGNED), text, do="preview").text)
    assert "2 segments" in preview
    assert "USD 0.0166 in US (price list of the connection)" in preview
    assert "USD 0.1000 in other countries (price list of the connection)" in preview


def test_preview_names_what_the_opt_out_line_adds(admin: Browser) -> None:
    text_id = find_text(admin, SIGNED)
    fits = region(post_text(admin, text_id, "((title))", do="preview").text)
    assert "with the opt-out line" not in fits
    longer = region(post_text(admin, text_id, "((title)) " + "x" * 130, do="preview").text)
    assert "1 segment" in longer
    assert "2 segments with the opt-out line, for +1" in longer


def test_sms_shows_a_short_link_and_warns_of_public_shorteners(admin: Browser) -> None:
    text_id = find_text(admin, "request_sent")
    page = region(post_text(admin, text_id, "Sign ((title)): ((link))", do="preview").text)
    assert SHORT_LINK.search(page)
    assert "Carriers filter this link" not in page
    page = region(post_text(admin, text_id, "bit.ly/x ((title)) ((link))", do="preview").text)
    assert "Carriers filter this link: bit.ly" in page


def test_test_message_is_sent_as_previewed(admin: Browser) -> None:
    with admin.app.app_context():
        query = select(Connection.id).where(Connection.slug == "demo-sms")
        fields = {"test_connection": db.session.scalars(query).one(), "test_to": ERIC}
    text_id = find_text(admin, SIGNED)
    answer = post_text(admin, text_id, "Test of ((title))", do="test", **fields)
    assert "Test message queued" in answer.text
    with admin.app.app_context():
        body = db.session.scalars(select(MessageBody)).one()
        assert body.content["text"] == "Test of Employment Agreement"
    bad = post_text(admin, text_id, "Test", do="test", **fields | {"test_to": "12"})
    assert bad.status_code == 422
    assert published(admin, text_id).number == 1


def test_approved_template_that_differs_is_shown(app: Flask, admin: Browser) -> None:
    ids = store_templates(app, good="approved")
    with app.app_context():
        map_template(ids["connection"], ids["good"])
    text_id = find_text(admin, "request_sent")
    page = region(post_text(admin, text_id, "((title)) waits: ((link))", do="preview").text)
    assert SHORT_LINK.search(page)
    assert "Approved template: good" in page
    assert "differ" not in page
    page = region(post_text(admin, text_id, "((title)) is here", do="preview").text)
    assert "The approved template and this text differ" in page


@transaction
def map_template(connection_id: str, template_id: str) -> None:
    variables = {"1": "title", "2": "link"}
    provider_templates.save_mapping(connection_id, "request_sent", "en", template_id, variables)
