"""The page of a connection: settings, set-up steps, last test and last message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app, flash, g, make_response, render_template, url_for
from sqlalchemy import select
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
)
from hub.admin.view import datetimes, filters, forms, status_badges
from hub.connections import connection_tests, connections, demo, settings_form
from hub.connections.connection_tests import ConnectionTestResult
from hub.core.errors import ConfigError
from hub.core.vocabulary import Address, ConnectionState, EventType, Role, Status
from hub.db.engine import db
from hub.db.types import is_id
from hub.integrations.base import ConfigForm, Integration
from hub.messaging.send.outbound import status_address
from hub.models import Audit, Connection, Message, StatusEvent
from hub.shared import integration_instances
from hub.signing import team_subscriptions
from hub.signing.chat_invitations import Invitation

ADDRESSES = {Address.PHONE: "Your mobile number", Address.EMAIL: "Your e-mail address"}


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
        stored, unreadable = connection_tests.readable_settings(one) if one else ({}, None)
        if unreadable:
            flash(
                f"The stored settings cannot be read. {unreadable} Or type them again and save.",
                "bad",
            )
        form = form or (tested and tested.form) or self._form(stored)
        if self.typed is not None:
            secret_resubmission.keep(self.cls, form, self.typed, g.user.id)
        result = tested or (None if limited else _failed(one))
        if result and not result.check.ok and result.check.field in form:
            form[result.check.field].errors = [*form[result.check.field].errors, result.check.title]
        last_send = _last_send(one) if one else None
        sends = one is not None and may(Role.OPERATOR)
        page = render_template(
            "connection.html",
            integration=self.cls,
            connection=one,
            name_form=self.name_form,  # before the settings, as in the error summary
            form=form,
            lead=_lead(one) if one else "",
            steps=setup_steps.steps(one, sent_one=bool(last_send and last_send["went"])),
            result={"limited": limited} if limited else result,
            passed=passed_test.seal(tested, g.user.id) or self.passed,
            simulated=self.simulated,
            simulator_href=_simulator_href(self.cls) if one is None else "",
            webhooks=_webhooks(self.cls, one),
            last_callback=one.called_at if one else None,
            send_form=(
                _addressed(self.cls, one, send_form or forms.SendOne())
                if one is not None and sends
                else None
            ),
            send_problem=send_problem,
            last_send=last_send,
            events=[(event_type, POSTED[event_type]) for event_type in EventType],
            posted=team_subscriptions.posted_events(one.id) if one else [],
            rules=rules_summary.summary(one) if one else [],
            moved=bool(
                one
                and one.place
                and (place := self.cls.destination_of(stored))
                and place != one.place
            ),
            invites=self.cls.supports("invite") and may(Role.ADMIN),
            invitation=invitation,
            hindered=connection_health.health_of([one]).get(one.id) if one else None,
            why_not_send=_why_not_send(one) if one else "",
            may=may(Role.ADMIN),
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
        return settings_form.retyped_secrets(self.cls, self.typed, stored)


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


def _addressed(cls: type[Integration], one: Connection, form: forms.SendOne) -> forms.SendOne:
    form.to.label.text = ADDRESSES.get(cls.address, "Where to")
    if one.place:
        form.to.description = f"Left empty it goes to {one.place}, where the team reads."
        form.to.render_kw = {**form.to.render_kw, "autocomplete": "off"}
    return form


POSTED = {
    EventType.SENT: "A document was sent out",
    EventType.VIEWED: "A signer opened it",
    EventType.SIGNED: "A signer signed",
    EventType.DECLINED: "A signer declined",
    EventType.COMPLETED: "Everybody has signed",
    EventType.REMINDER: "Signers were reminded",
    EventType.EXPIRED: "The time to sign ran out",
    EventType.CANCELED: "The sender took it back",
}


def _failed(one: Connection | None) -> ConnectionTestResult | None:
    """Return the last test of the stored settings if it failed; a good one needs no words."""
    tested = connection_tests.last_result(one) if one and one.archived_at is None else None
    return tested if tested and not tested.check.ok else None


def _lead(one: Connection) -> str:
    sender = one.sender.rpartition(":")[2]  # without whatsapp:
    what = (
        f"{status_badges.channel_title(one.channel)} from {filters.phone(sender)}."
        if sender and sender != one.place
        else ""
    )
    what += f" Posts in {one.place}." if one.place else ""
    if one.state == ConnectionState.BROKEN:
        waiting = integrations.waits(connections.count_waiting(one.id))
        return f"{what} Paused {datetimes.ago(one.state_at)}. {waiting}".strip()
    if one.enabled and not one.ready:
        return f"{what} Not tested since the settings changed.".strip()
    return what


def _webhooks(cls: type[Integration], one: Connection | None) -> list[tuple[str, str]]:
    base = current_app.extensions["hub.config"].public_url + "/api/rpc/webhooks/"
    found = []
    for path, method in cls.webhooks.items():
        if "{connection}" in path and one is None:
            continue  # its address holds a name that it has not got yet
        label = (getattr(cls, method).__doc__ or "").strip().split("\n")[0].rstrip(".")
        if path == cls.status_path:
            label = _status_label(cls, one)
        found.append(
            (
                label or filters.initial(path),
                base + path.replace("{connection}", one.slug if one else ""),
            )
        )
    return found


def _status_label(cls: type[Integration], one: Connection | None) -> str:
    """Say whether the address of status callbacks is sent with each message."""
    try:
        api_urls = integration_instances.instances().api_urls(
            cls, test=one is not None and one.test
        )
    except ConfigError:  # a test connection, which sends nothing outside the demo
        api_urls = ()
    public_url = current_app.extensions["hub.config"].public_url
    if status_address(public_url, cls.status_path, api_urls):
        return "Status callbacks. Signpost sends this address with each message"
    return (
        "Status callbacks. Not sent, because only this machine can reach the address. Set"
        " HUB_PUBLIC_URL to receive them"
    )


def webhook_of(one: Connection) -> str:
    """Return where webhooks of a connection arrive; '' when its integration takes none."""
    path = next(iter(integration_registry.get(one.integration).webhooks), "")
    base = current_app.extensions["hub.config"].public_url + "/api/rpc/webhooks/"
    return base + path.replace("{connection}", one.slug) if path else ""


def _last_send(one: Connection) -> dict[str, Any] | None:
    """Return what became of the last message that was sent from the page."""
    tried = db.session.scalar(
        select(Audit)
        .where(Audit.subject == one.id, Audit.action == "connection.tried")
        .order_by(Audit.id.desc())
        .limit(1)
    )
    message_id = str(tried.detail.get("message", "")) if tried else ""
    message = db.session.get(Message, message_id) if is_id("msg", message_id) else None
    if message is None:
        return None
    status = Status.read(message.status)
    arrived = (
        db.session.scalar(
            select(StatusEvent)
            .where(StatusEvent.message_id == message.id, StatusEvent.status == Status.DELIVERED)
            .order_by(StatusEvent.id)
            .limit(1)
        )
        if status.arrived
        else None
    )
    return {
        "status": message.status,
        "href": url_for("admin.message", message_id=message.id),
        "at": message.created_at,
        "took": (arrived.at - message.created_at) if arrived else None,
        "settled": message.settled,
        "went": status.handed_over or status.arrived,
    }


def _why_not_send(one: Connection) -> str:
    if one.archived_at is not None or one.enabled:
        return ""
    if one.state == ConnectionState.BROKEN:
        return "Waits until the test passes."
    return f"Waits until {'' if one.ready else 'the test passes and '}the connection is enabled."
