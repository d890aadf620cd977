"""Render the page of a connection: its settings, setup steps, last test and last test message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import flash, g, make_response, redirect, render_template, url_for
from wtforms import Form

from hub import integrations as integration_registry
from hub.accounts.rate_limits import RateLimited
from hub.admin.auth.guard import has_role
from hub.admin.connections import (
    connection_health,
    integrations,
    rules_summary,
    secret_resubmission,
    send_test_message,
    setup_steps,
    signing_app,
    test_result_token,
    webhook_urls,
)
from hub.admin.view import datetimes, filters, forms
from hub.admin.view.template_titles import EVENT_TITLES
from hub.connections import connection_tests, connections, demo, settings_form
from hub.connections.connection_tests import ConnectionTestResult
from hub.core.vocabulary import ConnectionState, EventType, Role
from hub.db.engine import db
from hub.integrations.base import ConfigForm, Integration
from hub.models import Connection
from hub.signing import team_subscriptions
from hub.signing.chat_invitations import Invitation


@dataclass
class ConnectionPage:
    """The page of a stored connection or a new one."""

    integration_class: type[Integration]
    connection_id: str = ""
    name_form: Form | None = None
    entered_values: Mapping[str, str] | None = None  # the posted settings
    simulated: bool = False  # whether a new connection uses the simulator
    passed: str = ""  # the posted hidden field of a test that passed

    def show(
        self,
        *,
        form: ConfigForm | None = None,
        tested: ConnectionTestResult | None = None,
        limited: str = "",
        status: int = 200,
        send_form: forms.TestMessageForm | None = None,
        send_problem: str = "",
        invitation: Invitation | None = None,
    ) -> Any:
        """Return the page as a response, with everything that the user typed."""
        connection = find(self.connection_id) if self.connection_id else None
        stored = _readable_settings(connection) if connection else {}
        result = tested or (None if limited else _last_failed_test(connection))
        form = form or (tested and tested.form) or self._form(stored)
        if self.entered_values is not None:
            secret_resubmission.encrypt_entered_secrets(
                self.integration_class, form, self.entered_values, g.user.id
            )
        _mark_field(form, result)
        send_part = send_test_message.build_test_message_context(
            self.integration_class, connection, send_form, send_problem
        )
        sent_one = send_test_message.was_sent(send_part["last_send"])
        page = render_template(
            "connection.html",
            integration=self.integration_class,
            connection=connection,
            name_form=self.name_form,  # before the settings, as in the error summary
            form=form,
            steps=self._setup_steps(connection, sent_one=sent_one, tested=tested),
            result=result,
            limited=limited,
            passed=test_result_token.encrypt_result(tested, g.user.id) or self.passed,
            simulated=self.simulated,
            simulator_href=_simulator_href(self.integration_class) if connection is None else "",
            rules=rules_summary.summarize_rules(connection) if connection else [],
            may=has_role(Role.ADMIN),
            **_header_context(connection),
            **webhook_urls.build_webhooks_context(self.integration_class, connection),
            **send_part,
            **signing_app.build_signing_app_context(self.integration_class, connection),
            **_team_posts_context(self.integration_class, connection, stored, invitation),
        )
        return make_response(page, status)

    def show_rate_limited(
        self, refusal: RateLimited, *, send_form: forms.TestMessageForm | None = None
    ) -> Any:
        """Return the page with the message that a limit was exceeded, and when to try again."""
        if send_form is not None:
            response = self.show(send_form=send_form, send_problem=str(refusal), status=429)
        else:
            response = self.show(limited=str(refusal), status=429)
        response.headers["Retry-After"] = str(refusal.retry_after)
        return response

    def _setup_steps(
        self, connection: Connection | None, *, sent_one: bool, tested: ConnectionTestResult | None
    ) -> list[setup_steps.Step]:
        passed = tested.check.ok if tested else None
        if not self.integration_class.is_source:
            return setup_steps.list_setup_steps(connection, sent_one=sent_one, passed=passed)
        has_received = signing_app.has_received(connection)
        return setup_steps.list_setup_steps(
            connection, sent_one=has_received, passed=passed, last=setup_steps.EVENT
        )

    def _form(self, stored: Mapping[str, Any]) -> ConfigForm:
        if self.entered_values is None:
            return settings_form.empty_form(self.integration_class, stored)
        return settings_form.refilled_form(self.integration_class, self.entered_values, stored)


def _simulator_href(integration_class: type[Integration]) -> str:
    """Return the link to a new connection's form with simulator settings, or '' if there
    are none.
    """
    if demo.simulator_settings(integration_class) is None:
        return ""
    return url_for("admin.new_connection", name=integration_class.name, simulator=1)


def find(connection_id: str) -> Connection:
    """Return a connection by ID, read again from the database."""
    return db.session.get_one(Connection, connection_id)


def redirect_to(connection_id: str, anchor: str | None = None) -> Any:
    """Return a redirect to the page of a stored connection, whose slug may have changed."""
    page_url = url_for("admin.connection", slug=find(connection_id).slug, _anchor=anchor)
    return redirect(page_url, 303)


def end_read_transaction() -> None:
    """End the reading transaction, so that none stays open during a call to a provider."""
    db.session.rollback()


def build_page(connection: Connection, values: Mapping[str, str] | None = None) -> ConnectionPage:
    """Return the page of a stored connection. `values`: the posted settings."""
    return ConnectionPage(
        integration_registry.get(connection.integration), connection.id, entered_values=values
    )


def _readable_settings(connection: Connection) -> Mapping[str, Any]:
    """Return the stored settings, and warn the user if some cannot be decrypted."""
    stored, unreadable = connection_tests.readable_settings(connection)
    if unreadable:
        flash(
            f"The stored settings cannot be read. {unreadable} Or enter them again and save.",
            "bad",
        )
    return stored


def _mark_field(form: ConfigForm, result: ConnectionTestResult | None) -> None:
    """Show a failed test next to the field that caused it."""
    if result and not result.check.ok and result.check.field in form:
        field = form[result.check.field]
        field.errors = [*field.errors, result.check.title]


def _header_context(connection: Connection | None) -> dict[str, Any]:
    """Return the template variables of the page's head and the notices under it."""
    if connection is None:
        return {"lead": "", "health_notice": None}
    notice = connection_health.describe_health([connection]).get(connection.id)
    return {"lead": _subtitle(connection), "health_notice": notice}


