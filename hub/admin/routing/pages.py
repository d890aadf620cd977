"""Show the Routing page, and save the routes of its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request, url_for

from hub.accounts import sources
from hub.admin.auth.guard import admin, has_role, require_role
from hub.admin.routing import dry_run
from hub.admin.routing.grid import COLUMNS, Grid, cell_url, read_grid
from hub.admin.routing.route_descriptions import (
    AUDIENCES,
    EVENTS,
    MEMBERS,
    StepWords,
    describe_choices,
    describe_steps,
)
from hub.admin.routing.route_form import (
    RouteForm,
    add_problems,
    build_form,
    edit_steps,
    find_changed_step,
    read_route,
    set_choices,
)
from hub.admin.settings.source_reminders import ScheduleFields, schedule_values
from hub.admin.view import confirmation
from hub.admin.view.filters import plural
from hub.core.errors import Conflict, NotFound, Refused
from hub.core.vocabulary import EventType, Role
from hub.db.engine import db
from hub.db.types import creation_time
from hub.models import Route, Source, User
from hub.signing import routes, stopping
from hub.signing.reminder_schedule import Schedule
from hub.signing.routes import RouteIn

SHOWN_VERSIONS = 10


@admin.get("/routing")
@require_role(Role.VIEWER)
def routing() -> Any:
    """Show who is notified of each event."""
    return _page(read_grid(_source()))


@admin.get("/routing/<event>/<audience>")
@require_role(Role.VIEWER)
def route(event: str, audience: str) -> Any:
    """Show the grid with the panel of one cell. `version`: a previous version to start from."""
    event_type = _cell(event, audience)
    grid = read_grid(_source())
    version = _version(event_type, audience, grid.source, request.args.get("version", ""))
    entered = routes.read_entry(version) if version else grid.entry(event_type, audience)
    seen = _seen(grid, event_type, audience)
    form = build_form(entered, grid.connections, seen)
    schedule = _build_schedule(event_type, entered)
    return _page(grid, event_type, audience, form, entered, schedule, focused=0)


@admin.post("/routing/<event>/<audience>")
@require_role(Role.ADMIN)
def change_route(event: str, audience: str) -> Any:
    """Add, remove or move a step, show an example, or save the route."""
    event_type = _cell(event, audience)
    grid = read_grid(_source())
    form = RouteForm(request.form)
    set_choices(form, grid.connections)
    entered, problems = read_route(form)
    schedule = ScheduleFields(request.form) if event_type == EventType.REMINDER else None
    action = request.form.get("do", "save")
    if action not in ("save", "example"):
        entered = edit_steps(entered, action, grid.connections)
        form = build_form(entered, grid.connections, form.seen.data or "")
        changed = find_changed_step(entered, action)
        return _page(grid, event_type, audience, form, entered, schedule, focused=changed)
    problems = problems or list(routes.find_problems(event_type, audience, entered))
    add_problems(form, problems)
    is_valid = (schedule is None or schedule.validate()) and not problems
    if not is_valid or action == "example":
        page = _page(grid, event_type, audience, form, entered, schedule)
        return page, 200 if is_valid else 422
    if schedule is not None:
        entered = replace(entered, schedule=schedule.settings)
    return _save(grid, event_type, audience, form, entered)


@admin.route("/routing/<event>/<audience>/general", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def follow_general_route(event: str, audience: str) -> Any:
    """Ask for confirmation, and remove a source's own route."""
    event_type = _cell(event, audience)
    source = _source()
    if source is None:
        raise NotFound("unknown_source", "Choose a source.", field="source")
    url = cell_url(event_type, audience, source)
    if (event_type, audience) not in routes.read_routes_in_force(source.id):
        flash("The general route applies already.", "info")
        return redirect(url, 303)
    if request.method == "GET":
        return confirmation.ask(
            "Use the general route",
            [
                f"The general route replaces the route of {source.name} for this event:"
                f" {EVENTS[event_type][1]} It decides how {AUDIENCES[audience].lower()}"
                f" {'are' if AUDIENCES[audience].endswith('s') else 'is'} notified.",
                "Messages in progress keep their current steps.",
            ],
            button="Use the general route",
            cancel=url,
            crumbs=[("Routing", url_for("admin.routing", source=source.slug))],
        )
    routes.follow_general_route(event_type, audience, source.id)
    flash("The general route applies again.", "good")
    return redirect(url, 303)


