"""Download the stored data of a contact, and erase a contact."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import InputRequired

from hub.admin.auth.guard import admin, require_role
from hub.admin.overview.damaged_row_notice import show_damaged_row_notice
from hub.admin.view.filters import plural
from hub.admin.view.forms import add_error
from hub.admin.view.message_rows import contact_name
from hub.core.errors import Refused
from hub.core.vocabulary import Role
from hub.db.store import transaction
from hub.models import Contact
from hub.shared import audit
from hub.signing import contact_erasure, personal_data


class EraseForm(FlaskForm):  # type: ignore[misc]
    """Confirm the erasure of a person, with its reason."""

    why = StringField(
        "Request for erasure",
        [InputRequired("Enter who asked for the erasure, and when.")],
        description=(
            "Enter who asked for the erasure, and when. Do not name the person, because the"
            " activity log keeps this text."
        ),
        render_kw={"autocomplete": "off"},
    )


@admin.get("/contacts/<contact_id>/data")
@require_role(Role.ADMIN)
@show_damaged_row_notice("contacts")
def contact_data(contact_id: str) -> Response:
    """Return all data stored about a contact, as a JSON file."""
    data = personal_data.collect_personal_data(contact_id)
    _record_export(contact_id)
    response = Response(
        json.dumps(data, indent=2, ensure_ascii=False, default=str),
        content_type="application/json",
    )
    response.headers.set("Content-Disposition", "attachment", filename=f"{contact_id}.json")
    return response


@transaction
def _record_export(contact_id: str) -> None:
    audit.record("contact.exported", contact_id, "a contact")


@admin.get("/contacts/<contact_id>/erase")
@require_role(Role.ADMIN)
@show_damaged_row_notice("contacts")
def confirm_erasure(contact_id: str) -> Any:
    """Ask for confirmation of an erasure."""
    return _page(contact_erasure.find_contact(contact_id), EraseForm(formdata=None))


@admin.post("/contacts/<contact_id>/erase")
@require_role(Role.ADMIN)
def erase_contact(contact_id: str) -> Any:
    """Erase a person."""
    form = EraseForm(request.form)
    try:
        if form.validate():
            result = contact_erasure.erase_contact(contact_id, reason=form.why.data or "")
            flash(
                f"Erased {plural(result.texts, 'text')}, the details of"
                f" {plural(result.people, 'participant')} and"
                f" {plural(result.webhooks, 'webhook')}.",
                "good",
            )
            return redirect(url_for("admin.contact", contact_id=contact_id), 303)
    except Refused as refusal:
        add_error(form, refusal)
    return _page(contact_erasure.find_contact(contact_id), form), 422


def _page(contact: Contact, form: EraseForm) -> str:
    return render_template(
        "erase.html",
        contact=contact,
        name=contact_name(contact),
        form=form,
        messages=contact_erasure.count_messages(contact.id),
        others=[(other, contact_name(other)) for other in contact_erasure.other_contacts(contact)],
    )
