"""Opt-outs and consents of a source apply to its own messages, those of others to all."""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from hub.accounts import api_keys
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.messaging.contacts import consents, opt_out_files, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import contact_for
from hub.messaging.contacts.keywords import Keyword
from hub.messaging.inbox import conversations, opt_out
from hub.messaging.inbox.inbound import received_content
from hub.messaging.policy.policy import Carrier, Policy, PolicyQuestion
from hub.messaging.policy.rules import Rules
from hub.models import (
    Attempt,
    Connection,
    Consent,
    Conversation,
    Inbound,
    PlatformEvent,
    Source,
    Suppression,
)
from tests.hub_fixtures import (
    ANNA,
    ERIC,
    SigningApp,
    a_connection,
    a_form,
    a_message,
    body,
    call_back,
    change,
    deliver,
    message,
    settle_receipts,
    status,
)
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
from tests.messaging.inbox.test_opt_out import say
from tests.messaging.test_whatsapp import came_in

WHY = {"why": "The person asked for messages again."}


@pytest.fixture
def other(signing_app: SigningApp) -> SigningApp:
    """Give the signing app of another source, Leases."""
    a_source("leases")
    return SigningApp(signing_app.client, api_keys.create("Leases", test=True, source="leases"))


@transaction
def a_source(slug: str) -> None:
    db.session.add(Source(slug=slug, name=slug.title()))


@transaction
def apply_to_all(slug: str) -> None:
    db.session.execute(update(Source).where(Source.slug == slug).values(applies_to_all=True))


@transaction
def hear(word: Keyword, connection: Connection) -> None:
    contact = contact_for("phone", ERIC, test=True)
    opt_out.process_keyword(word, word.value, connection, contact, now(), answered=True)


def send(app: SigningApp, to: str = ERIC) -> str:
    """Send a direct message as a signing app and return its id."""
    answer = app.post("/messages", {"channel": "sms", "to": to, "text": "Your lease is ready."})
    assert answer.status_code == 202
    return str(body(answer)["id"])


def sends(*apps: SigningApp) -> list[str]:
    """Return the statuses of a message of each signing app."""
    return [status(send(app)) for app in apps]


# ── Opt-outs ────────────────────────────────────────────────────────────────────────────────────
def test_an_opt_out_of_a_source_stops_its_own_messages_alone(
    signing_app: SigningApp, other: SigningApp
) -> None:
    mine = body(signing_app.post("/suppressions", {"address": ERIC, "why": "Called us."}))
    assert sends(signing_app, other) == ["suppressed", "queued"]
    theirs = body(other.post("/suppressions", {"address": ERIC}))
    assert theirs["id"] != mine["id"], "each source has an opt-out of its own"
    assert theirs["why"] == ""
    assert signing_app.post(f"/suppressions/{mine['id']}/lift", WHY).status_code == 200
    assert sends(signing_app, other) == ["queued", "suppressed"]


def test_a_message_that_waits_is_stopped_by_an_opt_out_of_its_own_source(
    signing_app: SigningApp, other: SigningApp
) -> None:
    mine = send(signing_app)
    theirs = send(other)
    other.post("/suppressions", {"address": ERIC})
    deliver()
    assert status(mine) != "suppressed"
    assert (status(theirs), message(theirs).code) == ("suppressed", "api")


def test_an_opt_out_holds_for_every_source_where_an_admin_says_so(
    signing_app: SigningApp, other: SigningApp
) -> None:
    mine = body(signing_app.post("/suppressions", {"address": ERIC}))
    apply_to_all("default")
    assert sends(signing_app, other) == ["suppressed", "suppressed"]
    assert body(other.get("/suppressions"))["suppressions"] == [], "it is still not theirs to see"
    assert other.post(f"/suppressions/{mine['id']}/lift", WHY).status_code == 404
    assert signing_app.post(f"/suppressions/{mine['id']}/lift", WHY).status_code == 200
    assert sends(signing_app, other) == ["queued", "queued"]


def test_an_opt_out_of_any_source_stops_what_an_admin_sends(other: SigningApp) -> None:
    other.post("/suppressions", {"address": ERIC})
    assert status(a_message()) == "suppressed"
    assert status(a_message(to=ANNA)) == "queued"


