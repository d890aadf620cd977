"""A connection's page: settings, test, save, enable, send one, rename, archive."""

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


# ── A new one ─────────────────────────────────────────────────────────────────────────────────────
@admin.get("/integrations/<name>/new")
@needs(Role.VIEWER)
def new_connection(name: str) -> Any:
    """Show the form of a connection that is not stored yet."""
    cls = integrations.get(name)
    settings = demo.simulator_settings(cls) if request.args.get("simulator") else None
    name_form = forms.NameConnection(data={"title": _free_title(cls)})
    if settings is None:
        return Page(cls, name_form=name_form).show()
    typed = {field: str(value) for field, value in settings.items() if value}
    return Page(cls, name_form=name_form, typed=typed, simulated=True).show()


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
    """Test or store a connection that is not stored yet."""
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
    return _to(connection_id)


def _next_step(one: Connection) -> str:
    if one.ready:
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


# ── One that is stored ────────────────────────────────────────────────────────────────────────────
@admin.get("/connections/<slug>")
@needs(Role.VIEWER)
@describe_damage("connections")
def connection(slug: str) -> Any:
    """Show a connection, or why it has no settings when its integration is not installed."""
    one = connections.by_slug(slug)
    if one.integration not in integrations.registry():
        return render_template(
            "connection_missing.html",
            connection=one,
            waiting=connections.count_waiting(one.id),
            may=may(Role.ADMIN),
        )
    return _page(one).show()


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
    """Test what was typed, or store it."""
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
    flash(*_told(connections.by_slug(slug), saved))
    if saved.deserted:
        flash(DESERTED, "warn")
    return _to(connection_id)


DESERTED = (
    "Messages of the previous account are still in progress, and Signpost now rejects"
    " their callbacks. To receive them, save the previous account here again and add"
    " another connection for the new one."
)


def _told(one: Connection, saved: SaveResult) -> tuple[str, str]:
    """Say what saving came to, and its tone."""
    if not saved.changed:
        return "No changes to save.", "info"
    if saved.tested is None:
        if one.enabled:
            return (
                (
                    "Saved and in"
                    f" use.{'' if one.ready else ' The new settings have not been tested.'}"
                ),
                "info",
            )
        return _next_step(one), "good"
    if saved.tested.check.ok:
        return "Saved and tested.", "good"
    return "Saved. The test failed, so nothing is sent until it passes.", "bad"


@admin.post("/connections/<slug>/test")
@needs(Role.ADMIN)
@limited(TEST, _too_many)
def retest_connection(slug: str) -> Any:
    """Test the stored settings again; a broken connection that passes is enabled again."""
    one = connections.by_slug(slug)
    connection_id = one.id
    was_broken = one.state == ConnectionState.BROKEN
    page = _page(one)
    tested = connection_tests.run_test(connection_id)
    if not tested.check.ok:
        return page.show(tested=tested, status=422)
    enabled = " The connection is enabled again." if was_broken else ""
    flash(f"The test passed.{enabled}", "good")
    return _to(connection_id)


def _enabling_tests() -> bool:
    return connections.needs_test(connections.by_slug((request.view_args or {})["slug"]))


@admin.post("/connections/<slug>/enable")
@needs(Role.ADMIN)
@limited(TEST, _too_many, when=_enabling_tests)
def enable_connection(slug: str) -> Any:
    """Let a connection send."""
    one = connections.by_slug(slug)
    connection_id = one.id
    page = _page(one)
    try:
        connections.enable(connection_id)
        flash("Enabled. Messages are sent over this connection from now on.", "good")
    except ConnectionNotTested as refusal:
        return page.show(tested=refusal.tested, status=422)
    except Conflict as refusal:
        flash(str(refusal), "bad")
    return _to(connection_id)


@admin.route("/connections/<slug>/disable", methods=["GET", "POST"])
@needs(Role.ADMIN)
def disable_connection(slug: str) -> Any:
    """Ask whether a connection is to stop sending, and stop it."""
    one = connections.by_slug(slug)
    if not forms.posted():
        return _confirm_disabling(one)
    connection_id = one.id
    connections.disable(connection_id)
    flash("Disabled. Waiting messages are kept until you enable it again.", "info")
    return _to(connection_id)


