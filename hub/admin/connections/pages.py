"""Handle the pages and forms of a connection: its settings, test, status, name and archive."""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, g, redirect, render_template, request, url_for

from hub import integrations
from hub.accounts.limits import SAVE, SEND, TEST, TooMany
from hub.admin.auth.guard import admin, may, needs
from hub.admin.auth.page_limits import limited
from hub.admin.connections import (
    connection_page,
    passed_test,
    secret_resubmission,
    webhook_urls,
)
from hub.admin.connections.connection_page import Page
from hub.admin.overview.damage import describe_damage
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


# ── New connections ───────────────────────────────────────────────────────────────────────────────
@admin.get("/integrations/<name>/new")
@needs(Role.VIEWER)
def new_connection(name: str) -> Any:
    """Show the form of a connection that is not stored yet."""
    cls = integrations.get(name)
    settings = demo.simulator_settings(cls) if request.args.get("simulator") else None
    name_form = forms.NameConnection(data={"title": _free_title(cls)})
    if settings is None:
        return Page(cls, name_form=name_form).show()
    values = {field: str(value) for field, value in settings.items() if value}
    return Page(cls, name_form=name_form, typed=values, simulated=True).show()


def _asks_for_test() -> bool:
    return request.form.get("do") == "test"


def _asks_to_save() -> bool:
    return not _asks_for_test()


def _posted_page(name: str) -> Page:
    """Return the page of a new connection with what was posted to it."""
    cls = integrations.get(name)
    return Page(
        cls,
        name_form=forms.NameConnection(request.form),
        typed=secret_resubmission.values(cls, request.form, g.user.id),
        simulated=bool(request.form.get("test")) and current_app.extensions["hub.config"].demo,
        passed="" if _asks_for_test() else request.form.get("passed", ""),
    )


def _too_many_for_new(refusal: TooMany) -> Any:
    return _posted_page(**(request.view_args or {})).too_many(refusal)


@admin.post("/integrations/<name>/new")
@needs(Role.ADMIN)
@limited(TEST, _too_many_for_new, when=_asks_for_test)
@limited(SAVE, _too_many_for_new, when=_asks_to_save)
def add_connection(name: str) -> Any:
    """Test or store a new connection."""
    page = _posted_page(name)
    cls = page.cls
    values = page.typed or {}
    name_form = forms.NameConnection(request.form)
    page.name_form = name_form
    try:
        if _asks_for_test():
            tested = connection_tests.try_settings(cls.name, page.simulated, values)
            return page.show(tested=tested)
        if not name_form.validate():
            return page.show(status=422)
        passed = passed_test.read(page.passed, g.user.id)
        title = name_form.title.data or ""
        connection_id = connections.add(cls.name, title, page.simulated, values, passed)
    except InvalidSettings as refusal:
        return page.show(form=refusal.form, status=422)
    except Refused as refusal:
        forms.blame(name_form, refusal)
        return page.show(status=refusal.status)
    flash(_next_step(connection_page.find(connection_id)), "good")
    return _redirect_to(connection_id)


def _next_step(connection: Connection) -> str:
    if connection.ready:
        return "Saved. Enable the connection to start sending messages."
    return "Saved. Test the connection, then enable it."


def _free_title(cls: type[Integration]) -> str:
    taken = {connection.title for connection in connections.all_connections()}
    title = cls.title
    number = 1
    while title in taken:
        number += 1
        title = f"{cls.title} {number}"
    return title


# ── Stored connections ────────────────────────────────────────────────────────────────────────────
@admin.get("/connections/<slug>")
@needs(Role.VIEWER)
@describe_damage("connections")
def connection(slug: str) -> Any:
    """Show a connection, or a notice when its integration is not installed."""
    stored = connections.by_slug(slug)
    if stored.integration not in integrations.registry():
        return render_template(
            "connection_missing.html",
            connection=stored,
            waiting=connections.count_waiting(stored.id),
            may=may(Role.ADMIN),
        )
    return _page(stored).show()


def _changed_page(slug: str) -> Page:
    """Return the page of a connection with what was posted to it."""
    one = connections.by_slug(slug)
    cls = integrations.get(one.integration)
    page = _page(one, secret_resubmission.values(cls, request.form, g.user.id))
    page.passed = "" if _asks_for_test() else request.form.get("passed", "")
    return page


def _too_many_changes(refusal: TooMany) -> Any:
    return _changed_page(**(request.view_args or {})).too_many(refusal)