@pytest.mark.parametrize("recorded", ["keyword", "provider", "admin", "import"])
def test_what_no_source_recorded_holds_for_all_and_only_admins_lift_it(
    signing_app: SigningApp, other: SigningApp, connection: Connection, recorded: str
) -> None:
    match recorded:
        case "keyword":
            hear(Keyword.STOP, connection)
        case "provider":
            suppressions.suppress(send(signing_app), reason="provider", code="E13")
        case "admin":
            suppressions.add_opt_out(ERIC, test=True, why="Called Dana.")
        case "import":
            opt_out_files.import_opt_outs(f"address,why\n{ERIC},Old list\n", test=True)
    row = db.session.scalars(select(Suppression)).one()
    code = "E13" if recorded == "provider" else recorded
    for app in (signing_app, other):
        found = body(app.get("/suppressions", address=ERIC))
        assert found["suppressions"] == []
        assert [one["code"] for one in found["blocked"]] == [code]
        assert "Dana" not in str(found)
        assert app.post(f"/suppressions/{row.id}/lift", WHY).status_code == 404
        assert body(app.get("/suppressions"))["blocked"] is None
        assert body(app.get("/suppressions", address=ANNA))["blocked"] == []
    assert sends(signing_app, other) == ["suppressed", "suppressed"]
    suppressions.lift_opt_out(row.id, why="The admin knows.")
    assert sends(signing_app, other) == ["queued", "queued"]


def test_stop_holds_for_all_though_a_source_has_an_opt_out_already(
    signing_app: SigningApp, other: SigningApp, connection: Connection
) -> None:
    opt_out.save_rules({"stop": {}, "start": {}, "help": {}}, everywhere=True)
    mine = body(signing_app.post("/suppressions", {"address": ERIC}))
    hear(Keyword.STOP, connection)
    assert sends(signing_app, other) == ["suppressed", "suppressed"]
    signing_app.post(f"/suppressions/{mine['id']}/lift", WHY)
    assert sends(signing_app, other) == ["suppressed", "suppressed"]
    hear(Keyword.START, connection)
    assert sends(signing_app, other) == ["queued", "queued"]


def test_start_lifts_no_opt_out_of_a_source(
    signing_app: SigningApp, connection: Connection
) -> None:
    signing_app.post("/suppressions", {"address": ERIC})
    hear(Keyword.STOP, connection)
    hear(Keyword.START, connection)
    assert sends(signing_app) == ["suppressed"]


def test_lifting_on_the_page_of_a_message_lifts_all_that_stopped_it(
    signing_app: SigningApp, other: SigningApp
) -> None:
    for app in (signing_app, other):
        app.post("/suppressions", {"address": ERIC})
    suppressions.add_opt_out(ERIC, test=True)
    suppressions.lift_for_sender(send(signing_app))
    assert sends(signing_app, other) == ["queued", "suppressed"], "what is another source's stays"


# ── What people write ───────────────────────────────────────────────────────────────────────────
def reach(message_id: str, sid: str = "", status_: str = "delivered") -> None:
    """Let a message have reached the provider under an id."""
    row = message(message_id)
    change(message_id, status=status_, tries=1, provider_id=sid or None)
    if sid:
        add_attempt(message_id, row.connection_id, sid)


@transaction
def add_attempt(message_id: str, connection_id: str, sid: str) -> None:
    db.session.add(
        Attempt(message_id=message_id, n=1, connection_id=connection_id, provider_id=sid)
    )


def written(app: Flask, text: str = "Hello", **more: str) -> str | None:
    """Let Eric write by SMS; return the source that his message and its event belong to."""
    say(app, text, channel="", **more)
    row = db.session.scalars(select(Inbound).order_by(Inbound.id.desc())).first()
    assert row is not None
    event = db.session.scalars(
        select(PlatformEvent).where(PlatformEvent.cause == received_content(row.id))
    ).one()
    assert event.source_id == row.source_id
    return row.source_id


def test_an_answer_belongs_to_the_source_of_the_message_it_answers(
    hub_demo: Flask, signing_app: SigningApp, other: SigningApp
) -> None:
    answered = send(signing_app)
    sid = "SM" + "7" * 32
    reach(answered, sid)
    reach(send(other))
    assert written(hub_demo, OriginalRepliedMessageSid=sid) == id_of("default")
    assert written(hub_demo) == id_of("leases"), "else to the last that wrote"