def _confirm_disabling(one: Connection) -> str:
    here = url_for("admin.connection", slug=one.slug)
    count = connections.count_waiting(one.id)
    queued = plural(count, "message is", "messages are")
    routes = connections.routes_naming(one.id)
    return confirmation.ask(
        f"Disable {one.title}",
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
        cancel=here,
        crumbs=[("Integrations", url_for("admin.integrations")), (one.title, here)],
    )


def _too_many_messages(refusal: TooMany) -> Any:
    one = connections.by_slug((request.view_args or {})["slug"])
    return _page(one).too_many(refusal, send_form=forms.SendOne(request.form))


@admin.post("/connections/<slug>/send")
@needs(Role.OPERATOR)
@limited(SEND, _too_many_messages)
def send_one(slug: str) -> Any:
    """Send one message, to see one arrive."""
    one = connections.by_slug(slug)
    form = forms.SendOne(request.form)
    page = _page(one)
    connection_id = one.id
    text = f"Test message from Signpost, sent over {one.title}."
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
    return _to(connection_id, "send-one")


@admin.post("/connections/<slug>/do/<action>")
@needs(Role.ADMIN)
@limited(TEST, _too_many)
def connection_action(slug: str, action: str) -> Any:
    """Do what an integration offers beyond sending, such as setting its webhook."""
    one = connections.by_slug(slug)
    if action not in integrations.get(one.integration).actions:
        raise NotFound("unknown_action", "This connection does not have this action.")
    connection_id = one.id
    here = webhook_urls.webhook_of(one)
    try:
        running = integration_instances.instance(one)
        connection_page.let_go()
        flash(str(getattr(running, action)(here)), "good")
    except HubError as problem:
        flash(str(problem), "bad")
    return _to(connection_id)


# ── Its name and its end ──────────────────────────────────────────────────────────────────────────
@admin.route("/connections/<slug>/rename", methods=["GET", "POST"])
@needs(Role.ADMIN)
def rename_connection(slug: str) -> Any:
    """Ask for another name, and give it."""
    one = connections.by_slug(slug)
    form = forms.RenameConnection(request.form, data={"title": one.title, "slug": one.slug})
    if forms.posted():
        connection_id = one.id
        try:
            if form.validate():
                connections.rename(connection_id, form.title.data or "", form.slug.data or "")
                flash("Renamed.", "good")
                cls = integrations.registry().get(one.integration)
                if form.slug.data != slug and cls is not None and cls.supports("subscribe"):
                    told = (
                        f"{cls.provider} still sends its webhooks to the old address. Choose Set"
                        " webhook below."
                    )
                    flash(told, "warn")
                return _to(connection_id)
        except Refused as refusal:
            forms.blame(form, refusal)
        return _confirm(connections.by_slug(slug), "rename", form), 422
    return _confirm(one, "rename", form)


@admin.route("/connections/<slug>/archive", methods=["GET", "POST"])
@needs(Role.ADMIN)
def archive_connection(slug: str) -> Any:
    """Ask whether a connection is to end, and end it."""
    one = connections.by_slug(slug)
    if not forms.posted():
        return _confirm(one, "archive")
    title = one.title
    connections.archive(one.id)
    flash(f"{title} is archived. Callbacks about its messages are still verified.", "info")
    return redirect(url_for("admin.integrations"), 303)


def _confirm(one: Connection, what: str, form: forms.RenameConnection | None = None) -> str:
    return render_template(
        "connection_confirm.html",
        connection=one,
        what=what,
        form=form,
        waiting=connections.count_waiting(one.id),
        routes=connections.routes_naming(one.id),
    )


_page = connection_page.of


def _to(connection_id: str, anchor: str | None = None) -> Any:
    return redirect(
        url_for("admin.connection", slug=connection_page.find(connection_id).slug, _anchor=anchor),
        303,
    )
