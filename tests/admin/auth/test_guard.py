"""Access control: every route of the admin pages, for every role and for visitors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from hub.core.vocabulary import Role
from hub.db.engine import db
from hub.models import AuditEntry
from tests.conftest import Browser

V = Role.VIEWER
O = Role.OPERATOR  # noqa: E741
A = Role.ADMIN
PUBLIC = None

# what a route takes at least, said a second time: a change of one alone fails
# mailboxes post here without cookies, and the link is the proof (RFC 8058)
POSTED_BY_OTHERS = {"/u/<token>"}
LEAST = {
    ("GET", "/"): V,
    ("GET", "/sign-in"): PUBLIC,
    ("POST", "/sign-in"): PUBLIC,
    ("POST", "/sign-out"): V,
    ("GET", "/setup/<token>"): PUBLIC,
    ("POST", "/setup/<token>"): PUBLIC,
    ("GET", "/password/<token>"): PUBLIC,
    ("POST", "/password/<token>"): PUBLIC,
    ("GET", "/settings"): V,
    ("GET", "/account"): V,
    ("POST", "/account"): V,
    ("POST", "/account/time-zone"): V,
    ("GET", "/settings/users"): V,
    ("POST", "/settings/users"): A,
    ("POST", "/settings/users/<user_id>/role"): A,
    ("GET", "/settings/users/<user_id>/deactivate"): A,
    ("POST", "/settings/users/<user_id>/deactivate"): A,
    ("POST", "/settings/users/<user_id>/reactivate"): A,
    ("POST", "/settings/users/<user_id>/link"): A,
    ("GET", "/settings/api-keys"): V,
    ("POST", "/settings/api-keys"): A,
    ("GET", "/settings/api-keys/<key_id>/revoke"): A,
    ("POST", "/settings/api-keys/<key_id>/revoke"): A,
    ("GET", "/settings/api-keys/<key_id>"): A,
    ("POST", "/settings/api-keys/<key_id>"): A,
    ("GET", "/settings/sources"): V,
    ("POST", "/settings/sources"): A,
    ("GET", "/settings/sources/<slug>"): V,
    ("POST", "/settings/sources/<slug>"): A,
    ("GET", "/settings/sources/<slug>/branding"): V,
    ("POST", "/settings/sources/<slug>/branding"): A,
    ("GET", "/settings/sources/<slug>/branding/preview"): V,
    ("GET", "/requests/<request_id>/evidence"): A,
    ("GET", "/requests/<request_id>/evidence.json"): A,
    ("GET", "/requests/<request_id>/evidence.pdf"): A,
    ("POST", "/requests/<request_id>/hold"): A,
    ("POST", "/requests/<request_id>/hold/remove"): A,
    ("GET", "/evidence"): PUBLIC,
    ("POST", "/evidence"): PUBLIC,
    ("GET", "/evidence/keys"): PUBLIC,
    ("GET", "/u/<token>"): PUBLIC,
    ("POST", "/u/<token>"): PUBLIC,
    ("GET", "/activity"): V,
    ("GET", "/integrations"): V,
    ("GET", "/integrations/<name>"): V,
    ("GET", "/integrations/<name>/new"): V,
    ("POST", "/integrations/<name>/new"): A,
    ("GET", "/connections/<slug>"): V,
    ("POST", "/connections/<slug>"): A,
    ("POST", "/connections/<slug>/test"): A,
    ("POST", "/connections/<slug>/source"): A,
    ("POST", "/connections/<slug>/enable"): A,
    ("GET", "/connections/<slug>/disable"): A,
    ("POST", "/connections/<slug>/disable"): A,
    ("POST", "/connections/<slug>/send"): O,
    ("POST", "/connections/<slug>/do/<action>"): A,
    ("POST", "/connections/<slug>/posts"): A,
    ("POST", "/connections/<slug>/invite"): A,
    ("POST", "/requests/<request_id>/signers/<signer_id>/<do>"): O,
    ("GET", "/a/<token>"): PUBLIC,
    ("POST", "/a/<token>"): PUBLIC,
    ("GET", "/connections/<slug>/rules"): V,
    ("POST", "/connections/<slug>/rules"): A,
    ("GET", "/connections/<slug>/rename"): A,
    ("POST", "/connections/<slug>/rename"): A,
    ("GET", "/connections/<slug>/archive"): A,
    ("POST", "/connections/<slug>/archive"): A,
    ("GET", "/messages"): V,
    ("GET", "/contacts/<contact_id>"): V,
    ("POST", "/contacts/<contact_id>"): O,
    ("GET", "/contacts/<contact_id>/data"): A,
    ("GET", "/contacts/<contact_id>/erase"): A,
    ("POST", "/contacts/<contact_id>/erase"): A,
    ("GET", "/contacts/<contact_id>/links/<link_id>/undo"): A,
    ("POST", "/contacts/<contact_id>/links/<link_id>/undo"): A,
    ("GET", "/messages/<message_id>"): V,
    ("POST", "/messages/<message_id>/cancel"): O,
    ("POST", "/messages/<message_id>/resend"): O,
    ("GET", "/messages/<message_id>/lift"): A,
    ("POST", "/messages/<message_id>/lift"): A,
    ("POST", "/messages/<message_id>/replay"): O,
    ("GET", "/unreadable-rows"): V,
    ("POST", "/unreadable-rows/<entry_id>/retry"): A,
    ("GET", "/receipts"): V,
    ("POST", "/receipts/<callback_id>/replay"): O,
    ("GET", "/inbox"): V,
    ("GET", "/inbox/<conversation_id>"): V,
    ("GET", "/codes"): V,
    ("GET", "/docs"): V,
    ("GET", "/docs/<path:slug>"): V,
    ("GET", "/docs/images/<name>"): V,
    ("GET", "/opt-outs"): V,
    ("POST", "/opt-outs"): O,
    ("GET", "/opt-outs/files/<kind>"): A,
    ("POST", "/opt-outs/import"): A,
    ("GET", "/opt-outs/<suppression_id>"): A,
    ("POST", "/opt-outs/<suppression_id>"): A,
    ("GET", "/settings/opt-out-words"): V,
    ("POST", "/settings/opt-out-words"): A,
    ("GET", "/settings/short-links"): V,
    ("POST", "/settings/short-links/<name>"): A,
    ("GET", "/settings/short-links/<name>/remove"): A,
    ("POST", "/settings/short-links/<name>/remove"): A,
    ("GET", "/inbox/files/<inbound_id>/<position>"): V,
    ("POST", "/inbox/<conversation_id>"): O,
    ("POST", "/inbox/<conversation_id>/read"): O,
    ("GET", "/templates"): V,
    ("POST", "/templates/sync/<slug>"): A,
    ("GET", "/templates/files"): A,
    ("POST", "/templates/files"): A,
    ("GET", "/templates/files/export"): A,
    ("POST", "/templates/files/import"): A,
    ("GET", "/templates/texts/<template_id>"): V,
    ("POST", "/templates/texts/<template_id>"): A,
    ("GET", "/templates/texts/<template_id>/email"): V,
    ("POST", "/templates/texts/<template_id>/email"): A,
    ("GET", "/templates/texts/<template_id>/versions/<number>"): V,
    ("POST", "/templates/texts/<template_id>/versions/<number>"): A,
    ("GET", "/templates/texts/<template_id>/add"): A,
    ("POST", "/templates/texts/<template_id>/add"): A,
    ("GET", "/templates/<template_id>"): A,
    ("POST", "/templates/<template_id>"): A,
    ("GET", "/templates/mappings/<mapping_id>/remove"): A,
    ("POST", "/templates/mappings/<mapping_id>/remove"): A,
    ("GET", "/handlers"): V,
    ("GET", "/handlers/<handler_id>"): V,
    ("POST", "/handlers/<handler_id>/retry"): O,
    ("GET", "/handlers/<handler_id>/skip"): O,
    ("POST", "/handlers/<handler_id>/skip"): O,
    ("POST", "/handlers/<handler_id>/enable"): A,
    ("GET", "/handlers/<handler_id>/disable"): A,
    ("POST", "/handlers/<handler_id>/disable"): A,
    ("GET", "/handlers/<handler_id>/events/<event_id>"): V,
    ("POST", "/handlers/<handler_id>/events/<event_id>/retry"): O,
    ("POST", "/handlers/<handler_id>/events/<event_id>/skip"): O,
    ("GET", "/webhook-endpoints"): V,
    ("GET", "/webhook-events"): V,
    ("GET", "/webhook-endpoints/new"): A,
    ("POST", "/webhook-endpoints/new"): A,
    ("GET", "/webhook-endpoints/<endpoint_id>"): V,
    ("GET", "/webhook-endpoints/<endpoint_id>/edit"): A,
    ("POST", "/webhook-endpoints/<endpoint_id>/edit"): A,
    ("GET", "/webhook-endpoints/<endpoint_id>/rotate"): A,
    ("POST", "/webhook-endpoints/<endpoint_id>/rotate"): A,
    ("GET", "/webhook-endpoints/<endpoint_id>/disable"): A,
    ("POST", "/webhook-endpoints/<endpoint_id>/disable"): A,
    ("GET", "/webhook-endpoints/<endpoint_id>/delete"): A,
    ("POST", "/webhook-endpoints/<endpoint_id>/delete"): A,
    ("POST", "/webhook-endpoints/<endpoint_id>/enable"): A,
    ("POST", "/webhook-endpoints/<endpoint_id>/test"): O,
    ("POST", "/webhook-endpoints/<endpoint_id>/check"): O,
    ("POST", "/webhook-endpoints/<endpoint_id>/resend"): O,
    ("GET", "/webhook-endpoints/<endpoint_id>/events/<event_id>"): V,
    ("POST", "/webhook-endpoints/<endpoint_id>/events/<event_id>/resend"): O,
    ("GET", "/clock"): V,
    ("POST", "/clock"): A,
    ("GET", "/requests"): V,
    ("GET", "/requests/<request_id>"): V,
    ("POST", "/requests/<request_id>/remind"): O,
    ("POST", "/requests/<request_id>/scheduled/<event_id>/cancel"): O,
    ("POST", "/settings/sources/<slug>/reminders"): A,
    ("GET", "/people"): V,
    ("GET", "/search"): V,
    ("POST", "/search"): V,
    ("GET", "/routing"): V,
    ("GET", "/routing/<event>/<audience>"): V,
    ("POST", "/routing/<event>/<audience>"): A,
    ("GET", "/routing/<event>/<audience>/general"): A,
    ("POST", "/routing/<event>/<audience>/general"): A,
    ("GET", "/routing/<event>/<audience>/stop"): A,
    ("POST", "/routing/<event>/<audience>/stop"): A,
}


def routes(app: Flask) -> set[tuple[str, str]]:
    rules = (rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("admin."))
    return {
        (method, rule.rule)
        for rule in rules
        for method in rule.methods or ()
        if method in ("GET", "POST")
    }


def path(rule: str) -> str:
    """Fill a route with identifiers that do not exist."""
    return "/".join("nothing" if part.startswith("<") else part for part in rule.split("/"))


def call(browser: Browser, method: str, rule: str) -> tuple[int, str]:
    answer = browser.get(path(rule)) if method == "GET" else browser.post(path(rule))
    return answer.status_code, answer.headers.get("Location", "")


def test_access_table_lists_every_route(app: Flask) -> None:
    assert routes(app) - set(LEAST) == set(), "say in LEAST who may open it"


@pytest.mark.parametrize("role", list(Role))
def test_role_opens_only_its_pages(
    app: Flask, browser_for: Callable[..., Browser], role: Role
) -> None:
    browser = browser_for(role)
    wrong = []
    for method, rule in sorted(routes(app)):
        status, location = call(browser, method, rule)
        least = LEAST[method, rule]
        opened = status != 403 and not location.startswith("/sign-in?")
        if opened != (least is None or role >= least):
            wrong.append((method, rule, status))
        if rule == "/sign-out":
            browser.sign_in()
    assert not wrong


def test_anonymous_visitor_opens_public_pages_only(app: Flask, anonymous: Browser) -> None:
    wrong = []
    for method, rule in sorted(routes(app)):
        status, location = call(anonymous, method, rule)
        sent_away = status == 303 and location.startswith("/sign-in")
        if sent_away == (LEAST[method, rule] is None):
            wrong.append((method, rule, status))
    assert not wrong


def test_post_without_a_csrf_token_is_refused_and_changes_nothing(
    app: Flask, admin: Browser
) -> None:
    with app.app_context():
        before = db.session.query(AuditEntry).count()
    for method, rule in sorted(routes(app)):
        if method == "POST" and rule not in POSTED_BY_OTHERS:
            for data in ({}, {"csrf_token": "made-up"}):
                assert admin.client.post(path(rule), data=data).status_code == 400, rule
    with app.app_context():
        assert db.session.query(AuditEntry).count() == before


def test_csrf_token_of_another_browser_is_refused(
    admin: Browser, browser_for: Callable[..., Browser]
) -> None:
    stranger = browser_for(Role.VIEWER)
    assert admin.client.post("/sign-out", data={"csrf_token": stranger.token()}).status_code == 400


def test_view_without_a_declared_role_is_forbidden(app: Flask, admin: Browser) -> None:
    overview = app.view_functions["admin.overview"]
    app.view_functions["admin.overview"] = lambda: "bare"
    assert admin.get("/").status_code == 403
    app.view_functions["admin.overview"] = overview


def test_pages_are_not_cached(admin: Browser) -> None:
    for path in ("/integrations", "/account", "/connections/nothing", "/sign-in"):
        assert admin.get(path).headers["Cache-Control"] == "no-store"


def test_altered_session_cookie_is_refused(app: Flask, admin: Browser) -> None:
    cookie = admin.client.get_cookie("signpost", "127.0.0.1")
    assert cookie is not None
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    admin.client.set_cookie("signpost", cookie.value[:-2] + "xx", domain="127.0.0.1")
    assert admin.get("/integrations").status_code == 303
