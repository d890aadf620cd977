"""The page of a connection: settings, set-up steps, last test and last message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import flash, g, make_response, render_template, url_for
from wtforms import Form

from hub import integrations as integration_registry
from hub.accounts.limits import TooMany
from hub.admin.auth.guard import may
from hub.admin.connections import (
    connection_health,
    integrations,
    passed_test,
    rules_summary,
    secret_resubmission,
    setup_steps,
    trial_message,
    webhook_urls,
)
from hub.admin.view import datetimes, filters, forms, status_badges
from hub.connections import connection_tests, connections, demo, settings_form
from hub.connections.connection_tests import ConnectionTestResult
from hub.core.vocabulary import ConnectionState, EventType, Role
from hub.db.engine import db
from hub.integrations.base import ConfigForm, Integration
from hub.models import Connection
from hub.signing import team_subscriptions
from hub.signing.chat_invitations import Invitation


@dataclass
class Page:
    """The page of a connection, stored or not yet.

    `typed` is what was posted to it. `simulated`: a new connection is to use the simulator.
    """

    cls: type[Integration]
    connection_id: str = ""
    name_form: Form | None = None
    typed: Mapping[str, str] | None = None
    simulated: bool = False
    passed: str = ""  # the hidden field of a test that passed, as it was posted

    def show(
        self,
        *,
        form: ConfigForm | None = None,
        tested: ConnectionTestResult | None = None,
        limited: str = "",
        status: int = 200,
        send_form: forms.SendOne | None = None,
        send_problem: str = "",
        invitation: Invitation | None = None,
    ) -> Any:
        """Answer with the page, everything that was typed still in it."""
        one = find(self.connection_id) if self.connection_id else None
        stored = _readable_settings(one) if one else {}
        result = tested or (None if limited else _failed(one))
        form = form or (tested and tested.form) or self._form(stored)
        if self.typed is not None:
            secret_resubmission.keep(self.cls, form, self.typed, g.user.id)
        _mark_field(form, result)
        sending = trial_message.send_part(self.cls, one, send_form, send_problem)
        page = render_template(
            "connection.html",
            integration=self.cls,
            connection=one,
            name_form=self.name_form,  # before the settings, as in the error summary
            form=form,
            steps=setup_steps.steps(one, sent_one=trial_message.was_sent(sending["last_send"])),
            result={"limited": limited} if limited else result,
            passed=passed_test.seal(tested, g.user.id) or self.passed,
            simulated=self.simulated,
            simulator_href=_simulator_href(self.cls) if one is None else "",
            rules=rules_summary.summary(one) if one else [],
            may=may(Role.ADMIN),
            **_head_part(one),
            **webhook_urls.webhooks_part(self.cls, one),
            **sending,
            **_posts_part(self.cls, one, stored, invitation),
        )
        return make_response(page, status)

    def too_many(self, refusal: TooMany, *, send_form: forms.SendOne | None = None) -> Any:
        """Answer that this was too often, and when to try again."""
        if send_form is not None:
            answer = self.show(send_form=send_form, send_problem=str(refusal), status=429)
        else:
            answer = self.show(limited=str(refusal), status=429)
        answer.headers["Retry-After"] = str(refusal.retry_after)
        return answer

    def _form(self, stored: Mapping[str, Any]) -> ConfigForm:
        if self.typed is None:
            return settings_form.empty_form(self.cls, stored)
        return settings_form.refilled_form(self.cls, self.typed, stored)


def _simulator_href(cls: type[Integration]) -> str:
    """Return where the form of a new connection is filled in for the simulator, '' without one."""
    if demo.simulator_settings(cls) is None:
        return ""
    return url_for("admin.new_connection", name=cls.name, simulator=1)


def find(connection_id: str) -> Connection:
    """Return a connection by id, as it is now."""
    return db.session.get_one(Connection, connection_id)


def let_go() -> None:
    """End the reading transaction: none is open while a provider thinks."""
    db.session.rollback()


def of(one: Connection, values: Mapping[str, str] | None = None) -> Page:
    """Return the page of a connection that is stored."""
    return Page(integration_registry.get(one.integration), one.id, typed=values)


def _readable_settings(one: Connection) -> Mapping[str, Any]:
    """Return the stored settings, and say so where some cannot be read."""
    stored, unreadable = connection_tests.readable_settings(one)
    if unreadable:
        flash(
            f"The stored settings cannot be read. {unreadable} Or enter them again and save.",
            "bad",
        )
    return stored


def _mark_field(form: ConfigForm, result: ConnectionTestResult | None) -> None:
    """Show what failed beside the field that caused it."""
    if result and not result.check.ok and result.check.field in form:
        field = form[result.check.field]
        field.errors = [*field.errors, result.check.title]


def _head_part(one: Connection | None) -> dict[str, Any]:
    """Return what the head of the page and the notices under it show."""
    if one is None:
        return {"lead": "", "health_notice": None}
    return {"lead": _lead(one), "health_notice": connection_health.health_of([one]).get(one.id)}


def _posts_part(
    cls: type[Integration],
    one: Connection | None,
    stored: Mapping[str, Any],
    invitation: Invitation | None,
) -> dict[str, Any]:
    """Return what the panel about posts to a team shows."""
    configured = cls.destination_of(stored) if one and one.destination else ""
    return {
        "events": [(event_type, POSTED[event_type]) for event_type in EventType],
        "posted": team_subscriptions.posted_events(one.id) if one else [],
        "moved": bool(one and configured and configured != one.destination),
        "invites": cls.supports("invite") and may(Role.ADMIN),
        "invitation": invitation,
    }


POSTED = {
    EventType.SENT: "Document sent",
    EventType.VIEWED: "Document opened by a signer",
    EventType.SIGNED: "Document signed by a signer",
    EventType.DECLINED: "Signing declined by a signer",
    EventType.COMPLETED: "Request completed",
    EventType.REMINDER: "Reminder sent to signers",
    EventType.EXPIRED: "Request expired",
    EventType.CANCELED: "Request canceled by the sender",
}


def _failed(one: Connection | None) -> ConnectionTestResult | None:
    """Return the last test of the stored settings if it failed; a good one needs no words."""
    tested = connection_tests.last_result(one) if one and one.archived_at is None else None
    return tested if tested and not tested.check.ok else None


def _lead(one: Connection) -> str:
    sender = one.sender.rpartition(":")[2]  # without whatsapp:
    what = (
        f"{status_badges.channel_title(one.channel)} from {filters.phone(sender)}."
        if sender and sender != one.destination
        else ""
    )
    what += f" Posts to {one.destination}." if one.destination else ""
    if one.state == ConnectionState.BROKEN:
        waiting = integrations.waits(connections.count_waiting(one.id))
        return f"{what} Paused {datetimes.ago(one.state_at)}. {waiting}".strip()
    if one.enabled and not one.ready:
        return f"{what} Not tested since the settings changed.".strip()
    return what
