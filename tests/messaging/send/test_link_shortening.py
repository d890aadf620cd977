"""Services that shorten links: a message never waits long for them, and never fails for them."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

import hub
from hub.admin.connections import rules_summary
from hub.connections import link_shorteners
from hub.core.errors import Refused
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.link_shorteners import SHORTENERS
from hub.lib import commitments
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.compose.content import received_content
from hub.messaging.policy.policy import get_rules
from hub.messaging.send import link_shortening
from hub.messaging.track.timeline import timeline
from hub.models import Connection, Message, MessageBody
from hub.signing import accept
from hub.signing.events import EventIn
from hub.simulator.shorteners.api import SLOW, list_links
from tests.conftest import config_of
from tests.hub_fixtures import event_body, signer_body, source_id
from tests.hub_fixtures import hub_demo as hub_demo
from tests.short_link_steps import SHORT_LINK

SETTINGS = {
    "bitly": {"token": "a-token", "domain": "go.acme.example", "group": "Bk1"},
    "rebrandly": {"key": "a-key", "domain": "go.acme.example", "workspace": ""},
}
SERVICES = list(SETTINGS)
pytestmark = pytest.mark.usefixtures("hub_demo", "simulator")


@transaction
def _choose(kind: str) -> None:
    for row in db.session.scalars(select(Connection).where(Connection.channel == Channel.SMS)):
        row.rules = replace(get_rules(row.info), short_links=kind).to_json()


def set_up(service: str, **changes: str) -> None:
    """Let SMS contain the links of a service."""
    link_shorteners.save_settings(service, SETTINGS[service] | changes)
    _choose(service)
    link_shortening.forget_failure(service)


def post() -> str:
    """Post an invitation, and return its SMS."""
    event = EventIn.model_validate(event_body(signers=[signer_body("Eric")]))
    answer = accept.accept_event(event, source_id(), test=True)
    db.session.rollback()
    [sms] = [item["id"] for item in answer["messages"] if item["channel"] == "sms"]
    return str(sms)


def shorten() -> int:
    db.session.rollback()
    handled = link_shortening.shorten_links(ShutdownSignal(10))
    db.session.rollback()
    return handled


def text_of(message_id: str) -> str:
    db.session.rollback()
    return str(db.session.get_one(MessageBody, message_id).content["text"])


def made(simulator: Flask) -> dict[str, str]:
    with simulator.app_context():
        return dict(list_links())


@pytest.mark.parametrize("service", SERVICES)
def test_service_replaces_the_link_and_leads_to_that_of_signpost(
    service: str, simulator: Flask
) -> None:
    set_up(service)
    message_id = post()
    own = SHORT_LINK.search(text_of(message_id))
    assert own
    waiting = db.session.get_one(Message, message_id)
    assert waiting.due_at is not None
    assert waiting.due_at > now(), "it waits for the service"
    assert shorten() == 1
    [(short, target)] = made(simulator).items()
    assert target == own[0], "the service never sees the link to sign"
    assert short in text_of(message_id)
    assert own[0] not in text_of(message_id)
    message = db.session.get_one(Message, message_id)
    assert message.due_at is not None
    assert message.due_at <= now()
    content = db.session.get_one(MessageBody, message_id).content
    assert message.content_salt is not None
    assert message.content_hash == commitments.commit(
        message.content_salt, received_content(content)
    )
    assert shorten() == 0


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("fault", ["refused", "limited", "broken"])
def test_message_has_the_link_of_signpost_when_a_service_fails(service: str, fault: str) -> None:
    set_up(service, **{"token" if service == "bitly" else "key": fault})
    message_id = post()
    before = text_of(message_id)
    shorten()
    assert text_of(message_id) == before
    message = db.session.get_one(Message, message_id)
    assert message.due_at is not None
    assert message.due_at <= now()
    titles = [entry.title for entry in timeline(message)]
    assert "Shortening service failed" in titles


def test_slow_service_is_left_after_two_seconds_and_then_for_a_minute(hub_demo: Flask) -> None:
    set_up("bitly", token=SLOW)
    first = post()
    began = time.monotonic()
    assert shorten() == 1
    assert time.monotonic() - began < 3.5
    message = db.session.get_one(Message, first)
    assert message.due_at is not None
    assert message.due_at <= now()
    event = event_body(signers=[signer_body("Anna", "+442071234567")])
    event["request"]["id"] = "agr-1002"
    accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    # each job of a worker is a separate process, with an application that remembers nothing
    with hub.create_app(config_of(hub_demo), blueprints=False).app_context():
        began = time.monotonic()
        assert shorten() == 1
        assert time.monotonic() - began < 1, "the service was not called again"
        db.session.remove()
        db.engine.dispose()


def test_message_is_sent_without_the_chore_after_five_seconds() -> None:
    set_up("bitly")
    message = db.session.get_one(Message, post())
    assert message.due_at is not None
    assert message.due_at <= now() + timedelta(seconds=5)


def test_service_that_is_not_set_up_delays_nothing_further() -> None:
    _choose("rebrandly")
    message_id = post()
    assert shorten() == 1
    message = db.session.get_one(Message, message_id)
    assert message.due_at is not None
    assert message.due_at <= now()
    assert SHORT_LINK.search(text_of(message_id))


def test_same_link_is_made_once(simulator: Flask) -> None:
    for service in SERVICES:
        shortener = link_shortening.create_shortener(service, SETTINGS[service])
        url = f"https://hub.example.com/l/{service}00"
        assert shortener.shorten(url) == shortener.shorten(url)
    assert len(made(simulator)) == 2


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("domain", ["bit.ly", "rebrand.ly", "BIT.LY", "x.rebrand.ly", "t.co"])
def test_public_domain_is_refused(service: str, domain: str) -> None:
    with pytest.raises(Refused, match="Carriers filter"):
        link_shorteners.merge_settings(service, SETTINGS[service] | {"domain": domain})


@pytest.mark.parametrize("domain", ["", "https://go.acme.example", "go acme", "localhost", "a..b"])
def test_domain_that_is_none_is_refused(domain: str) -> None:
    with pytest.raises(Refused):
        link_shorteners.merge_settings("bitly", SETTINGS["bitly"] | {"domain": domain})


def test_empty_secret_keeps_the_stored_one() -> None:
    link_shorteners.save_settings("bitly", SETTINGS["bitly"])
    merged = link_shorteners.merge_settings("bitly", SETTINGS["bitly"] | {"token": ""})
    assert merged["token"] == "a-token"


def test_test_names_the_setting_at_fault() -> None:
    passed = link_shorteners.test_settings("bitly", SETTINGS["bitly"])
    assert (passed.passed, passed.text) == (True, "Bitly accepted the token of Acme HR.")
    refused = link_shorteners.test_settings("bitly", SETTINGS["bitly"] | {"token": "refused"})
    assert (refused.passed, refused.field) == (False, "token")
    refused = link_shorteners.test_settings("rebrandly", SETTINGS["rebrandly"] | {"key": "refused"})
    assert (refused.passed, refused.field) == (False, "key")


@pytest.mark.parametrize("service", SERVICES)
def test_page_of_a_connection_names_the_links_that_it_sends(service: str) -> None:
    connection = db.session.scalars(
        select(Connection).where(Connection.channel == Channel.SMS)
    ).first()
    assert connection is not None

    def shown() -> str:
        db.session.refresh(connection)
        return dict(rules_summary.summarize_rules(connection))["Links in SMS"]

    assert shown() == "Short links of Signpost"
    set_up(service)
    assert shown() == f"{SHORTENERS[service].title} (go.acme.example)"
    link_shorteners.remove_settings(service)
    assert shown() == "Short links of Signpost"
