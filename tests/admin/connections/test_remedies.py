"""Every remedy on a page works: following its steps sends the message."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.core.errors import ConnectionBroken, PermanentError
from hub.core.vocabulary import Audience, Channel, ConnectionState, EventType, Role, Status
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations import registry
from hub.integrations.base import ChatPermission, Inbound
from hub.messaging.compose import direct
from hub.messaging.contacts import consents, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.inbox import chat_membership, inbound, opt_out
from hub.messaging.track.error_codes import BY_STATUS, CODES
from hub.messaging.track.statuses import Origin
from hub.models import Connection, Contact, Message, Suppression
from hub.signing import accept, routes
from hub.signing.events import EventIn
from hub.signing.routes import RouteIn, StepIn
from tests.conftest import Browser
from tests.fake_provider import FakeProvider
from tests.fake_provider import fake_provider as fake_provider
from tests.hub_fixtures import (
    ERIC,
    deliver,
    event_body,
    set_connection_state,
    signer_body,
    source_id,
    update_message,
)
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.team_connections import accept_post, add_team_connection

RULES = "/connections/demo-sms/rules"
MINIMAL_RULES = {"currency": "USD"}


@dataclass
class ThreadedBrowser:
    """A browser whose requests run in a separate thread, outside the test's application context."""

    browser: Browser

    def get(self, path: str) -> Any:
        return self._run(lambda: self.browser.get(path))

    def post(self, path: str, data: dict[str, Any] | None = None) -> Any:
        return self._run(lambda: self.browser.post(path, data))

    def _run(self, ask: Callable[[], Any]) -> Any:
        db.session.rollback()
        with ThreadPoolExecutor(1) as pool:
            response = pool.submit(ask).result()
        db.session.rollback()
        return response


@pytest.fixture
def admin(hub_demo: Flask, browser_for: Callable[..., Browser]) -> ThreadedBrowser:
    """Return an admin's browser."""
    with ThreadPoolExecutor(1) as pool:
        return ThreadedBrowser(
            pool.submit(lambda: browser_for(Role.ADMIN, name="Dana Whitfield")).result()
        )


def send_text() -> Message:
    """Send a text to Eric over the demo's SMS and return the queued message."""
    message_id = direct.send_message(
        to=ERIC, text="Your contract is ready.", channel="sms", test=True
    )
    db.session.rollback()
    return db.session.get_one(Message, message_id)


def send_text_for_event() -> Message:
    """Send a text to Eric for an event of a signing app, which chose its options.

    The route has one step, so its message is stored whatever the rules say.
    """
    cell = (EventType.SENT.value, Audience.SIGNER.value)
    general = routes.read_routes_in_force(None)[cell]
    routes.save_route(*cell, None, RouteIn([StepIn("sms")]), replaces=general.id)
    accept.accept_event(
        EventIn.model_validate(event_body(signers=[signer_body("Eric")])), source_id(), test=True
    )
    db.session.rollback()
    newest = db.session.scalars(select(Message).order_by(Message.id.desc())).first()
    assert newest is not None
    return newest


def resend(admin: ThreadedBrowser, message_id: str) -> Message:
    """Choose Resend on the page of a message and return the new message."""
    answer = admin.post(f"/messages/{message_id}/resend")
    assert answer.status_code == 303
    db.session.rollback()
    resent = db.session.get_one(Message, answer.location.rpartition("/")[2])
    assert resent.id != message_id, admin.get(f"/messages/{message_id}").text
    return resent


def suppress(reason: str) -> Callable[[ThreadedBrowser], None]:
    """Return a function that blocks Eric's number for this reason."""

    def block(admin: ThreadedBrowser) -> None:
        suppressions.add_opt_out(
            ERIC, channel="sms", explanation="For a reason.", test=True, reason=reason
        )

    return block


def set_rules(**fields: str) -> Callable[[ThreadedBrowser], None]:
    """Return a function that saves rules on their page."""
    return lambda admin: _assert_ok(admin.post(RULES, {**MINIMAL_RULES, **fields}))


def _assert_ok(response: Any) -> None:
    assert response.status_code == 303, response.text


def receive_text(text: str) -> Callable[[ThreadedBrowser], None]:
    """Return a function that stores a text from Eric."""

    def receive(admin: ThreadedBrowser) -> None:
        connection = db.session.scalars(
            select(Connection).where(Connection.slug == "demo-sms")
        ).one()
        inbound_text = Inbound(
            provider_id=text,
            channel=Channel.SMS,
            senders=(connection.sender,),
            address=ERIC,
            text=text,
        )
        inbound.store_inbound(inbound_text, Origin("callback", [connection.id]), now())

    return receive


def receive_text_elsewhere(text: str) -> Callable[[ThreadedBrowser], None]:
    return lambda admin: opt_out.process_unassigned_keyword(
        Inbound(channel=Channel.SMS, address=ERIC, text=text), now()
    )