@admin.route("/routing/<event>/<audience>/stop", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def stop_fallbacks(event: str, audience: str) -> Any:
    """Ask for confirmation, and stop the fallbacks of the version that `version` names."""
    event_type = _cell(event, audience)
    source = _source()
    version = _version(event_type, audience, source, request.args.get("version", ""))
    if version is None or not stopping.has_fallbacks(version):
        raise NotFound("no_such_route", "There is no such version of a route with fallbacks.")
    url = cell_url(event_type, audience, source)
    if request.method == "GET":
        waiting = stopping.count_waiting([version.id]).get(version.id, 0)
        return confirmation.ask(
            f"Stop the fallbacks of version {version.version}",
            [
                _describe_waiting(waiting),
                "No other step follows the messages that this version has sent or queued."
                " Messages of later steps that were not sent yet are canceled.",
                "First messages that are queued are still sent."
                + ("" if version.replaced_at else " Events from now on have fallbacks again."),
            ],
            button="Stop fallbacks",
            cancel=url,
            crumbs=[("Routing", url_for("admin.routing", source=source.slug if source else None))],
        )
    stopping.stop_fallbacks(version.id)
    flash(f"The fallbacks of version {version.version} are stopped.", "good")
    return redirect(url, 303)


def _describe_waiting(waiting: int) -> str:
    """Return how many messages wait for a next step of a version."""
    if not waiting:
        return "No messages are waiting for a next step of this version."
    verb = "is" if waiting == 1 else "are"
    return f"{plural(waiting, 'message')} {verb} waiting for a next step of this version."


def _save(grid: Grid, event_type: str, audience: str, form: RouteForm, entered: RouteIn) -> Any:
    source_id = grid.source.id if grid.source else None
    seen = form.seen.data or None
    try:
        saved = routes.save_route(event_type, audience, source_id, entered, replaces=seen)
    except Conflict as conflict:
        return _conflict(event_type, audience, form, entered, conflict), 409
    except Refused as refusal:
        add_problems(form, [refusal])
        schedule = _build_schedule(event_type, entered)
        return _page(grid, event_type, audience, form, entered, schedule), 422
    if saved == seen:
        flash("Nothing has changed.", "info")
    else:
        flash("Changes saved. They apply to events from now on.", "good")
    return redirect(cell_url(event_type, audience, grid.source), 303)


def _conflict(
    event_type: str, audience: str, form: RouteForm, entered: RouteIn, conflict: Conflict
) -> str:
    """Return the page with the entered steps, which replace the newest version if saved again."""
    grid = read_grid(_source())
    form.seen.data = _seen(grid, event_type, audience)
    add_problems(form, [conflict])
    schedule = _build_schedule(event_type, entered)
    return _page(grid, event_type, audience, form, entered, schedule)


def _build_schedule(event_type: str, entered: RouteIn) -> ScheduleFields | None:
    """Return the fields of the schedule of reminders, or None for another event."""
    if event_type != EventType.REMINDER:
        return None
    return ScheduleFields(data=schedule_values(Schedule.from_settings(entered.schedule)))


def _cell(event: str, audience: str) -> str:
    """Return the event type of a cell. Raises NotFound."""
    event_type = f"request.{event}"
    if not routes.has_route(event_type, audience):
        raise NotFound("no_such_route", "There is no route for this event and audience.")
    return event_type


def _source() -> Source | None:
    """Return the source whose routes are shown, or None for those of all apps."""
    slug = request.args.get("source", "")
    return sources.get_source(slug) if slug else None


def _seen(grid: Grid, event_type: str, audience: str) -> str:
    """Return the ID of the version that a saved change replaces, or ''."""
    key = (event_type, audience)
    replaced = (grid.own if grid.source else grid.general).get(key)
    return replaced.id if replaced else ""


def _version(event_type: str, audience: str, source: Source | None, route_id: str) -> Route | None:
    """Return a previous version of a route, or None if the ID is not one of them."""
    versions = routes.read_versions(event_type, audience, source.id if source else None)
    return next((version for version in versions if version.id == route_id), None)


def _page(
    grid: Grid,
    event_type: str = "",
    audience: str = "",
    form: RouteForm | None = None,
    entered: RouteIn | None = None,
    schedule: ScheduleFields | None = None,
    *,
    focused: int | None = None,
) -> str:
    """Return the page, with the panel of a cell if there is a form.

    `focused`: the step that the keyboard continues at.
    """
    panel: dict[str, Any] = {}
    if form is not None and entered is not None:
        panel = _panel(grid, event_type, audience, form, entered)
    return render_template(
        "routing.html",
        source=grid.source,
        sources=sources.list_sources(),
        columns=[AUDIENCES[column] for column in COLUMNS],
        rows=grid.rows((event_type, audience)),
        form=form,
        schedule_form=schedule,
        focused=focused,
        may_change=has_role(Role.ADMIN),
        **panel,
    )


def _panel(
    grid: Grid, event_type: str, audience: str, form: RouteForm, entered: RouteIn
) -> dict[str, Any]:
    """Return the values of the panel that edits a cell."""
    source_id = grid.source.id if grid.source else None
    versions = routes.read_versions(event_type, audience, source_id)
    return {
        "cell": (event_type, audience),
        "cell_title": f"{EVENTS[event_type][0]}: {AUDIENCES[audience].lower()}",
        "cell_members": MEMBERS.get((event_type, audience), ""),
        "action": url_for(
            "admin.change_route",
            event=event_type.rpartition(".")[2],
            audience=audience,
            source=grid.source.slug if grid.source else None,
        ),
        "close_url": url_for("admin.routing", source=grid.source.slug if grid.source else None),
        "is_own": bool(grid.source and (event_type, audience) in grid.own),
        "warnings": grid.checks.find_warnings(event_type, audience, entered),
        "versions": _describe_versions(versions[:SHOWN_VERSIONS], event_type, audience, grid),
        "example": dry_run.build_example(
            event_type, audience, entered, request.form.get("person", "")
        ),
    }


@dataclass(frozen=True)
class VersionRow:
    """A version of a route, as the panel lists it."""

    route: Route
    author: str
    saved_at: datetime
    steps: Sequence[StepWords]
    choices: Sequence[str]  # the rest of the version, as sentences
    waiting: int  # messages whose next step may follow
    stop_url: str  # '' if no fallback of the version can be open


def _describe_versions(
    versions: Sequence[Route], event_type: str, audience: str, grid: Grid
) -> list[VersionRow]:
    waiting = stopping.count_waiting([version.id for version in versions])
    rows = []
    for version in versions:
        entered = routes.read_entry(version)
        rows.append(
            VersionRow(
                version,
                _author(version),
                creation_time(version.id),
                describe_steps(entered.steps, grid.titles),
                describe_choices(event_type, entered, grid.titles),
                waiting.get(version.id, 0),
                _stop_url(version, event_type, audience, grid.source),
            )
        )
    return rows


def _stop_url(version: Route, event_type: str, audience: str, source: Source | None) -> str:
    """Return the URL to stop the fallbacks of a version, or '' if none can be open."""
    is_over = version.replaced_at is not None and version.stopped_at is not None
    if is_over or not stopping.has_fallbacks(version):
        return ""
    return url_for(
        "admin.stop_fallbacks",
        event=event_type.rpartition(".")[2],
        audience=audience,
        source=source.slug if source else None,
        version=version.id,
    )


def _author(version: Route) -> str:
    """Return who saved a version."""
    if version.author_id is None:
        return "Signpost"
    user = db.session.get(User, version.author_id)
    return user.name if user else "a former user"