def test_what_answers_nobody_is_for_admins_only(
    hub_demo: Flask, signing_app: SigningApp, other: SigningApp
) -> None:
    assert written(hub_demo) is None
    send(signing_app)  # waits, and reached nobody
    reach(send(other), status_="failed")
    reach(send(other, ANNA))
    assert written(hub_demo) is None
    reach(a_message())
    assert written(hub_demo) is None, "an admin's own message has no source"
    reach(send(other))
    assert written(hub_demo) == id_of("leases")
    reach(a_message())
    assert written(hub_demo) == id_of("leases")


def test_what_is_heard_of_late_belongs_to_who_wrote_before_it(
    hub_demo: Flask, signing_app: SigningApp, other: SigningApp
) -> None:
    reach(send(signing_app))
    assert came_in(hub_demo, "Late", sid="SM" + "8" * 32, channel="").status_code == 200
    reach(send(other))
    settle_receipts()
    row = db.session.scalars(select(Inbound)).one()
    assert row.source_id == id_of("default")


def test_who_wrote_over_another_sender_is_not_answered_here(
    hub_demo: Flask, signing_app: SigningApp, other: SigningApp, connection: Connection
) -> None:
    second = a_connection("Second", like=connection, sender="+13175550199")
    slug = db.session.get_one(Connection, second).slug
    answer = other.post("/messages", {"connection": slug, "to": ERIC, "text": "Hello."})
    reach(body(answer)["id"])
    assert written(hub_demo) is None
    reach(send(signing_app))
    assert written(hub_demo) == id_of("default")


def test_an_operators_answer_belongs_to_whose_message_it_answers(
    hub_demo: Flask, signing_app: SigningApp, other: SigningApp
) -> None:
    reach(send(other))
    written(hub_demo)
    talk = db.session.scalars(select(Conversation)).one()
    sent = conversations.send_reply(talk.id, "We will call you.")
    assert message(sent).source_id == id_of("leases")
    assert signing_app.get(f"/messages/{sent}").status_code == 404
    assert other.get(f"/messages/{sent}").status_code == 200


def test_what_becomes_of_a_message_is_told_to_its_source(
    hub_demo: Flask, other: SigningApp
) -> None:
    message_id = send(other)
    sid = "SM" + "9" * 32
    reach(message_id, sid, status_="accepted")
    call_back(hub_demo, a_form(hub_demo, sid, "delivered"))
    settle_receipts()
    events = db.session.scalars(select(PlatformEvent).where(PlatformEvent.message_id == message_id))
    assert {event.source_id for event in events} == {id_of("leases")}


def id_of(slug: str) -> str:
    return db.session.scalars(select(Source.id).where(Source.slug == slug)).one()


# ── Consents ────────────────────────────────────────────────────────────────────────────────────
PROOF = {
    "address": ERIC,
    "given": True,
    "channel": "sms",
    "ip": "198.51.100.23",
    "agent": "Firefox",
    "proof": "I agree to messages of Leases.",
}


def test_a_consent_is_read_by_the_source_that_recorded_it(
    signing_app: SigningApp, other: SigningApp
) -> None:
    other.post("/consents", PROOF)
    consents.record_consent(
        ConsentEntry(ERIC, True, proof="Told Dana."), source=consents.BY_ADMIN, test=True
    )
    assert body(signing_app.get("/consents", address=ERIC)) == {"consents": [], "next": None}
    [own] = body(other.get("/consents", address=ERIC))["consents"]
    assert {name: own[name] for name in PROOF} == PROOF


def test_a_no_to_one_source_stops_that_one_alone(
    signing_app: SigningApp, other: SigningApp
) -> None:
    other.post("/consents", {"address": ERIC, "given": False})
    assert sends(signing_app, other) == ["queued", "suppressed"]
    assert status(a_message()) == "suppressed", "an admin's message heeds every no"
    other.post("/consents", {"address": ERIC, "given": True})
    assert sends(signing_app, other) == ["queued", "queued"]
    consents.record_consent(ConsentEntry(ERIC, False), source=consents.BY_ADMIN, test=True)
    assert sends(signing_app, other) == ["suppressed", "suppressed"]