def _too_many(refusal: TooMany) -> Any:
    """Answer with the page of a connection as it is stored."""
    return _page(connections.by_slug((request.view_args or {})["slug"])).too_many(refusal)


@admin.post("/connections/<slug>")
@needs(Role.ADMIN)
@limited(TEST, _too_many_changes, when=_asks_for_test)
@limited(SAVE, _too_many_changes, when=_asks_to_save)
def change_connection(slug: str) -> Any:
    """Test or save the posted settings."""
    page = _changed_page(slug)
    connection_id = page.connection_id
    values = page.typed or {}
    try:
        if _asks_for_test():
            return page.show(tested=connection_tests.run_test(connection_id, values))
        saved = connections.save(connection_id, values, passed_test.read(page.passed, g.user.id))
    except InvalidSettings as refusal:
        return page.show(form=refusal.form, status=422)
    except Conflict as refusal:
        flash(str(refusal), "bad")
        return page.show(status=409)
    flash(*_save_message(connections.by_slug(slug), saved))
    if saved.deserted:
        flash(DESERTED, "warn")
    return _redirect_to(connection_id)


DESERTED = (
    "Messages of the previous account are still in progress, and Signpost now rejects"
    " their callbacks. To receive them, save the previous account here again and add"
    " another connection for the new one."
)


def _save_message(connection: Connection, saved: SaveResult) -> tuple[str, str]:
    """Return the sentence about the result of saving, and its tone."""
    if not saved.changed:
        return "No changes to save.", "info"
    if saved.tested is None and not connection.enabled:
        return _next_step(connection), "good"
    if saved.tested is None:
        warning = "" if connection.ready else " The new settings have not been tested."
        return f"Saved and in use.{warning}", "info"
    if saved.tested.check.ok:
        return "Saved and tested.", "good"
    return "Saved. The test failed, so nothing is sent until it passes.", "bad"


@admin.post("/connections/<slug>/test")
@needs(Role.ADMIN)
@limited(TEST, _too_many)
def retest_connection(slug: str) -> Any:
    """Test the stored settings again; a broken connection that passes is enabled again."""
    connection = connections.by_slug(slug)
    connection_id = connection.id
    was_broken = connection.state == ConnectionState.BROKEN
    page = _page(connection)
    tested = connection_tests.run_test(connection_id)
    if not tested.check.ok:
        return page.show(tested=tested, status=422)
    enabled = " The connection is enabled again." if was_broken else ""
    flash(f"The test passed.{enabled}", "good")
    return _redirect_to(connection_id)


def _enabling_tests() -> bool:
    return connections.needs_test(connections.by_slug((request.view_args or {})["slug"]))


@admin.post("/connections/<slug>/enable")
@needs(Role.ADMIN)
@limited(TEST, _too_many, when=_enabling_tests)
def enable_connection(slug: str) -> Any:
    """Enable a connection, after a test where one is needed."""
    connection = connections.by_slug(slug)
    connection_id = connection.id
    page = _page(connection)
    try:
        connections.enable(connection_id)
        flash("Enabled. Messages are sent over this connection from now on.", "good")
    except ConnectionNotTested as refusal:
        return page.show(tested=refusal.tested, status=422)
    except Conflict as refusal:
        flash(str(refusal), "bad")
    return _redirect_to(connection_id)


@admin.route("/connections/<slug>/disable", methods=["GET", "POST"])
@needs(Role.ADMIN)
def disable_connection(slug: str) -> Any:
    """Ask for confirmation, and disable a connection."""
    connection = connections.by_slug(slug)
    if not forms.posted():
        return _confirm_disabling(connection)
    connection_id = connection.id
    connections.disable(connection_id)
    flash("Disabled. Waiting messages are kept until you enable it again.", "info")
    return _redirect_to(connection_id)


def _confirm_disabling(connection: Connection) -> str:
    page_url = url_for("admin.connection", slug=connection.slug)
    count = connections.count_waiting(connection.id)
    queued = plural(count, "message is", "messages are")
    routes = connections.routes_naming(connection.id)
    return confirmation.ask(
        f"Disable {connection.title}",
        [
            "The connection stops sending immediately. Messages that are queued for it wait until"
            " you enable it again.",
            f"{queued} queued now." if count else "",
            "New events use another connection of the same channel. If there is none, they send no"
            " message over this channel.",
            f"These routes use this connection and will skip it: {', '.join(routes)}."
            if routes
            else "",
        ],
        button="Disable connection",
        cancel=page_url,
        crumbs=[("Integrations", url_for("admin.integrations")), (connection.title, page_url)],
    )


