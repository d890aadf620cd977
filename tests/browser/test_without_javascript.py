"""Every form works in a browser without JavaScript: it posts, and its page reports the result."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.browser import (
    account_forms,
    connection_forms,
    handler_forms,
    message_forms,
    routing_forms,
    text_forms,
    webhook_forms,
)
from tests.browser.no_script_browser import FORMS, NoScriptBrowser
from tests.browser.no_script_browser import admin_pages as admin_pages
from tests.browser.no_script_browser import no_script as no_script
from tests.browser.no_script_browser import tabs as tabs

# imported, they declare the forms
FORM_MODULES = (
    account_forms,
    connection_forms,
    handler_forms,
    message_forms,
    routing_forms,
    text_forms,
    webhook_forms,
)
# the first admin's form is used without script by the fixture that everybody here begins with; no
# integration offers an action yet; the next three are plain forms that need damage or two
# identities, which the tests of their pages make
ELSEWHERE = {
    "admin.first_admin",
    "admin.connection_action",
    "admin.confirm_clock",
    "admin.retry_row",
    "admin.separate_contacts",
    "admin.unsubscribe",  # its link is in an email: tests/admin/contacts/test_unsubscribe.py
}


@pytest.mark.parametrize("view", FORMS)
def test_form_works_without_javascript(view: str, no_script: NoScriptBrowser) -> None:
    FORMS[view](no_script)


def test_every_form_is_covered(app: Flask) -> None:
    views = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert {view for view in views if view.startswith("admin.")} == FORMS.keys() | ELSEWHERE
