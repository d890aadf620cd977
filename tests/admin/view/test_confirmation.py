"""Actions with lasting consequences ask for confirmation and name the consequence."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.accounts import api_keys
from hub.connections import demo
from hub.core.vocabulary import Address, Role
from hub.db.engine import db
from hub.messaging.contacts import contact_links, suppressions
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.models import ApiKey, Connection, ContactLink, Suppression, TemplateMapping, User
from tests.admin.connections.test_templates_page import store_templates
from tests.conftest import Browser
from tests.hub_fixtures import ERIC, queue_text

State = Callable[[], Any]
# where the action is offered, what asks, its consequence, and what it changes
Case = tuple[str, str, str, State]


def page_text(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def api_key_revocation(app: Flask, admin: Browser) -> Case:
    with app.app_context():
        key = api_keys.find_key(api_keys.create_key("Contracts", test=True))
    assert key is not None
    key_id = key.id
    return (
        "/settings/api-keys",
        f"/settings/api-keys/{key_id}/revoke",
        "Signpost immediately rejects all requests with this API key. You cannot undo this.",
        lambda: db.session.get_one(ApiKey, key_id).revoked_at is None,
    )


def connection_disabling(app: Flask, admin: Browser) -> Case:
    with app.app_context():
        demo.prepare()
        queue_text()
    return (
        "/connections/demo-sms",
        "/connections/demo-sms/disable",
        "The connection stops sending immediately. Messages that are queued for it wait until you"
        " enable it again. 1 message is queued now.",
        lambda: db.session.scalars(
            select(Connection.state).where(Connection.slug == "demo-sms")
        ).one(),
    )


def template_mapping_removal(app: Flask, admin: Browser) -> Case:
    ids = store_templates(app, good="approved")
    fields = {"name": "request_sent", "locale": "en", "variable-1": "title", "variable-2": "link"}
    assert admin.post(f"/templates/{ids['good']}", fields).status_code == 303
    with app.app_context():
        mapping_id = db.session.scalars(select(TemplateMapping.id)).one()
    return (
        "/templates",
        f"/templates/mappings/{mapping_id}/remove",
        "Outside the 24-hour window, these messages are not sent until you map another template.",
        lambda: len(db.session.scalars(select(TemplateMapping)).all()),
    )


def user_deactivation(app: Flask, admin: Browser) -> Case:
    from hub.accounts import users

    with app.app_context():
        user_id = users.create_user("cy@acme.example", "Cy Young", role=Role.VIEWER)
    return (
        "/settings/users",
        f"/settings/users/{user_id}/deactivate",
        "Cy Young is signed out immediately and can no longer sign in. You can undo this.",
        lambda: db.session.get_one(User, user_id).disabled_at is None,
    )


def contact_link_removal(app: Flask, admin: Browser) -> Case:
    with app.app_context():
        demo.prepare()
        phone_contact_id = get_or_create_contact(Address.PHONE, ERIC, test=True).id
        external_contact_id = get_or_create_contact(Address.EXTERNAL, "US.1349", test=True).id
        contact_links.link_contacts(phone_contact_id, external_contact_id, None)
        link_id = db.session.scalars(select(ContactLink.id)).one()
    return (
        f"/contacts/{phone_contact_id}",
        f"/contacts/{phone_contact_id}/links/{link_id}/undo",
        "Messages that an opt-out of the other contact blocked are allowed again.",
        lambda: db.session.get_one(ContactLink, link_id).undone_at is None,
    )


def opt_out_removal(app: Flask, admin: Browser) -> Case:
    with app.app_context():
        demo.prepare()
        suppressions.add_opt_out(ERIC, test=True)
        message_id = queue_text()
    return (
        f"/messages/{message_id}",
        f"/messages/{message_id}/lift",
        "Remove opt-outs only if the person asked to receive messages.",
        lambda: db.session.scalars(
            select(Suppression.id).where(Suppression.lifted_at.is_(None))
        ).all(),
    )


@pytest.mark.parametrize(
    "prepare",
    [
        api_key_revocation,
        connection_disabling,
        template_mapping_removal,
        user_deactivation,
        contact_link_removal,
        opt_out_removal,
    ],
)
def test_action_asks_for_confirmation_and_names_its_consequence(
    app: Flask, admin: Browser, prepare: Callable[[Flask, Browser], Case]
) -> None:
    link_path, path, consequence, state = prepare(app, admin)

    def read() -> Any:
        with app.app_context():
            db.session.rollback()
            return state()

    before = read()
    offered = admin.get(link_path).text
    assert f'href="{path}"' in offered
    assert f'action="{path}"' not in offered
    response = admin.get(path)
    assert consequence in page_text(response.text)
    assert f'<a class="btn btn-secondary" href="{link_path}">Cancel</a>' in response.text
    assert read() == before
    assert admin.post(path).status_code == 303
    assert read() != before