def test_a_yes_of_a_key_lifts_no_refusal_that_an_admin_recorded(
    signing_app: SigningApp, other: SigningApp
) -> None:
    consents.record_consent(ConsentEntry(ERIC, False), source=consents.BY_ADMIN, test=True)
    for app in (signing_app, other):
        assert app.post("/consents", {"address": ERIC, "given": True}).status_code == 201
    assert sends(signing_app, other) == ["suppressed", "suppressed"]
    consents.record_consent(ConsentEntry(ERIC, True), source=consents.BY_ADMIN, test=True)
    assert sends(signing_app, other) == ["queued", "queued"]


def test_a_yes_of_a_key_lifts_no_refusal_of_another_source_that_holds_for_all(
    signing_app: SigningApp, other: SigningApp
) -> None:
    apply_to_all("default")
    signing_app.post("/consents", {"address": ERIC, "given": False})
    other.post("/consents", {"address": ERIC, "given": True})
    assert sends(signing_app, other) == ["suppressed", "suppressed"]
    signing_app.post("/consents", {"address": ERIC, "given": True})
    assert sends(signing_app, other) == ["queued", "queued"]


SCOPES = (None, "default", "leases", "rents")


def expected_words(words: list[tuple[str | None, bool]], holding: set[str | None]) -> list[bool]:
    """Return the last word of each recorder that holds for a source; an admin's yes ends any no
    before it.
    """
    last: dict[str | None, bool] = {}
    for scope, given_ in words:
        if scope is None and given_:
            last = dict.fromkeys(last, True)
        if scope is None or scope in holding:
            last[scope] = given_
    return list(last.values())


WORDS = st.lists(st.tuples(st.sampled_from(SCOPES), st.booleans()), max_size=6)


@given(words=WORDS, shared=st.sets(st.sampled_from(SCOPES[1:])), asks=st.booleans())
@examples(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_newest_word_of_each_recorder_counts_and_only_admins_lift_a_no_of_another(
    connection: Connection, words: list[tuple[str | None, bool]], shared: set[str], asks: bool
) -> None:
    ids = prepare(words, shared)
    carrier = Carrier(
        connection.id,
        connection.integration,
        connection.channel,
        connection.sender,
        True,
        Rules(consent=asks).stored(),
    )
    contact = contact_for("phone", ERIC, test=True)
    for slug in SCOPES[1:]:
        counts = expected_words(words, {slug, *shared})
        wanted = PolicyQuestion(contact.id, ERIC, contact.address_key, source_id=ids[slug])
        code = Policy(carrier, [wanted]).decide(wanted).code
        expected = (
            ("consent_missing" if asks else "")
            if not counts
            else ""
            if all(counts)
            else "consent_no"
        )
        assert code == expected, (slug, words, shared)
    db.session.expire_all()


@given(closed=st.sets(st.sampled_from(SCOPES)), shared=st.sets(st.sampled_from(SCOPES[1:])))
@examples(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_an_opt_out_stops_whom_it_holds_for(
    connection: Connection, closed: set[str | None], shared: set[str]
) -> None:
    ids = prepare([], shared)
    for scope in closed:
        suppressions.add_opt_out(ERIC, test=True, source_id=ids[scope] if scope else None)
    contact = contact_for("phone", ERIC, test=True)
    wanted = {
        slug: PolicyQuestion(contact.id, ERIC, contact.address_key, source_id=ids[slug])
        for slug in SCOPES[1:]
    }
    asked = Policy(connection, list(wanted.values()))
    for slug, one in wanted.items():
        stops = bool({None, slug} & closed or closed & shared)
        assert bool(asked.decide(one).code) is stops, (slug, closed, shared)
        assert bool(suppressions.blocks_of_address(ERIC, test=True, source_id=ids[slug])) is stops
    db.session.rollback()


@transaction
def prepare(words: list[tuple[str | None, bool]], shared: set[str]) -> dict[str, str]:
    """Begin again: three sources, some of which apply to all, and what a person said."""
    for model in (Consent, Suppression):
        db.session.execute(delete(model))
    for slug in SCOPES[2:]:
        if db.session.scalar(select(Source.id).where(Source.slug == slug)) is None:
            db.session.add(Source(slug=slug, name=slug))
    db.session.flush()
    ids = {one.slug: one.id for one in db.session.scalars(select(Source))}
    for one in db.session.scalars(select(Source)):
        one.applies_to_all = one.slug in shared
    for scope, given_ in words:
        source_id = ids[scope] if scope else None
        consents.record_consent(
            ConsentEntry(ERIC, given_), source="api", test=True, source_id=source_id
        )
    return ids
