"""Show the evidence of a request, download it, and place or remove a legal hold."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired, Length

from hub.admin.auth.guard import admin, require_role
from hub.admin.evidence.entry_lines import EntryDescriptions, pdf_lines
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.requests.pages import get_request_or_404
from hub.admin.view.forms import add_error
from hub.admin.view.message_rows import request_title
from hub.core.errors import NotFound, Refused
from hub.core.vocabulary import Role
from hub.db.store import transaction
from hub.evidence import export, holds, pdf, request_facts
from hub.shared import audit


class HoldForm(FlaskForm):  # type: ignore[misc]
    """Place a legal hold."""

    reason = StringField(
        "Reason",
        [
            InputRequired("Enter a reason, such as the number of the case."),
            Length(max=holds.MAX_REASON),
        ],
        description="Enter a reason, such as the number of the case. It is stored encrypted.",
        render_kw={"autocomplete": "off", "maxlength": holds.MAX_REASON},
    )


@admin.get("/requests/<request_id>/evidence")
@require_role(Role.ADMIN)  # it shows the signing links in texts
@show_damaged_row_notice("requests")
def evidence(request_id: str) -> Any:
    """Show the evidence of a request."""
    return _page(request_id, HoldForm(formdata=None))


@admin.get("/requests/<request_id>/evidence.json")
@require_role(Role.ADMIN)
def evidence_file(request_id: str) -> Response:
    """Return the evidence of a request as the file that can be verified."""
    row = get_request_or_404(request_id)
    data = export.encode_evidence(export.export_evidence(row.id))
    _record_download(row.id)
    response = Response(data, content_type="application/json")
    response.headers.set("Content-Disposition", "attachment", filename=f"evidence-{row.id}.json")
    return response


@admin.get("/requests/<request_id>/evidence.pdf")
@require_role(Role.ADMIN)
def evidence_pdf(request_id: str) -> Any:
    """Return the evidence of a request as PDF, with the file that can be verified attached."""
    row = get_request_or_404(request_id)
    evidence = export.export_evidence(row.id)
    try:
        data = pdf.write_pdf(evidence, pdf_lines(evidence))
    except pdf.PdfFailed as error:
        flash(str(error), "warn")
        return redirect(url_for("admin.evidence", request_id=row.id), 303)
    _record_download(row.id)
    response = Response(data, content_type="application/pdf")
    response.headers.set("Content-Disposition", "attachment", filename=f"evidence-{row.id}.pdf")
    return response


@transaction
def _record_download(request_id: str) -> None:
    audit.record(request_facts.DOWNLOADED, request_id)


@admin.post("/requests/<request_id>/hold")
@require_role(Role.ADMIN)
def place_hold(request_id: str) -> Any:
    """Place a legal hold on a request."""
    row = get_request_or_404(request_id)
    form = HoldForm(request.form)
    try:
        if form.validate():
            holds.place_hold(row.id, form.reason.data or "")
            flash("Legal hold placed. Nothing about this request is deleted.", "good")
            return redirect(url_for("admin.evidence", request_id=row.id), 303)
    except Refused as refusal:
        add_error(form, refusal)
    return _page(request_id, form), 422


@admin.post("/requests/<request_id>/hold/remove")
@require_role(Role.ADMIN)
def remove_hold(request_id: str) -> Any:
    """Remove the legal hold of a request."""
    row = get_request_or_404(request_id)
    try:
        holds.remove_hold(row.id)
    except NotFound as error:
        flash(str(error), "warn")
    else:
        flash("Legal hold removed. Retention applies again.", "good")
    return redirect(url_for("admin.evidence", request_id=row.id), 303)


def _page(request_id: str, form: HoldForm) -> str:
    row = get_request_or_404(request_id)
    evidence: dict[str, Any] | None = None
    problem = ""
    try:
        evidence = export.export_evidence(row.id)
    except NotFound as error:
        problem = str(error)
    return render_template(
        "evidence.html",
        request_id=row.id,
        title=request_title(row),
        test=row.test,
        problem=problem,
        interim=evidence is not None and evidence["about"]["status"] == export.INTERIM,
        lines=EntryDescriptions(evidence).lines() if evidence else [],
        head=evidence["entries"][-1]["hash"] if evidence else "",
        hold=holds.find_hold(row.id),
        form=form,
    )
