"""List, add, remove, import and export opt-outs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from flask_wtf.file import FileField, FileRequired
from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import InputRequired

from hub.accounts import sources
from hub.admin.auth.guard import accepts_body, admin, has_role, require_role
from hub.admin.contacts import opt_out_descriptions
from hub.admin.view.filters import phone, plural, sender_name
from hub.admin.view.forms import add_error
from hub.admin.view.pagination import paginate_query
from hub.admin.view.status_badges import channel_title
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import TEXT_CHANNELS, Address, Channel, Role
from hub.db.engine import db
from hub.db.types import is_id
from hub.lib import addresses
from hub.messaging.contacts import consents
from hub.messaging.contacts import suppressions as opt_outs
from hub.messaging.contacts.csv_files import ImportReport
from hub.messaging.contacts.opt_out_files import export_opt_outs, import_opt_outs
from hub.messaging.contacts.opt_out_status import OptOut
from hub.messaging.policy import opt_out_kinds
from hub.messaging.state import unreadable_rows
from hub.models import Connection, Suppression

REASONS = {
    "keyword": "Replied STOP",
    "unsubscribe": "Used the unsubscribe link",
    "provider": "Blocked by the provider",
    "admin": "Added manually",
    "complaint": "Complaint",
    "import": "Imported",
    "api": "Added through the API",
}


def reason_label(row: Suppression | OptOut) -> str:
    """Return how an address was opted out."""
    if row.channel == Channel.VOICE and row.reason in ("keyword", "unsubscribe"):
        return "Pressed 9 in a call"
    return REASONS.get(row.reason, row.reason)


IMPORTS = {"opt-outs": import_opt_outs, "consents": consents.import_consents}
EXPORTS = {"opt-outs": export_opt_outs, "consents": consents.export_consents}
MAX_FILE_SIZE = 8 * 1024 * 1024  # bytes
MAX_REFUSED_LINES = 20  # refused lines that the page lists


def _demo() -> bool:
    return bool(current_app.extensions["hub.config"].demo)


class OptOutForm(FlaskForm):  # type: ignore[misc]
    """Opt out an address."""

    address = StringField(
        "Phone number or email address",
        [InputRequired("Enter a phone number or an email address.")],
        render_kw={"mono": True},
    )
    channel = SelectField(
        "Channel",
        choices=lambda: {
            "": "Every channel",
            **{channel.value: channel_title(channel.value) for channel in TEXT_CHANNELS},
        },
    )
    why = StringField("Reason", description="Enter who asked for the opt-out, and how.")
    test = BooleanField(
        "Test data",
        description="Applies to test connections only. Clear it to block live messages.",
        default=_demo,
    )


class ImportForm(FlaskForm):  # type: ignore[misc]
    """Import opt-outs or consents from a file."""

    kind = SelectField("Content", choices={"opt-outs": "Opt-outs", "consents": "Consents"})
    file = FileField(
        "CSV file",
        [FileRequired("Choose a file.")],
        description=(
            "Choose an exported file, or a file whose first line names the columns, in any"
            " order. Opt-outs need `address`. Consents need `address` and `given` (yes or no)."
        ),
    )
    test = BooleanField(
        "Test data",
        description="Applies to test connections only. Clear it to change live data.",
        default=_demo,
    )


@admin.get("/opt-outs")
@require_role(Role.VIEWER)
def suppressions() -> Any:
    """List opt-outs, newest first."""
    return _page()


@admin.post("/opt-outs")
@require_role(Role.OPERATOR)
def add_suppression() -> Any:
    """Opt out an address."""
    form = OptOutForm()
    if not form.validate():
        return _page(form), 422
    try:
        kind, form.address.data = addresses.parse_typed(form.address.data or "")
        opt_outs.add_opt_out(
            form.address.data,
            channel=form.channel.data or "",
            explanation=form.why.data or "",
            test=bool(form.test.data),
        )
    except Refused as refusal:
        add_error(form, refusal)
        return _page(form), 422
    shown_address = phone(form.address.data) if kind == Address.PHONE else form.address.data
    flash(
        f"{shown_address} is opted out. It receives no messages, and queued messages are not sent.",
        "good",
    )
    return redirect(url_for("admin.suppressions"), 303)


@admin.route("/opt-outs/<suppression_id>", methods=["GET", "POST"])
@require_role(Role.ADMIN)
def remove_opt_out(suppression_id: str) -> Any:
    """Ask for the reason, and remove an opt-out."""
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
        opt_out = opt_outs.find_active_opt_out(suppression_id)
        if request.method == "POST":
            opt_outs.lift_opt_out(suppression_id, reason=form.why.data or "")
            flash("Opt-out removed. This address can receive messages again.", "good")
            return redirect(url_for("admin.suppressions"), 303)
    except NotFound as error:
        flash(str(error), "warn")
        return redirect(url_for("admin.suppressions"), 303)
    except Refused as refusal:
        add_error(form, refusal)
        return _confirm_removal(form, opt_out), 422
    return _confirm_removal(form, opt_out)


def _confirm_removal(form: FlaskForm, opt_out: opt_outs.AddressOptOut) -> str:
    reporters = opt_out_kinds.find_integrations([opt_out.row])
    return render_template("open_again.html", form=form, opt_out=_row(opt_out, reporters))


@admin.post("/opt-outs/import")
@require_role(Role.ADMIN)
@accepts_body(MAX_FILE_SIZE)
def import_suppressions() -> Any:
    """Add every opt-out or consent of a file, and list the refused lines."""
    form = ImportForm(prefix="file-")
    if not form.validate():
        return _page(form_import=form), 422
    try:
        report = IMPORTS[form.kind.data or ""](form.file.data.read(), test=bool(form.test.data))
    except Refused as refusal:
        add_error(form, refusal)
        return _page(form_import=form), 422
    return _page(report=report, report_title=_report_title(form.kind.data or "", report))


@admin.get("/opt-outs/files/<kind>")
@require_role(Role.ADMIN)
def export_suppressions(kind: str) -> Response:
    """Return all opt-outs or all consents as a CSV file."""
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
    report_title: str = "",
) -> str:
    q = request.args.get("q", "").strip()
    lifted = request.args.get("show") == "lifted"
    problem = ""
    active_filters = {
        name: value for name, value in (("q", q), ("show", "lifted" if lifted else "")) if value
    }
    try:
        q = addresses.parse_typed(q)[1] if q else ""
        query = opt_outs.list_opt_outs(address=q, lifted=lifted)
    except Refused as refusal:
        problem = str(refusal)
        query = opt_outs.list_opt_outs(lifted=lifted)
    page = paginate_query(query, Suppression.id, "sup", active_filters)
    addressed = opt_outs.with_addresses(page.rows)
    reporters = opt_out_kinds.find_integrations(page.rows)
    return render_template(
        "suppressions.html",
        source_names=sources.source_names_by_id(),
        rows=unreadable_rows.readable_rows(
            "suppressions", addressed, lambda opt_out: _row(opt_out, reporters)
        ),
        filters=_chips(lifted=lifted),
        q=q,
        problem=problem,
        lifted=lifted,
        newer=page.newer,
        older=page.older,
        form=(form or OptOutForm(formdata=None)) if has_role(Role.OPERATOR) else None,
        form_import=(
            (form_import or ImportForm(formdata=None, prefix="file-"))
            if has_role(Role.ADMIN)
            else None
        ),
        may_lift=has_role(Role.ADMIN),
        report=report,
        report_title=report_title,
        max_refused_lines=MAX_REFUSED_LINES,
    )


def _chips(*, lifted: bool) -> list[dict[str, Any]]:
    """Return the filters of the list."""
    return [
        {"title": "Active", "href": url_for("admin.suppressions"), "here": not lifted, "icon": ""},
        {
            "title": "Removed",
            "href": url_for("admin.suppressions", show="lifted"),
            "here": lifted,
            "icon": "",
        },
    ]


def _report_title(kind: str, report: ImportReport) -> str:
    stored = plural(report.stored, "address was", "addresses were") + " opted out."
    repeated = "already opted out."
    if kind == "consents":
        stored = plural(report.stored, "consent was", "consents were") + " recorded."
        repeated = "already recorded."
    if not report.duplicates:
        return stored
    return f"{stored} {plural(report.duplicates, 'was', 'were')} {repeated}"


def _sender(sender: str) -> str:
    """Return a sender's phone number or name, or the title of a connection without a sender."""
    connection = db.session.get(Connection, sender) if is_id("con", sender) else None
    return connection.title if connection else sender_name(sender)


def _row(opt_out: opt_outs.AddressOptOut, reporters: Mapping[str, str]) -> dict[str, Any]:
    row = opt_out.row
    integration = reporters.get(row.id, "")
    problem = opt_out_descriptions.describe_suppression(row, integration)
    is_reported = row.reason == opt_outs.BY_PROVIDER
    return {
        "id": row.id,
        "address": opt_out.address,
        "contact_id": opt_out.contact_id,
        "channel": row.channel,
        "sender": _sender(row.sender),
        "reason": problem.text if is_reported else reason_label(row),
        "is_unreachable": opt_out_descriptions.is_unreachable(row, integration),
        "code": row.code,
        "why": row.explanation,
        "since": row.since,
        "lifted_at": row.lifted_at,
        "lifted_why": row.lift_reason,
        "message_id": row.message_id,
        "test": row.test,
        "source_id": row.source_id,
    }
