"""Handle the pages and forms of a connection: its settings, test, status, name and archive."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, g, render_template, request, url_for

from hub import integrations
from hub.accounts.rate_limits import SAVE, SEND, TEST, RateLimited
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.auth.page_rate_limits import rate_limit
from hub.admin.connections import (
    connection_page,
    secret_resubmission,
    signing_app,
    test_result_token,
    webhook_urls,
)
from hub.admin.connections.connection_page import ConnectionPage
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.view import confirmation, forms
from hub.admin.view.filters import plural
from hub.connections import connection_tests, connections, demo
from hub.connections.connections import ConnectionNotTested, SaveResult
from hub.connections.settings_form import InvalidSettings
from hub.core.errors import Conflict, HubError, NotFound, Refused
from hub.core.vocabulary import ConnectionState, Role
from hub.integrations.base import Integration
from hub.messaging.compose import direct
from hub.models import Connection
from hub.shared import integration_instances

_page = connection_page.build_page


# ── New connections ───────────────────────────────────────────────────────────────────────────────
@admin.get("/integrations/<name>/new")
@require_role(Role.VIEWER)
def new_connection(name: str) -> Any:
    """Show the form of a connection that is not stored yet."""
    integration_class = integrations.get(name)
    settings = demo.simulator_settings(integration_class) if request.args.get("simulator") else None
    name_form = _name_form(integration_class, data={"title": _find_unused_title(integration_class)})
    page = ConnectionPage(integration_class, name_form=name_form)
    if settings is not None:
        page.entered_values = {field: str(value) for field, value in settings.items() if value}
        page.simulated = True
    return page.show()


def _name_form(
    integration_class: type[Integration], *arguments: Any, **options: Any
) -> forms.ConnectionNameForm:
    """Return the form that names a new connection, and its source if it is a signing app."""
    is_source = integration_class.is_source
    form_class = signing_app.NewSigningApp if is_source else forms.ConnectionNameForm
    return form_class(*arguments, **options)


def _is_test_requested() -> bool:
    return request.form.get("do") == "test"


def _is_save_requested() -> bool:
    return not _is_test_requested()


def _posted_page(name: str) -> ConnectionPage:
    """Return the page of a new connection with what was posted to it."""
    integration_class = integrations.get(name)
    return ConnectionPage(
        integration_class,
        name_form=_name_form(integration_class, request.form),
        entered_values=secret_resubmission.restore_secrets(
            integration_class, request.form, g.user.id
        ),
        simulated=bool(request.form.get("test")) and current_app.extensions["hub.config"].demo,
        passed="" if _is_test_requested() else request.form.get("passed", ""),
    )


def _too_many_for_new(refusal: RateLimited) -> Any:
    return _posted_page(**(request.view_args or {})).show_rate_limited(refusal)


@admin.post("/integrations/<name>/new")
@require_role(Role.ADMIN)
@rate_limit(TEST, _too_many_for_new, applies_when=_is_test_requested)
@rate_limit(SAVE, _too_many_for_new, applies_when=_is_save_requested)
def add_connection(name: str) -> Any:
    """Test or store a new connection."""
    page = _posted_page(name)
    values = page.entered_values or {}
    name_form = _name_form(page.integration_class, request.form)
    page.name_form = name_form
    try:
        if _is_test_requested():
            tested = connection_tests.try_settings(name, page.simulated, values)
            return page.show(tested=tested)
        if not name_form.validate():
            return page.show(status=422)
        passed = test_result_token.decrypt_result(page.passed, g.user.id)
        title = name_form.title.data or ""
        source = getattr(name_form, "source", None)
        connection_id = connections.add(
            name, title, page.simulated, values, passed, source.data if source else ""
        )
    except InvalidSettings as refusal:
        return page.show(form=refusal.form, status=422)
    except Refused as refusal:
        forms.add_error(name_form, refusal)
        return page.show(status=refusal.status)
    flash(_next_step(connection_page.find(connection_id)), "good")
    return connection_page.redirect_to(connection_id)


def _next_step(connection: Connection) -> str:
    if connection.ready and connection.source_id:
        return "Saved. Enable the connection to start accepting events."
    if connection.ready:
        return "Saved. Enable the connection to start sending messages."
    return "Saved. Test the connection, then enable it."


def _find_unused_title(integration_class: type[Integration]) -> str:
    used_titles = {connection.title for connection in connections.list_connections()}
    title = integration_class.title
    number = 1
    while title in used_titles:
        number += 1
        title = f"{integration_class.title} {number}"
    return title


# ── Stored connections ────────────────────────────────────────────────────────────────────────────
@admin.get("/connections/<slug>")
@require_role(Role.VIEWER)
@show_damaged_row_notice("connections")
def connection(slug: str) -> Any:
    """Show a connection, or a notice when its integration is not installed."""
    stored = connections.get_by_slug(slug)
    if stored.integration not in integrations.registry():
        return render_template(
            "connection_missing.html",
            connection=stored,
            waiting=connections.count_waiting(stored.id),
            may=has_role(Role.ADMIN),
        )
    return _page(stored).show()


def _changed_page(slug: str) -> ConnectionPage:
    """Return the page of a connection with what was posted to it."""
    connection = connections.get_by_slug(slug)
    integration_class = integrations.get(connection.integration)
    values = secret_resubmission.restore_secrets(integration_class, request.form, g.user.id)
    page = _page(connection, values)
    page.passed = "" if _is_test_requested() else request.form.get("passed", "")
    return page


def _too_many_changes(refusal: RateLimited) -> Any:
    return _changed_page(**(request.view_args or {})).show_rate_limited(refusal)


def _too_many(refusal: RateLimited) -> Any:
    """Return the page of a connection as it is stored."""
    return _page(connections.get_by_slug((request.view_args or {})["slug"])).show_rate_limited(
        refusal
    )


@admin.post("/connections/<slug>")
@require_role(Role.ADMIN)
@rate_limit(TEST, _too_many_changes, applies_when=_is_test_requested)
@rate_limit(SAVE, _too_many_changes, applies_when=_is_save_requested)
def change_connection(slug: str) -> Any:
    """Test or save the posted settings."""
    page = _changed_page(slug)
    connection_id = page.connection_id
    values = page.entered_values or {}
    try:
        if _is_test_requested():
            return page.show(tested=connection_tests.run_test(connection_id, values))
        saved = connections.save(
            connection_id, values, test_result_token.decrypt_result(page.passed, g.user.id)
        )
    except InvalidSettings as refusal:
        return page.show(form=refusal.form, status=422)
    except Conflict as refusal:
        flash(str(refusal), "bad")
        return page.show(status=409)
    flash(*_save_message(connections.get_by_slug(slug), saved))
    if saved.former_account_in_use:
        flash(FORMER_ACCOUNT_IN_USE, "warn")
    return connection_page.redirect_to(connection_id)


FORMER_ACCOUNT_IN_USE = (
    "Messages of the previous account are still in progress, and Signpost now rejects"
    " their callbacks. To receive them, restore the previous account here, and add a separate"
    " connection for the new account."
)


def _save_message(connection: Connection, saved: SaveResult) -> tuple[str, str]:
    """Return the sentence about the result of saving, and its tone."""
    if not saved.has_changed:
        return "No changes to save.", "info"
    if saved.tested is None and not connection.enabled:
        return _next_step(connection), "good"
    if saved.tested is None:
        warning = "" if connection.ready else " The new settings have not been tested."
        return f"Changes saved. The connection uses them now.{warning}", "info"
    if saved.tested.check.ok:
        return "Saved and tested.", "good"
    effect = "its events wait" if connection.source_id else "nothing is sent"
    return f"Saved. The test failed, so {effect} until it passes.", "bad"


@admin.post("/connections/<slug>/test")
@require_role(Role.ADMIN)
@rate_limit(TEST, _too_many)
def retest_connection(slug: str) -> Any:
    """Test the stored settings again; a broken connection that passes is enabled again."""
    connection = connections.get_by_slug(slug)
    connection_id = connection.id
    was_broken = connection.state == ConnectionState.BROKEN
    page = _page(connection)
    tested = connection_tests.run_test(connection_id)
    if not tested.check.ok:
        return page.show(tested=tested, status=422)
    enabled = " The connection is enabled again." if was_broken else ""
    flash(f"The test passed.{enabled}", "good")
    return connection_page.redirect_to(connection_id)


def _enabling_tests() -> bool:
    return connections.needs_test(connections.get_by_slug((request.view_args or {})["slug"]))


@admin.post("/connections/<slug>/enable")
@require_role(Role.ADMIN)
@rate_limit(TEST, _too_many, applies_when=_enabling_tests)
def enable_connection(slug: str) -> Any:
    """Enable a connection, after a test where one is needed."""
    connection = connections.get_by_slug(slug)
    connection_id = connection.id
    page = _page(connection)
    try:
        connections.enable(connection_id)
        flash(f"Enabled. {_effect(page)} from now on.", "good")
    except ConnectionNotTested as refusal:
        return page.show(tested=refusal.tested, status=422)
    except Conflict as refusal:
        flash(str(refusal), "bad")
    return connection_page.redirect_to(connection_id)


def _effect(page: ConnectionPage) -> str:
    if page.integration_class.is_source:
        return f"Signpost accepts events of {page.integration_class.title}"
    return "Messages are sent over this connection"


@admin.route("/connections/<slug>/disable", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def disable_connection(slug: str) -> Any:
    """Ask for confirmation, and disable a connection."""
    connection = connections.get_by_slug(slug)
    if not forms.is_submitted():
        return _confirm_disabling(connection)
    connection_id = connection.id
    waiting = "Events wait" if connection.source_id else "Messages stay queued"
    connections.disable(connection_id)
    flash(f"Disabled. {waiting} until you enable the connection again.", "info")
    return connection_page.redirect_to(connection_id)


def _confirm_disabling(connection: Connection) -> str:
    page_url = url_for("admin.connection", slug=connection.slug)
    crumbs = [("Integrations", url_for("admin.integrations")), (connection.title, page_url)]
    if connection.source_id:
        return confirmation.ask(
            f"Disable {connection.title}",
            ["Signpost stores its webhooks. Their events wait until you enable the connection."],
            button="Disable connection",
            cancel=page_url,
            crumbs=crumbs,
        )
    count = connections.count_waiting(connection.id)
    queued = plural(count, "message is", "messages are")
    routes = connections.describe_routes_using(connection.id)
    return confirmation.ask(
        f"Disable {connection.title}",
        [
            "The connection stops sending immediately. Messages that are queued for it wait until"
            " you enable it again.",
            f"{queued} queued now." if count else "",
            "New events use another connection of the same channel. If there is none, Signpost"
            " sends no messages over this channel.",
            f"These routes use this connection and will skip it: {', '.join(routes)}."
            if routes
            else "",
        ],
        button="Disable connection",
        cancel=page_url,
        crumbs=crumbs,
    )


def _too_many_messages(refusal: RateLimited) -> Any:
    connection = connections.get_by_slug((request.view_args or {})["slug"])
    return _page(connection).show_rate_limited(
        refusal, send_form=forms.TestMessageForm(request.form)
    )


@admin.post("/connections/<slug>/send")
@require_role(Role.OPERATOR)
@rate_limit(SEND, _too_many_messages)
def send_test_message(slug: str) -> Any:
    """Send a test message."""
    connection = connections.get_by_slug(slug)
    form = forms.TestMessageForm(request.form)
    page = _page(connection)
    connection_id = connection.id
    text = f"Test message from Signpost, sent over {connection.title}."
    try:
        if not form.validate():
            return page.show(send_form=form, status=422)
        message_id = direct.send_message(
            connection_id=connection_id,
            to=forms.normalize_address(page.integration_class.address, form.to),
            text=text,
        )
    except Refused as refusal:
        if refusal.field == "to":
            forms.add_error(form, refusal)
            return page.show(send_form=form, status=refusal.status)
        return page.show(send_form=form, send_problem=str(refusal), status=refusal.status)
    connections.record_test_message(connection_id, message_id)
    return connection_page.redirect_to(connection_id, "send-one")


@admin.post("/connections/<slug>/do/<action>")
@require_role(Role.ADMIN)
@rate_limit(TEST, _too_many)
def connection_action(slug: str, action: str) -> Any:
    """Run an action that an integration offers, such as setting its webhook."""
    connection = connections.get_by_slug(slug)
    if action not in integrations.get(connection.integration).actions:
        raise NotFound("unknown_action", "This connection does not have this action.")
    connection_id = connection.id
    webhook_url = webhook_urls.get_webhook_url(connection)
    try:
        instance = integration_instances.instance(connection)
        connection_page.end_read_transaction()
        flash(str(getattr(instance, action)(webhook_url)), "good")
    except HubError as error:
        flash(str(error), "bad")
    return connection_page.redirect_to(connection_id)
