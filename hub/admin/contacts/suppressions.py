"""Opt-outs: who must not be written to, since when and why; closing and opening addresses, in files
too.
"""

from __future__ import annotations

from typing import Any

from flask import Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import InputRequired

from hub.accounts import sources
from hub.admin.auth.guard import accepts_body, admin, may, needs
from hub.admin.view.filters import phone, plural
from hub.admin.view.forms import blame
from hub.admin.view.pagination import page
from hub.admin.view.status_badges import channel_title
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import Address, Channel, Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.lib import addresses
from hub.messaging.contacts import consents
from hub.messaging.contacts import suppressions as closed
from hub.messaging.contacts.csv_files import ImportReport
from hub.messaging.contacts.opt_out_files import export_opt_outs, import_opt_outs
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Suppression

REASONS = {
    "keyword": "Replied STOP",
    "provider": "Blocked by the provider",
    "admin": "Added manually",
    "complaint": "Complaint",
    "import": "Imported",
    "api": "Added through the API",
}
IMPORTS = {"opt-outs": import_opt_outs, "consents": consents.import_consents}
EXPORTS = {"opt-outs": export_opt_outs, "consents": consents.export_consents}
LARGEST = 8 * 1024 * 1024  # bytes of a file
SHOWN = 20  # refused lines that a page lists


def _demo() -> bool:
    return bool(current_app.extensions["hub.config"].demo)


class OptOutForm(FlaskForm):  # type: ignore[misc]
    """Close an address."""

    address = StringField(
        "Phone number or email address",
        [InputRequired("Enter a phone number or an email address.")],
        render_kw={"mono": True},
    )
    channel = SelectField(
        "Channel",
        choices=lambda: {
            "": "Every channel",
            **{one.value: channel_title(one.value) for one in Channel},
        },
    )
    why = StringField("Reason", description="Enter who asked for the opt-out, and how.")
    test = BooleanField("Test", description="Applies to test connections only.", default=_demo)


class ImportForm(FlaskForm):  # type: ignore[misc]
    """Close the addresses of a file, or record the consents in it."""

    kind = SelectField("Content", choices={"opt-outs": "Opt-outs", "consents": "Consents"})
    file = FileField(
        "CSV file",
        [FileRequired("Choose a file.")],
        description=(
            "The first line names the columns, in any order. Opt-outs: `address`,"
            " optional `channel` and `why`. Consents: `address`, `given` (yes or no),"
            " optional `channel`, `purpose`, `at`, `ip`, `agent` and `proof`. You can"
            " import an exported file."
        ),
    )
    test = BooleanField("Test", default=_demo)


@admin.get("/opt-outs")
@needs(Role.VIEWER)
def suppressions() -> Any:
    """List who must not be written to, newest first."""
    return _page()


@admin.post("/opt-outs")
@needs(Role.OPERATOR)
def add_suppression() -> Any:
    """Close an address."""
    form = OptOutForm()
    if not form.validate():
        return _page(form), 422
    try:
        kind, form.address.data = addresses.parse_typed(form.address.data or "")
        closed.add_opt_out(
            form.address.data,
            channel=form.channel.data or "",
            explanation=form.why.data or "",
            test=bool(form.test.data),
        )
    except Refused as refusal:
        blame(form, refusal)
        return _page(form), 422
    shown = phone(form.address.data) if kind == Address.PHONE else form.address.data
    flash(
        f"{shown} is opted out. It receives no messages, and queued messages are not sent.", "good"
    )
    return redirect(url_for("admin.suppressions"), 303)


@admin.route("/opt-outs/<suppression_id>", methods=["GET", "POST"])
@needs(Role.ADMIN)
def remove_opt_out(suppression_id: str) -> Any:
    """Ask why an address is opened again, and open it."""
    form = type(
        "LiftForm",
        (FlaskForm,),
        {
            "why": StringField(
                "Reason", description="For example: the person asked to receive messages again."
            )
        },
    )()
    try:
        one = closed.find_active_opt_out(suppression_id)
        if request.method == "POST":
            closed.lift_opt_out(suppression_id, reason=form.why.data or "")
            flash("Opt-out removed. This address can receive messages again.", "good")
            return redirect(url_for("admin.suppressions"), 303)
    except NotFound as problem:
        flash(str(problem), "warn")
        return redirect(url_for("admin.suppressions"), 303)
    except Refused as refusal:
        blame(form, refusal)
        return render_template("open_again.html", form=form, one=_row(one)), 422
    return render_template("open_again.html", form=form, one=_row(one))


