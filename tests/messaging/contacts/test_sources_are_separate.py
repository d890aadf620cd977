"""Opt-outs and consents apply to the messages of their source, and those of admins to all."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts import opt_out_files, suppressions
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.contacts.keywords import Keyword
from hub.messaging.inbox import conversations, opt_out
from hub.messaging.inbox.inbound import received_cause
from hub.models import (
    Attempt,
    Connection,
    Conversation,
    InboundMessage,
    PlatformEvent,
    Source,
    Suppression,
)
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    copy_connection,
    deliver,
    json_of,
    message,
    post_callback,
    process_pending_callbacks,
    queue_text,
    status,
    status_form,
    update_message,
)
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
from tests.messaging.contacts.source_steps import apply_to_all, send, statuses_of_both
from tests.messaging.contacts.source_steps import other_source as other_source
from tests.messaging.inbox.opt_out_steps import receive_text
from tests.messaging.whatsapp_steps import receive_whatsapp

WHY = {"why": "The person asked for messages again."}


@transaction
def process_keyword(keyword: Keyword, connection: Connection) -> None:
    contact = get_or_create_contact("phone", ERIC, test=True)
    opt_out.process_keyword(keyword, keyword.value, connection.info, contact, now(), answered=True)


# ── Opt-outs ────────────────────────────────────────────────────────────────────────────────────
def test_opt_out_of_a_source_stops_only_its_own_messages(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    own_opt_out = json_of(signing_app.post("/suppressions", {"address": ERIC, "why": "Called us."}))
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "queued"]
    other_opt_out = json_of(other_source.post("/suppressions", {"address": ERIC}))
    assert other_opt_out["id"] != own_opt_out["id"], "each source has its own opt-out"
    assert other_opt_out["why"] == ""
    assert signing_app.post(f"/suppressions/{own_opt_out['id']}/lift", WHY).status_code == 200
    assert statuses_of_both(signing_app, other_source) == ["queued", "suppressed"]


def test_waiting_message_is_stopped_by_an_opt_out_of_its_source(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    own_message = send(signing_app)
    other_message = send(other_source)
    other_source.post("/suppressions", {"address": ERIC})
    deliver()
    assert status(own_message) != "suppressed"
    assert (status(other_message), message(other_message).code) == ("suppressed", "api")


def test_opt_out_applies_to_every_source_if_an_admin_chooses_so(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    own_opt_out = json_of(signing_app.post("/suppressions", {"address": ERIC}))
    apply_to_all("default")
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "suppressed"]
    assert json_of(other_source.get("/suppressions"))["suppressions"] == [], (
        "it is still not theirs to see"
    )
    assert other_source.post(f"/suppressions/{own_opt_out['id']}/lift", WHY).status_code == 404
    assert signing_app.post(f"/suppressions/{own_opt_out['id']}/lift", WHY).status_code == 200
    assert statuses_of_both(signing_app, other_source) == ["queued", "queued"]


def test_opt_out_of_any_source_stops_messages_of_admins(other_source: SigningApp) -> None:
    other_source.post("/suppressions", {"address": ERIC})
    assert status(queue_text()) == "suppressed"
    assert status(queue_text(to=ANNA)) == "queued"


@pytest.mark.parametrize("recorded", ["keyword", "provider", "admin", "import"])
def test_opt_out_without_a_source_applies_to_all_and_only_admins_lift_it(
    signing_app: SigningApp, other_source: SigningApp, connection: Connection, recorded: str
) -> None:
    match recorded:
        case "keyword":
            process_keyword(Keyword.STOP, connection)
        case "provider":
            suppressions.suppress(send(signing_app), reason="provider", code="E13")
        case "admin":
            suppressions.add_opt_out(ERIC, test=True, explanation="Called Dana.")
        case "import":
            opt_out_files.import_opt_outs(f"address,why\n{ERIC},Old list\n", test=True)
    row = db.session.scalars(select(Suppression)).one()
    code = "E13" if recorded == "provider" else recorded
    # that of a person's own opt-out from SMS covers calls, too
    covers_calls = recorded in ("keyword", "provider")
    codes = [code, "opted_out_of_sms"] if covers_calls else [code]
    for app in (signing_app, other_source):
        response = json_of(app.get("/suppressions", address=ERIC))
        assert response["suppressions"] == []
        assert [block["code"] for block in response["blocked"]] == codes
        assert "Dana" not in str(response)
        assert app.post(f"/suppressions/{row.id}/lift", WHY).status_code == 404
        assert json_of(app.get("/suppressions"))["blocked"] is None
        assert json_of(app.get("/suppressions", address=ANNA))["blocked"] == []
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "suppressed"]
    suppressions.lift_opt_out(row.id, reason="The admin knows.")
    assert statuses_of_both(signing_app, other_source) == ["queued", "queued"]


def test_stop_applies_to_all_even_if_a_source_has_an_opt_out(
    signing_app: SigningApp, other_source: SigningApp, connection: Connection
) -> None:
    opt_out.save_rules({"stop": {}, "start": {}, "help": {}}, everywhere=True)
    own_opt_out = json_of(signing_app.post("/suppressions", {"address": ERIC}))
    process_keyword(Keyword.STOP, connection)
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "suppressed"]
    signing_app.post(f"/suppressions/{own_opt_out['id']}/lift", WHY)
    assert statuses_of_both(signing_app, other_source) == ["suppressed", "suppressed"]
    process_keyword(Keyword.START, connection)
    assert statuses_of_both(signing_app, other_source) == ["queued", "queued"]


def test_start_does_not_lift_an_opt_out_of_a_source(
    signing_app: SigningApp, connection: Connection
) -> None:
    signing_app.post("/suppressions", {"address": ERIC})
    process_keyword(Keyword.STOP, connection)
    process_keyword(Keyword.START, connection)
    assert statuses_of_both(signing_app) == ["suppressed"]


def test_lifting_on_the_message_page_lifts_every_opt_out_that_stopped_it(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    for app in (signing_app, other_source):
        app.post("/suppressions", {"address": ERIC})
    suppressions.add_opt_out(ERIC, test=True)
    suppressions.lift_opt_outs_of_message(send(signing_app))
    assert statuses_of_both(signing_app, other_source) == ["queued", "suppressed"], (
        "what is another source's stays"
    )


# ── What people write ───────────────────────────────────────────────────────────────────────────
def mark_sent(message_id: str, sid: str = "", status_: str = "delivered") -> None:
    """Record that the provider accepted a message, and its ID there."""
    row = message(message_id)
    update_message(message_id, status=status_, tries=1, provider_id=sid or None)
    if sid:
        add_attempt(message_id, row.connection_id, sid)


@transaction
def add_attempt(message_id: str, connection_id: str, sid: str) -> None:
    db.session.add(
        Attempt(message_id=message_id, number=1, connection_id=connection_id, provider_id=sid)
    )


def receive_reply(app: Flask, text: str = "Hello", **fields: str) -> str | None:
    """Receive an SMS from Eric, and return the source of its message and of its event."""
    receive_text(app, text, channel="", **fields)
    row = db.session.scalars(select(InboundMessage).order_by(InboundMessage.id.desc())).first()
    assert row is not None
    event = db.session.scalars(
        select(PlatformEvent).where(PlatformEvent.cause == received_cause(row.id))
    ).one()
    assert event.source_id == row.source_id
    return row.source_id


def test_reply_belongs_to_the_source_of_the_message_it_answers(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    answered = send(signing_app)
    sid = "SM" + "7" * 32
    mark_sent(answered, sid)
    mark_sent(send(other_source))
    assert receive_reply(hub_demo, OriginalRepliedMessageSid=sid) == source_id_of("default")
    assert receive_reply(hub_demo) == source_id_of("leases"), "else to the last that wrote"


def test_unassigned_callbacks_are_visible_to_admins_only(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    assert receive_reply(hub_demo) is None
    send(signing_app)  # waits, and reached nobody
    mark_sent(send(other_source), status_="failed")
    mark_sent(send(other_source, ANNA))
    assert receive_reply(hub_demo) is None
    mark_sent(queue_text())
    assert receive_reply(hub_demo) is None, "an admin's own message has no source"
    mark_sent(send(other_source))
    assert receive_reply(hub_demo) == source_id_of("leases")
    mark_sent(queue_text())
    assert receive_reply(hub_demo) == source_id_of("leases")


def test_late_message_belongs_to_the_source_before_it(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    mark_sent(send(signing_app))
    assert receive_whatsapp(hub_demo, "Late", sid="SM" + "8" * 32, channel="").status_code == 200
    mark_sent(send(other_source))
    process_pending_callbacks()
    row = db.session.scalars(select(InboundMessage)).one()
    assert row.source_id == source_id_of("default")


def test_window_of_another_sender_does_not_apply(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp, connection: Connection
) -> None:
    second = copy_connection("Second", like=connection, sender="+13175550199")
    slug = db.session.get_one(Connection, second).slug
    answer = other_source.post("/messages", {"connection": slug, "to": ERIC, "text": "Hello."})
    mark_sent(json_of(answer)["id"])
    assert receive_reply(hub_demo) is None
    mark_sent(send(signing_app))
    assert receive_reply(hub_demo) == source_id_of("default")


def test_reply_of_an_operator_belongs_to_the_source_of_the_message_it_answers(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    mark_sent(send(other_source))
    receive_reply(hub_demo)
    conversation = db.session.scalars(select(Conversation)).one()
    sent = conversations.send_reply(conversation.id, "We will call you.")
    assert message(sent).source_id == source_id_of("leases")
    assert signing_app.get(f"/messages/{sent}").status_code == 404
    assert other_source.get(f"/messages/{sent}").status_code == 200


def test_status_of_a_message_is_reported_to_its_source(
    hub_demo: Flask, other_source: SigningApp
) -> None:
    message_id = send(other_source)
    sid = "SM" + "9" * 32
    mark_sent(message_id, sid, status_="accepted")
    post_callback(hub_demo, status_form(hub_demo, sid, "delivered"))
    process_pending_callbacks()
    events = db.session.scalars(select(PlatformEvent).where(PlatformEvent.message_id == message_id))
    assert {event.source_id for event in events} == {source_id_of("leases")}


def source_id_of(slug: str) -> str:
    return db.session.scalars(select(Source.id).where(Source.slug == slug)).one()
