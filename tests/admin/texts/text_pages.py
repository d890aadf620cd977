"""Steps of tests of the text editor."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from hub.db.engine import db
from hub.messaging.compose import render, text_editing
from hub.models import Template, TemplateVersion
from tests.conftest import Browser


def find_text(browser: Browser, name: str, channel: str = "sms", locale: str = "en") -> str:
    """Return the ID of a text."""
    query = select(Template.id).where(
        Template.name == name, Template.channel == channel, Template.locale == locale
    )
    with browser.app.app_context():
        return db.session.scalars(query).one()


def post_text(
    browser: Browser, text_id: str, text: str, do: str = "publish", **fields: Any
) -> TestResponse:
    """Post the form of a text with the revision that the page shows."""
    page = browser.get(f"/templates/texts/{text_id}").text
    match = re.search(r'name="revision" type="hidden" value="(\d+)"', page)
    assert match is not None
    values = {"revision": match[1], "text": text, "do": do, **fields}
    return browser.post(f"/templates/texts/{text_id}", values)


def published(browser: Browser, text_id: str) -> TemplateVersion:
    """Return the published version of a text."""
    with browser.app.app_context():
        return text_editing.list_versions(text_id)[0]


def sent_text(browser: Browser, name: str, locale: str, **values: Any) -> str:
    """Return the SMS that is sent to a reader."""
    with browser.app.app_context():
        browser.app.extensions.pop("hub.cached", None)
        return render.render(name, "sms", locale, values).text