def _team_posts_context(
    integration_class: type[Integration],
    connection: Connection | None,
    stored: Mapping[str, Any],
    invitation: Invitation | None,
) -> dict[str, Any]:
    """Return the template variables of the panel about posts to a team."""
    destination = connection.destination if connection else ""
    configured = integration_class.destination_of(stored) if destination else ""
    return {
        "events": [(event_type, EVENT_TITLES[event_type]) for event_type in EventType],
        "posted": team_subscriptions.posted_events(connection.id) if connection else [],
        "destination_label": integration_class.destination_label(destination),
        "moved": bool(configured and configured != destination),
        "invites": integration_class.supports("invite") and has_role(Role.ADMIN),
        "invitation": invitation,
    }


def _last_failed_test(connection: Connection | None) -> ConnectionTestResult | None:
    """Return the last test of the stored settings if it failed; a passed one is not shown."""
    if connection is None or connection.archived_at is not None:
        return None
    tested = connection_tests.get_last_result(connection)
    return tested if tested and not tested.check.ok else None


def _subtitle(connection: Connection) -> str:
    sender = filters.sender_name(connection.sender)
    text = ""
    if sender and sender != connection.destination:
        text = f"Sends from {filters.phone(sender)}."
    if connection.destination:
        label = integration_registry.destination_label(
            connection.integration, connection.destination
        )
        text += f" Posts to {label}."
    if connection.state == ConnectionState.BROKEN:
        waiting = integrations.waiting_text(connections.count_waiting(connection.id))
        return f"{text} Paused {datetimes.format_relative(connection.state_at)}. {waiting}".strip()
    if connection.enabled and not connection.ready:
        return f"{text} Not tested since the settings changed.".strip()
    return text
