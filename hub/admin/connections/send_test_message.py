"""Prepare the form that sends a test message over a connection, and the result of the last one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import url_for
from sqlalchemy import select

from hub.admin.auth.guard import has_role
from hub.admin.view import forms
from hub.core.vocabulary import Address, Channel, ConnectionState, Role, Status
from hub.db.engine import db
from hub.db.types import is_id
from hub.integrations.base import Integration
from hub.models import AuditEntry, Connection, Message, StatusEvent

ADDRESSES = {Address.PHONE: "Your mobile number", Address.EMAIL: "Your email address"}


def build_test_message_context(
    integration_class: type[Integration],
    connection: Connection | None,
    form: forms.TestMessageForm | None,
    problem: str,
) -> dict[str, Any]:
    """Return the template variables of the panel that sends a test message."""
    if connection is None or integration_class.is_source:
        return {"send_form": None, "send_problem": problem, "last_send": None, "why_not_send": ""}
    return {
        "send_form": (
            _add_labels(integration_class, connection, form or forms.TestMessageForm())
            if has_role(Role.OPERATOR)
            else None
        ),
        "send_problem": problem,
        "last_send": _last_send(connection),
        "why_not_send": _reason_not_to_send(connection),
    }


def was_sent(last_send: Mapping[str, Any] | None) -> bool:
    """Return whether the provider accepted the last test message."""
    return bool(last_send and last_send["accepted"])


def _add_labels(
    integration_class: type[Integration], connection: Connection, form: forms.TestMessageForm
) -> forms.TestMessageForm:
    """Return the form with labels for the connection, without a recipient if there is no choice."""
    form.to.label.text = ADDRESSES.get(integration_class.address, "Recipient")
    if integration_class.channel == Channel.VOICE:
        form.to.label.text = "Your phone number"  # also that of a landline
    if connection.destination:
        if not integration_class.reaches_people(connection.destination) and not form.errors:
            del form.to
            return form
        label = integration_class.destination_label(connection.destination)
        form.to.description = f"Leave empty to post to {label}."
        form.to.render_kw = {**form.to.render_kw, "autocomplete": "off"}
    return form


def _last_send(connection: Connection) -> dict[str, Any] | None:
    """Return the status of the last test message, or None if none was sent."""
    message = _last_message(connection)
    if message is None:
        return None
    status = Status.read(message.status)
    delivered = _first_delivery_report(message) if status.is_delivered else None
    return {
        "status": message.status,
        "href": url_for("admin.message", message_id=message.id),
        "at": message.created_at,
        "duration": (delivered.at - message.created_at) if delivered else None,
        "settled": message.settled,
        "accepted": status.awaits_report or status.is_delivered,
    }


def _last_message(connection: Connection) -> Message | None:
    query = select(AuditEntry).where(
        AuditEntry.subject == connection.id, AuditEntry.action == "connection.tried"
    )
    entry = db.session.scalar(query.order_by(AuditEntry.id.desc()).limit(1))
    message_id = str(entry.detail.get("message", "")) if entry else ""
    return db.session.get(Message, message_id) if is_id("msg", message_id) else None


def _first_delivery_report(message: Message) -> StatusEvent | None:
    """Return the first report of a message's delivery."""
    reports = select(StatusEvent).where(
        StatusEvent.message_id == message.id, StatusEvent.status == Status.DELIVERED
    )
    return db.session.scalar(reports.order_by(StatusEvent.id).limit(1))


def _reason_not_to_send(connection: Connection) -> str:
    if connection.archived_at is not None or connection.enabled:
        return ""
    if connection.state == ConnectionState.BROKEN:
        return "Available when the test has passed."
    after_test = "" if connection.ready else "the test passes and "
    return f"Available after {after_test}you enable the connection."