def _too_many_messages(refusal: TooMany) -> Any:
    one = connections.by_slug((request.view_args or {})["slug"])
    return _page(one).too_many(refusal, send_form=forms.SendOne(request.form))


@admin.post("/connections/<slug>/send")
@needs(Role.OPERATOR)
@limited(SEND, _too_many_messages)
def send_one(slug: str) -> Any:
    """Send a test message."""
    connection = connections.by_slug(slug)
    form = forms.SendOne(request.form)
    page = _page(connection)
    connection_id = connection.id
    text = f"Test message from Signpost, sent over {connection.title}."
    try:
        if not form.validate():
            return page.show(send_form=form, status=422)
        message_id = direct.send_message(
            connection_id=connection_id,
            to=forms.normal_address(page.cls.address, form.to),
            text=text,
        )
    except Refused as refusal:
        if refusal.field == "to":
            forms.blame(form, refusal)
            return page.show(send_form=form, status=refusal.status)
        return page.show(send_form=form, send_problem=str(refusal), status=refusal.status)
    connections.record_test_message(connection_id, message_id)
    return _redirect_to(connection_id, "send-one")


@admin.post("/connections/<slug>/do/<action>")
@needs(Role.ADMIN)
@limited(TEST, _too_many)
def connection_action(slug: str, action: str) -> Any:
    """Run an action that an integration offers, such as setting its webhook."""
    connection = connections.by_slug(slug)
    if action not in integrations.get(connection.integration).actions:
        raise NotFound("unknown_action", "This connection does not have this action.")
    connection_id = connection.id
    webhook_url = webhook_urls.webhook_of(connection)
    try:
        instance = integration_instances.instance(connection)
        connection_page.end_read()
        flash(str(getattr(instance, action)(webhook_url)), "good")
    except HubError as problem:
        flash(str(problem), "bad")
    return _redirect_to(connection_id)


# ── Rename and archive ────────────────────────────────────────────────────────────────────────────
@admin.route("/connections/<slug>/rename", methods=["GET", "POST"])
@needs(Role.ADMIN)
def rename_connection(slug: str) -> Any:
    """Ask for another name, and rename a connection."""
    connection = connections.by_slug(slug)
    form = forms.RenameConnection(
        request.form, data={"title": connection.title, "slug": connection.slug}
    )
    if not forms.posted():
        return _confirm(connection, "rename", form)
    connection_id = connection.id
    try:
        if form.validate():
            connections.rename(connection_id, form.title.data or "", form.slug.data or "")
            flash("Renamed.", "good")
            if form.slug.data != slug:
                _warn_of_old_webhook(connection)
            return _redirect_to(connection_id)
    except Refused as refusal:
        forms.blame(form, refusal)
    return _confirm(connections.by_slug(slug), "rename", form), 422


def _warn_of_old_webhook(connection: Connection) -> None:
    """Warn that a provider still calls the URL with the old name, if Signpost can change that."""
    cls = integrations.registry().get(connection.integration)
    if cls is not None and cls.supports("subscribe"):
        flash(
            f"{cls.provider} still sends its webhooks to the old address. Choose Set"
            " webhook below.",
            "warn",
        )


@admin.route("/connections/<slug>/archive", methods=["GET", "POST"])
@needs(Role.ADMIN)
def archive_connection(slug: str) -> Any:
    """Ask for confirmation, and archive a connection."""
    connection = connections.by_slug(slug)
    if not forms.posted():
        return _confirm(connection, "archive")
    title = connection.title
    connections.archive(connection.id)
    flash(f"{title} is archived. Callbacks about its messages are still verified.", "info")
    return redirect(url_for("admin.integrations"), 303)


def _confirm(
    connection: Connection, action: str, form: forms.RenameConnection | None = None
) -> str:
    return render_template(
        "connection_confirm.html",
        connection=connection,
        action=action,
        form=form,
        waiting=connections.count_waiting(connection.id),
        routes=connections.routes_naming(connection.id),
    )


_page = connection_page.page_of


def _redirect_to(connection_id: str, anchor: str | None = None) -> Any:
    return redirect(
        url_for("admin.connection", slug=connection_page.find(connection_id).slug, _anchor=anchor),
        303,
    )
