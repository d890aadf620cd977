"""Opt-outs and consents of a source apply to its own messages, those of others to all."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts import opt_out_files, suppressions
from hub.messaging.contacts.contacts import contact_for
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
from tests.messaging.contacts.source_steps import apply_to_all, send, sends
from tests.messaging.contacts.source_steps import other_source as other_source
from tests.messaging.inbox.opt_out_steps import receive_text
from tests.messaging.whatsapp_steps import receive_whatsapp

WHY = {"why": "The person asked for messages again."}


@transaction
def hear(word: Keyword, connection: Connection) -> None:
    contact = contact_for("phone", ERIC, test=True)
    opt_out.process_keyword(word, word.value, connection.info, contact, now(), answered=True)


# ── Opt-outs ────────────────────────────────────────────────────────────────────────────────────
def test_an_opt_out_of_a_source_stops_its_own_messages_alone(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    mine = json_of(signing_app.post("/suppressions", {"address": ERIC, "why": "Called us."}))
    assert sends(signing_app, other_source) == ["suppressed", "queued"]
    theirs = json_of(other_source.post("/suppressions", {"address": ERIC}))
    assert theirs["id"] != mine["id"], "each source has an opt-out of its own"
    assert theirs["why"] == ""
    assert signing_app.post(f"/suppressions/{mine['id']}/lift", WHY).status_code == 200
    assert sends(signing_app, other_source) == ["queued", "suppressed"]


def test_a_message_that_waits_is_stopped_by_an_opt_out_of_its_own_source(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    mine = send(signing_app)
    theirs = send(other_source)
    other_source.post("/suppressions", {"address": ERIC})
    deliver()
    assert status(mine) != "suppressed"
    assert (status(theirs), message(theirs).code) == ("suppressed", "api")


def test_an_opt_out_holds_for_every_source_where_an_admin_says_so(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    mine = json_of(signing_app.post("/suppressions", {"address": ERIC}))
    apply_to_all("default")
    assert sends(signing_app, other_source) == ["suppressed", "suppressed"]
    assert json_of(other_source.get("/suppressions"))["suppressions"] == [], (
        "it is still not theirs to see"
    )
    assert other_source.post(f"/suppressions/{mine['id']}/lift", WHY).status_code == 404
    assert signing_app.post(f"/suppressions/{mine['id']}/lift", WHY).status_code == 200
    assert sends(signing_app, other_source) == ["queued", "queued"]


def test_an_opt_out_of_any_source_stops_what_an_admin_sends(other_source: SigningApp) -> None:
    other_source.post("/suppressions", {"address": ERIC})
    assert status(queue_text()) == "suppressed"
    assert status(queue_text(to=ANNA)) == "queued"


@pytest.mark.parametrize("recorded", ["keyword", "provider", "admin", "import"])
def test_opt_out_without_a_source_applies_to_all_and_only_admins_lift_it(
    signing_app: SigningApp, other_source: SigningApp, connection: Connection, recorded: str
) -> None:
    match recorded:
        case "keyword":
            hear(Keyword.STOP, connection)
        case "provider":
            suppressions.suppress(send(signing_app), reason="provider", code="E13")
        case "admin":
            suppressions.add_opt_out(ERIC, test=True, explanation="Called Dana.")
        case "import":
            opt_out_files.import_opt_outs(f"address,why\n{ERIC},Old list\n", test=True)
    row = db.session.scalars(select(Suppression)).one()
    code = "E13" if recorded == "provider" else recorded
    for app in (signing_app, other_source):
        found = json_of(app.get("/suppressions", address=ERIC))
        assert found["suppressions"] == []
        assert [one["code"] for one in found["blocked"]] == [code]
        assert "Dana" not in str(found)
        assert app.post(f"/suppressions/{row.id}/lift", WHY).status_code == 404
        assert json_of(app.get("/suppressions"))["blocked"] is None
        assert json_of(app.get("/suppressions", address=ANNA))["blocked"] == []
    assert sends(signing_app, other_source) == ["suppressed", "suppressed"]
    suppressions.lift_opt_out(row.id, reason="The admin knows.")
    assert sends(signing_app, other_source) == ["queued", "queued"]


def test_stop_holds_for_all_though_a_source_has_an_opt_out_already(
    signing_app: SigningApp, other_source: SigningApp, connection: Connection
) -> None:
    opt_out.save_rules({"stop": {}, "start": {}, "help": {}}, everywhere=True)
    mine = json_of(signing_app.post("/suppressions", {"address": ERIC}))
    hear(Keyword.STOP, connection)
    assert sends(signing_app, other_source) == ["suppressed", "suppressed"]
    signing_app.post(f"/suppressions/{mine['id']}/lift", WHY)
    assert sends(signing_app, other_source) == ["suppressed", "suppressed"]
    hear(Keyword.START, connection)
    assert sends(signing_app, other_source) == ["queued", "queued"]


def test_start_lifts_no_opt_out_of_a_source(
    signing_app: SigningApp, connection: Connection
) -> None:
    signing_app.post("/suppressions", {"address": ERIC})
    hear(Keyword.STOP, connection)
    hear(Keyword.START, connection)
    assert sends(signing_app) == ["suppressed"]


def test_lifting_on_the_page_of_a_message_lifts_all_that_stopped_it(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    for app in (signing_app, other_source):
        app.post("/suppressions", {"address": ERIC})
    suppressions.add_opt_out(ERIC, test=True)
    suppressions.lift_opt_outs_of_message(send(signing_app))
    assert sends(signing_app, other_source) == ["queued", "suppressed"], (
        "what is another source's stays"
    )


# ── What people write ───────────────────────────────────────────────────────────────────────────
def reach(message_id: str, sid: str = "", status_: str = "delivered") -> None:
    """Let a message have reached the provider under an id."""
    row = message(message_id)
    update_message(message_id, status=status_, tries=1, provider_id=sid or None)
    if sid:
        add_attempt(message_id, row.connection_id, sid)


@transaction
def add_attempt(message_id: str, connection_id: str, sid: str) -> None:
    db.session.add(
        Attempt(message_id=message_id, number=1, connection_id=connection_id, provider_id=sid)
    )


def written(app: Flask, text: str = "Hello", **more: str) -> str | None:
    """Let Eric write by SMS; return the source that his message and its event belong to."""
    receive_text(app, text, channel="", **more)
    row = db.session.scalars(select(InboundMessage).order_by(InboundMessage.id.desc())).first()
    assert row is not None
    event = db.session.scalars(
        select(PlatformEvent).where(PlatformEvent.cause == received_cause(row.id))
    ).one()
    assert event.source_id == row.source_id
    return row.source_id


def test_an_answer_belongs_to_the_source_of_the_message_it_answers(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    answered = send(signing_app)
    sid = "SM" + "7" * 32
    reach(answered, sid)
    reach(send(other_source))
    assert written(hub_demo, OriginalRepliedMessageSid=sid) == id_of("default")
    assert written(hub_demo) == id_of("leases"), "else to the last that wrote"


def test_unassigned_callbacks_are_for_admins_only(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    assert written(hub_demo) is None
    send(signing_app)  # waits, and reached nobody
    reach(send(other_source), status_="failed")
    reach(send(other_source, ANNA))
    assert written(hub_demo) is None
    reach(queue_text())
    assert written(hub_demo) is None, "an admin's own message has no source"
    reach(send(other_source))
    assert written(hub_demo) == id_of("leases")
    reach(queue_text())
    assert written(hub_demo) == id_of("leases")


def test_late_message_belongs_to_the_source_before_it(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    reach(send(signing_app))
    assert receive_whatsapp(hub_demo, "Late", sid="SM" + "8" * 32, channel="").status_code == 200
    reach(send(other_source))
    process_pending_callbacks()
    row = db.session.scalars(select(InboundMessage)).one()
    assert row.source_id == id_of("default")


def test_window_of_another_sender_does_not_apply(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp, connection: Connection
) -> None:
    second = copy_connection("Second", like=connection, sender="+13175550199")
    slug = db.session.get_one(Connection, second).slug
    answer = other_source.post("/messages", {"connection": slug, "to": ERIC, "text": "Hello."})
    reach(json_of(answer)["id"])
    assert written(hub_demo) is None
    reach(send(signing_app))
    assert written(hub_demo) == id_of("default")


def test_an_operators_answer_belongs_to_whose_message_it_answers(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    reach(send(other_source))
    written(hub_demo)
    talk = db.session.scalars(select(Conversation)).one()
    sent = conversations.send_reply(talk.id, "We will call you.")
    assert message(sent).source_id == id_of("leases")
    assert signing_app.get(f"/messages/{sent}").status_code == 404
    assert other_source.get(f"/messages/{sent}").status_code == 200


def test_status_of_a_message_is_reported_to_its_source(
    hub_demo: Flask, other_source: SigningApp
) -> None:
    message_id = send(other_source)
    sid = "SM" + "9" * 32
    reach(message_id, sid, status_="accepted")
    post_callback(hub_demo, status_form(hub_demo, sid, "delivered"))
    process_pending_callbacks()
    events = db.session.scalars(select(PlatformEvent).where(PlatformEvent.message_id == message_id))
    assert {event.source_id for event in events} == {id_of("leases")}


def id_of(slug: str) -> str:
    return db.session.scalars(select(Source.id).where(Source.slug == slug)).one()