def record_consent(decision: str) -> Callable[[ThreadedBrowser], None]:
    """Return a function that records a consent or an objection on Eric's page."""

    def record(admin: ThreadedBrowser) -> None:
        send_text()
        [eric] = db.session.scalars(select(Contact.id).where(Contact.address == ERIC))
        _assert_ok(
            admin.post(
                f"/contacts/{eric}", {"given": decision, "channel": "", "proof": "On the phone."}
            )
        )
        db.session.rollback()

    return record


def record_old_consent(admin: ThreadedBrowser) -> None:
    consents.record_consent(
        ConsentEntry(ERIC, True, "", at=now() - timedelta(days=30)), source="admin", test=True
    )
    set_rules(consent="y", consent_days="7")(admin)


def lift_suppression(admin: ThreadedBrowser) -> None:
    """Lift the open opt-out on its page, with a reason."""
    db.session.rollback()
    [row] = db.session.scalars(select(Suppression.id).where(Suppression.lifted_at.is_(None)))
    _assert_ok(admin.post(f"/opt-outs/{row}", {"why": "They asked for messages."}))


def report_membership(allowed: bool) -> Callable[[ThreadedBrowser], None]:
    def apply(admin: ThreadedBrowser) -> None:
        connection = db.session.scalars(
            select(Connection).where(Connection.slug == "demo-sms")
        ).one()
        permission = ChatPermission(
            allowed=allowed, address=ERIC, kind=address_kind(), reason="They did."
        )
        chat_membership.apply_membership(
            permission,
            Origin("callback", [connection.id]),
            now() + timedelta(seconds=2 if allowed else 0),
        )

    return apply


def address_kind() -> Any:
    return registry()["twilio_sms"].address


# code → what brings it about, and what its remedy says to do; then the message is sent again
FOLLOWED: dict[str, tuple[Callable[[ThreadedBrowser], None], Callable[[ThreadedBrowser], None]]] = {
    "keyword": (receive_text("STOP"), receive_text("START")),
    "keyword_elsewhere": (receive_text_elsewhere("STOP"), receive_text_elsewhere("START")),
    "admin": (suppress("admin"), lift_suppression),
    "unsubscribe": (suppress("unsubscribe"), lift_suppression),
    "import": (suppress("import"), lift_suppression),
    "api": (suppress("api"), lift_suppression),
    "complaint": (suppress("complaint"), lift_suppression),
    "shut_out": (report_membership(False), report_membership(True)),
    "consent_missing": (set_rules(consent="y"), record_consent("yes")),
    "consent_old": (record_old_consent, record_consent("yes")),
    "consent_no": (record_consent("no"), record_consent("yes")),
    "country_not_allowed": (set_rules(countries="DE"), set_rules(countries="DE, US")),
    "cap_hour": (
        lambda admin: (set_rules(per_hour="1")(admin), send_text(), None)[-1],
        set_rules(per_hour="9"),
    ),
    "cap_day": (
        lambda admin: (set_rules(per_day="1")(admin), send_text(), None)[-1],
        set_rules(per_day="9"),
    ),
}
# remedies outside of Signpost, or problems that end without one, and where they are tested
OTHER_SENDER = {
    "address_not_allowed": "tests/lib/test_private_addresses.py",
    "unreachable": "tests/messaging/send/test_circuit_breaker.py",
    "bad_answer": "tests/messaging/track/test_reconcile.py",
    "no_answer": "tests/messaging/track/test_reconcile.py",
    "unreadable": "tests/messaging/send/test_claims.py",
    "lease_expired": "tests/messaging/track/test_reconcile.py",
    "too_late": "tests/messaging/send/test_dispatcher.py",
    "window_closed": "tests/messaging/test_whatsapp.py",
    "window_closed_text": "tests/messaging/test_whatsapp.py",
    "spend_day": "tests/messaging/policy/test_rules.py",
    "spend_month": "tests/messaging/policy/test_rules.py",
    "quiet_hours": "tests/messaging/policy/test_rules.py",
    "media_unreachable": "tests/messaging/send/test_media_check.py",
    "media_not_allowed": "tests/messaging/send/test_media_check.py",
    "media_gone": "tests/messaging/send/test_media_check.py",
    "media_type": "tests/messaging/send/test_media_check.py",
    "media_too_large": "tests/messaging/send/test_media_check.py",
    "request_expired": "tests/signing",
    "link_expired": "tests/signing/test_expired_links.py",
    "fault": "tests/messaging/send/test_outcomes.py",
    "opted_out_of_sms": "tests/messaging/policy/test_calls_after_text_opt_outs.py",
}


def test_every_refusal_code_is_covered_here_or_elsewhere() -> None:
    assert set(CODES) == FOLLOWED.keys() | OTHER_SENDER.keys()
    assert all(problem.remedy for problem in (*CODES.values(), *BY_STATUS.values()))