@admin.post("/opt-outs/import")
@needs(Role.ADMIN)
@accepts_body(LARGEST)
def import_suppressions() -> Any:
    """Add every opt-out or consent of a file, and list the lines that were refused."""
    form = ImportForm(prefix="file-")
    if not form.validate():
        return _page(form_import=form), 422
    try:
        report = IMPORTS[form.kind.data or ""](form.file.data.read(), test=bool(form.test.data))
    except Refused as refusal:
        blame(form, refusal)
        return _page(form_import=form), 422
    return _page(report=report, told=_told(form.kind.data or "", report))


@admin.get("/opt-outs/files/<kind>")
@needs(Role.ADMIN)
def export_suppressions(kind: str) -> Response:
    """Give everything that is closed, or the ledger of consents, as a file."""
    if kind not in EXPORTS:
        abort(404)
    test = request.args.get("test") == "1"
    response = Response("".join(EXPORTS[kind](test=test)), content_type="text/csv; charset=utf-8")
    response.headers.set(
        "Content-Disposition", "attachment", filename=f"{kind}-test.csv" if test else f"{kind}.csv"
    )
    return response


def _page(
    form: OptOutForm | None = None,
    form_import: ImportForm | None = None,
    report: ImportReport | None = None,
    told: str = "",
) -> str:
    q = request.args.get("q", "").strip()
    lifted = request.args.get("show") == "lifted"
    problem = ""
    keep = {
        name: value for name, value in (("q", q), ("show", "lifted" if lifted else "")) if value
    }
    try:
        q = addresses.parse_typed(q)[1] if q else ""
        wanted = closed.list_opt_outs(address=q, lifted=lifted)
    except Refused as refusal:
        problem = str(refusal)
        wanted = closed.list_opt_outs(lifted=lifted)
    found = page(wanted, Suppression.id, "sup", keep)
    chips = [
        {"title": "Active", "href": url_for("admin.suppressions"), "here": not lifted, "icon": ""},
        {
            "title": "Removed",
            "href": url_for("admin.suppressions", show="lifted"),
            "here": lifted,
            "icon": "",
        },
    ]
    of_sources = sources.names()
    return render_template(
        "suppressions.html",
        of_sources=of_sources,
        rows=unreadable_rows.readable_rows("suppressions", closed.with_addresses(found.rows), _row),
        filters=chips,
        q=q,
        problem=problem,
        lifted=lifted,
        newer=found.newer,
        older=found.older,
        form=(form or OptOutForm(formdata=None)) if may(Role.OPERATOR) else None,
        form_import=(
            (form_import or ImportForm(formdata=None, prefix="file-")) if may(Role.ADMIN) else None
        ),
        may_lift=may(Role.ADMIN),
        report=report,
        told=told,
        shown=SHOWN,
    )


def _told(kind: str, report: ImportReport) -> str:
    if kind == "consents":
        known = (
            f" {plural(report.duplicates, 'was', 'were')} already recorded."
            if report.duplicates
            else ""
        )
        return f"{plural(report.stored, 'consent was', 'consents were')} recorded.{known}"
    known = (
        f" {plural(report.duplicates, 'was', 'were')} already opted out."
        if report.duplicates
        else ""
    )
    return f"{plural(report.stored, 'address was', 'addresses were')} opted out.{known}"


def _sender(sender: str) -> str:
    """Return a sender as people know it; of a connection without one, the connection's name."""
    connection = db.session.get(Connection, sender) if is_id("con", sender) else None
    return connection.title if connection else sender.rpartition(":")[2]


def _row(one: closed.AddressOptOut) -> dict[str, Any]:
    row = one.row
    return {
        "id": row.id,
        "address": one.address,
        "contact_id": one.contact_id,
        "channel": row.channel,
        "sender": _sender(row.sender),
        "reason": REASONS.get(row.reason, row.reason),
        "code": row.code,
        "why": row.explanation,
        "since": row.since,
        "lifted_at": row.lifted_at,
        "lifted_why": row.lift_reason,
        "message_id": row.message_id,
        "test": row.test,
        "source_id": row.source_id,
    }
