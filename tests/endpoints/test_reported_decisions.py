"""Opt-outs and opt-ins reach the apps that they concern, however they were recorded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from hub.db.engine import db
from hub.endpoints import deliveries as delivery_cases
from hub.messaging.contacts import consents, opt_out_files, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.models import Message
from hub.signing import contact_erasure
from tests.endpoints.event_steps import bodies, listen, types
from tests.endpoints.receivers import Receiver, add_endpoint, notify
from tests.hub_fixtures import ERIC, SigningApp, json_of
from tests.messaging.contacts.source_steps import apply_to_all, send
from tests.messaging.contacts.source_steps import other_source as other_source
from tests.messaging.inbox.opt_out_steps import receive_text

pytestmark = pytest.mark.usefixtures("hub_demo")
WHY = {"why": "The person asked for messages again."}
PATTERNS = ("opted_*",)


def lift(suppression_id: str) -> None:
    suppressions.lift_opt_out(suppression_id, reason="Asked.")


def by_api(app: Flask, signing_app: SigningApp) -> None:
    added = json_of(signing_app.post("/suppressions", {"address": ERIC}))
    signing_app.post(f"/suppressions/{added['id']}/lift", WHY)


def by_admin(app: Flask, signing_app: SigningApp) -> None:
    lift(suppressions.add_opt_out(ERIC, test=True).id)


def by_import(app: Flask, signing_app: SigningApp) -> None:
    for _ in range(2):  # the second time, nothing is new
        opt_out_files.import_opt_outs(f"address,channel\n{ERIC},sms\n", test=True)
    suppressions.lift_opt_outs_of_message(db.session.query(Message.id).scalar())


def by_keyword(app: Flask, signing_app: SigningApp) -> None:
    for text in ("STOP", "STOP", "START", "START"):
        receive_text(app, text, channel="")


def by_consents(app: Flask, signing_app: SigningApp) -> None:
    for given in (False, False, True, True):
        signing_app.post("/consents", {"address": ERIC, "channel": "sms", "given": given})


WAYS = {
    by_api: ("api", "api"),
    by_admin: ("admin", "admin"),
    by_import: ("import", "admin"),
    by_keyword: ("keyword", "keyword"),
    by_consents: ("api", "api"),
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_opt_out_and_opt_in_are_reported_once(
    hub_demo: Flask, signing_app: SigningApp, way: Callable[[Flask, SigningApp], None]
) -> None:
    send(signing_app)
    endpoint_id = listen("default", *PATTERNS)
    way(hub_demo, signing_app)
    found = bodies(endpoint_id)
    assert [body["type"] for body in found] == ["opted_out", "opted_in"]
    assert tuple(body["reason"] for body in found) == WAYS[way]
    assert {body["address"] for body in found} == {ERIC}


def test_provider_s_opt_out_is_reported_with_its_message_and_code(signing_app: SigningApp) -> None:
    message_id = send(signing_app)
    endpoint_id = listen("default", *PATTERNS)
    for _ in range(2):
        suppressions.suppress(message_id, reason=suppressions.BY_PROVIDER, code="21610")
    [body] = bodies(endpoint_id)
    assert (body["message"], body["code"], body["reason"]) == (message_id, "21610", "provider")
    assert (body["channel"], body["connection"]) == ("sms", "demo-sms")


def test_opt_out_of_a_source_is_reported_to_that_source_only(
    signing_app: SigningApp, other_source: SigningApp
) -> None:
    for app in (signing_app, other_source):
        send(app)
    default_receiver = listen("default", *PATTERNS)
    leases_receiver = listen("leases", *PATTERNS)
    other_source.post("/suppressions", {"address": ERIC})
    assert (types(default_receiver), types(leases_receiver)) == ([], ["opted_out"])


def test_opt_out_for_all_sources_is_reported_to_those_that_wrote(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    message_id = send(other_source)
    default_receiver = listen("default", *PATTERNS)
    leases_receiver = listen("leases", *PATTERNS)
    lift(suppressions.add_opt_out(ERIC, test=True).id)
    assert (types(default_receiver), types(leases_receiver)) == ([], ["opted_out", "opted_in"])
    apply_to_all("default")
    signing_app.post("/suppressions", {"address": ERIC})
    assert (types(default_receiver), types(leases_receiver)[2:]) == (["opted_out"], ["opted_out"])
    own = bodies(default_receiver)[0]
    other = bodies(leases_receiver, "leases")[2]
    assert own["id"] != other["id"]
    assert {own["message"], other["message"]}.isdisjoint({message_id})


def test_keyword_names_the_answered_message_to_its_own_source_only(
    hub_demo: Flask, signing_app: SigningApp, other_source: SigningApp
) -> None:
    for app in (signing_app, other_source):
        send(app)
    default_receiver = listen("default", *PATTERNS)
    leases_receiver = listen("leases", *PATTERNS)
    receive_text(hub_demo, "STOP", channel="")
    [own] = bodies(default_receiver)
    [other] = bodies(leases_receiver, "leases")
    assert own["inbound"] == other["inbound"]
    assert (own["source"], other["source"]) == ("default", "leases")


def test_older_and_other_consents_are_not_reported(signing_app: SigningApp) -> None:
    endpoint_id = listen("default", *PATTERNS)
    signing_app.post("/consents", {"address": ERIC, "given": True})
    old = {"address": ERIC, "given": False, "at": "2020-01-01T00:00:00Z"}
    signing_app.post("/consents", old)
    consents.record_consent(
        ConsentEntry(ERIC, False, purpose="marketing"), source="admin", test=True
    )
    assert types(endpoint_id) == ["opted_in"]


def test_decision_about_live_messages_is_not_reported_to_test_endpoints(
    signing_app: SigningApp,
) -> None:
    send(signing_app)
    test_endpoint = listen("default", *PATTERNS)
    suppressions.add_opt_out(ERIC, test=False)
    assert types(test_endpoint) == []


def test_erased_contact_is_not_named_afterwards(
    signing_app: SigningApp, receiver: Receiver
) -> None:
    message_id = send(signing_app)
    endpoint_id, _ = add_endpoint(receiver.url, PATTERNS, with_addresses=True, with_texts=True)
    receiver.answer_with(500, b"unknown number " + ERIC.encode())
    suppressions.add_opt_out(ERIC, test=True)
    notify()
    assert ERIC in receiver.requests[0].body.decode()
    contact_id = db.session.get_one(Message, message_id).contact_id
    contact_erasure.erase_contact(contact_id, reason="Asked.")
    [body] = bodies(endpoint_id)
    assert ERIC not in str(body)
    [attempt] = delivery_cases.attempts_of(delivery_cases.find(endpoint_id, body["id"]))
    assert delivery_cases.read_response(attempt) == ""