@pytest.mark.parametrize("code", FOLLOWED)
def test_message_is_sent_after_following_the_remedy(
    hub_demo: Flask, admin: ThreadedBrowser, code: str
) -> None:
    before, remedy = FOLLOWED[code]
    before(admin)
    # somebody who resends by hand answers for the consent
    manual = code not in ("consent_missing", "consent_old")
    message = send_text() if manual else send_text_for_event()
    assert (message.status, message.code) == ("suppressed", code)
    page = admin.get(f"/messages/{message.id}").text
    assert CODES[code].text.partition(":")[0] in page
    last = message.id
    if manual:
        last = resend(admin, message.id).id
        assert db.session.get_one(Message, last).status == "suppressed", "nothing was done yet"
    with time_machine.travel(now() + timedelta(seconds=3), tick=True):
        remedy(admin)
        resent = resend(admin, last)
    assert (resent.status, resent.code) == ("queued", "")


# ── What the pages' own buttons do ────────────────────────────────────────────────────────────────
@pytest.fixture
def team_connection(hub_demo: Flask, fake_provider: FakeProvider) -> Connection:
    fake_provider.on_send = accept_post
    connection = db.session.get_one(Connection, add_team_connection("T1"))

    @transaction
    def clear_settings() -> None:  # what its form, which asks for nothing, would store
        db.session.get_one(Connection, connection.id).settings = {}

    clear_settings()
    return connection


def raise_error(error: Exception) -> Any:
    def refuse(outbound: Any) -> Any:
        raise error

    return refuse


def test_allow_again_unblocks_a_destination_that_a_provider_refused(
    hub_demo: Flask, admin: ThreadedBrowser
) -> None:
    first = send_text()
    suppressions.suppress(first.id, reason="provider", code="21610")
    update_message(first.id, status="failed", code="21610", due_at=None)
    assert "START" in admin.get(f"/messages/{first.id}").text
    _assert_ok(admin.post(f"/messages/{first.id}/lift"))
    assert resend(admin, first.id).status == "queued"


def test_broken_connection_sends_again_after_a_passing_test(
    team_connection: Connection, fake_provider: FakeProvider, admin: ThreadedBrowser
) -> None:
    fake_provider.on_send = raise_error(
        ConnectionBroken("The key was revoked. Make another one.", "key")
    )
    waiting = direct.send_message(connection_id=team_connection.id, to="chat-1", text="Hello.")
    deliver()
    assert "The key was revoked. Make another one." in admin.get("/").text
    fake_provider.on_send = accept_post
    assert admin.post(f"/connections/{team_connection.slug}", {"do": "test"}).status_code == 200
    deliver()
    db.session.rollback()
    assert db.session.get_one(Message, waiting).status == "accepted"
    assert "is broken" not in admin.get("/").text


def test_disabled_connection_sends_after_it_is_enabled(
    team_connection: Connection, fake_provider: FakeProvider, admin: ThreadedBrowser
) -> None:
    waiting = direct.send_message(connection_id=team_connection.id, to="chat-1", text="Hello.")
    set_connection_state(team_connection.id, ConnectionState.DISABLED)
    assert "Waiting for the connection" in admin.get(f"/messages/{waiting}").text
    _assert_ok(admin.post(f"/connections/{team_connection.slug}/enable"))
    deliver()
    db.session.rollback()
    assert db.session.get_one(Message, waiting).status == "accepted"


@pytest.mark.parametrize("status", [Status.FAILED, Status.UNDELIVERED, Status.EXPIRED])
def test_failed_message_can_be_resent(
    team_connection: Connection, fake_provider: FakeProvider, admin: ThreadedBrowser, status: Status
) -> None:
    fake_provider.on_send = raise_error(PermanentError("No.", "p7"))
    first = direct.send_message(connection_id=team_connection.id, to="chat-1", text="Hello.")
    deliver()
    update_message(first, status=status.value, due_at=None)
    fake_provider.on_send = accept_post
    resent = resend(admin, first)
    deliver()
    db.session.rollback()
    assert db.session.get_one(Message, resent.id).status == "accepted"


@pytest.mark.parametrize("cls", registry().values(), ids=lambda cls: cls.name)
def test_remedies_of_integrations_name_existing_buttons(cls: Any) -> None:
    """A remedy names Set webhook, Test connection and the like only where the page has them."""
    titles = set(cls.actions.values())
    for code in [*getattr(cls, "stop_codes", ()), *_codes(cls)]:
        problem = cls.explain(code)
        if problem is not None and "Set webhook" in problem.remedy:
            assert "Set webhook" in titles, code


def _codes(cls: Any) -> list[str]:
    return [code for code in cls.errors.codes if cls.explain(code) is not None]
