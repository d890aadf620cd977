"""Chat invitations: links that work once, their consent, and later membership changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from hub.connections.connections import get_by_slug
from hub.core.errors import Conflict, Refused
from hub.core.vocabulary import Address, Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.integrations.base import ChatLinked, ChatPermission, Inbound
from hub.messaging.compose import render
from hub.messaging.inbox import chat_membership, inbound
from hub.messaging.track.statuses import Origin
from hub.models import (
    Connection,
    Consent,
    LinkedChat,
    SigningRequest,
    Source,
    Suppression,
    Template,
    TemplateVersion,
)
from hub.shared.sentences import sentence
from hub.signing import accept, chat_invitations, contact_erasure, personal_data, team_subscriptions
from hub.signing.events import EventIn
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import OPT_OUT_LINE, deliver, event_body, signer_body, source_id, status

VOID = sentence("link_void", "en")
ConnectTeam = Callable[[str], Connection]
CHAT = "778899"


def post_event(
    external_id: str = "agr-1", *, source: str = "", preference: list[str] | None = None
) -> dict[str, Any]:
    event = event_body(
        signers=[
            signer_body(
                "Eric",
                email="eric@example.com",
                preference=preference or ["team_chat", "sms"],
                signing_url="https://sign.example/r/eric",
            )
        ]
    )
    event["request"]["id"] = external_id
    return accept.accept_event(EventIn.model_validate(event), source or source_id(), test=True)


def load_request() -> SigningRequest:
    db.session.rollback()
    return db.session.scalars(select(SigningRequest).order_by(SigningRequest.id).limit(1)).one()


def token_of(invitation: chat_invitations.Invitation) -> str:
    return invitation.url.rpartition("/")[2]


def open_link(
    connection: Connection, token: str, chat: str = CHAT, *, team: bool = False, seconds: float = 0
) -> bool:
    link = ChatLinked(token=token, address=chat, name="Eric in the chat", team=team)
    return chat_invitations.link_chat(
        link, Origin("callback", [connection.id]), now() + timedelta(seconds=seconds)
    )


def deliver_texts(fake_provider: FakeProvider, to: str) -> list[str]:
    before = len(fake_provider.sent)
    deliver()
    return [message.text for message in fake_provider.sent[before:] if message.to == to]


def test_link_connects_a_chat_that_preferences_may_name_afterwards(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    assert [message["channel"] for message in post_event()["messages"]] == ["sms"]
    invitation = chat_invitations.invite(load_request().id, "eric")
    assert invitation.url.startswith("https://team-chat.example/chat/")
    assert open_link(team_chat, token_of(invitation))
    [welcome] = deliver_texts(fake_provider, CHAT)
    assert (
        welcome
        == "You are connected. Acme HR will send you messages here. Send /stop to opt out.\n\n"
        "“Employment Agreement” is waiting for your signature: https://sign.example/r/eric"
    )
    [second] = post_event("agr-2")["messages"]
    assert (second["channel"], second["to"]) == ("chat", CHAT)
    assert deliver_texts(fake_provider, CHAT) == [
        'You\'ve been sent "Employment Agreement" by Acme HR. Please review & sign:'
        " https://sign.example/r/eric"
    ]
    assert [
        message["channel"] for message in post_event("agr-3", preference=["sms"])["messages"]
    ] == ["sms"]


def test_consent_is_stored_with_its_evidence(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    post_event()
    open_link(team_chat, token_of(chat_invitations.invite(load_request().id, "eric")))
    row = db.session.scalars(select(Consent)).one()
    assert (row.given, row.evidence, row.channel) == (True, "link", "chat")
    assert "signer eric of request agr-1" in row.proof


def test_link_works_once_and_a_second_use_explains_why(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    post_event()
    token = token_of(chat_invitations.invite(load_request().id, "eric"))
    open_link(team_chat, token)
    deliver_texts(fake_provider, CHAT)
    open_link(team_chat, token)
    assert deliver_texts(fake_provider, CHAT) == [], "the same tap, told twice"
    open_link(team_chat, token, "666")
    assert deliver_texts(fake_provider, "666") == [VOID]
    linked = {row.contact_id for row in db.session.scalars(select(LinkedChat))}
    assert len(linked) == 1, "the second chat is not linked"
    assert post_event("agr-2")["messages"][0]["to"] == CHAT


@pytest.mark.parametrize("made_up", ["", "nothing", "A" * 43])
def test_invented_token_links_nothing(
    connect_team: ConnectTeam, fake_provider: FakeProvider, made_up: str
) -> None:
    open_link(connect_team(""), made_up, "666")
    assert deliver_texts(fake_provider, "666") == [VOID]
    assert db.session.scalars(select(LinkedChat)).all() == []


def test_link_expires_after_a_week(connect_team: ConnectTeam, fake_provider: FakeProvider) -> None:
    team_chat = connect_team("")
    post_event()
    token = token_of(chat_invitations.invite(load_request().id, "eric"))
    with time_machine.travel(now() + timedelta(days=7, seconds=1)):
        open_link(team_chat, token)
        assert db.session.scalars(select(LinkedChat)).all() == []


def test_link_of_one_connection_is_refused_at_another(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connect_team("")
    post_event()
    token = token_of(chat_invitations.invite(load_request().id, "eric"))
    open_link(connect_team("E9"), token)
    assert db.session.scalars(select(LinkedChat)).all() == []


def test_linked_chats_are_scoped_to_a_source(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    @transaction
    def add_source() -> str:
        row = Source(slug="other", name="Another app")
        db.session.add(row)
        db.session.flush()
        return row.id

    team_chat = connect_team("")
    post_event()
    open_link(team_chat, token_of(chat_invitations.invite(load_request().id, "eric")))
    assert post_event("agr-2", source=add_source())["messages"][0]["channel"] == "sms"


def test_team_link_sets_the_destination_of_a_connection(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    token = chat_invitations.invite_team(team_chat.id).url.rpartition("/")[2]
    open_link(team_chat, token, "-100", team=True)
    assert get_by_slug(team_chat.slug).destination == "-100"
    assert deliver_texts(fake_provider, "-100") == ["Team will post updates in this chat."]
    assert team_subscriptions.posted_events(team_chat.id) == list(team_subscriptions.DEFAULT_EVENTS)
    post_event()
    assert deliver_texts(fake_provider, "-100") == [
        'Acme HR sent "Employment Agreement" to Eric for signature.'
    ]


def test_personal_link_sets_no_destination(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    post_event()
    open_link(
        team_chat, token_of(chat_invitations.invite(load_request().id, "eric")), "-100", team=True
    )
    assert get_by_slug(team_chat.slug).destination == ""


def test_without_an_inviting_connection_no_invitation_is_sent(hub_demo: Flask) -> None:
    post_event(preference=["sms"])
    with pytest.raises(
        Refused, match="not an enabled connection that supports invitations"
    ) as refusal:
        chat_invitations.invite(load_request().id, "eric", "demo-sms")
    assert refusal.value.field == "connection"
    with pytest.raises(Conflict):
        chat_invitations.invite_team(get_by_slug("demo-sms").id)


def addresses_of_signers_sharing_an_email(team_chat: Connection, *linked: str) -> list[str]:
    """Link some of two signers with one email, and return where their next messages go."""
    signers = [
        signer_body(
            "Ann", "+442071234567", email="office@example.com", preference=["team_chat", "sms"]
        ),
        signer_body(
            "Bob", "+13175551234", email="office@example.com", preference=["team_chat", "sms"]
        ),
    ]
    accept.accept_event(EventIn.model_validate(event_body(signers=signers)), source_id(), test=True)
    for name in linked:
        open_link(
            team_chat, token_of(chat_invitations.invite(load_request().id, name)), f"77{name}"
        )
    event = event_body(signers=signers)
    event["request"]["id"] = "agr-2"
    answer = accept.accept_event(EventIn.model_validate(event), source_id(), test=True)
    return [message["to"] for message in answer["messages"] if message["signer"]]


def test_signer_sharing_an_address_receives_only_their_own_messages(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    assert addresses_of_signers_sharing_an_email(connect_team(""), "ann", "bob") == [
        "+442071234567",
        "77bob",
    ]


def test_linked_chat_receives_no_messages_of_an_unlinked_signer(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    assert addresses_of_signers_sharing_an_email(connect_team(""), "ann") == [
        "77ann",
        "+13175551234",
    ]


def test_stop_older_than_the_link_is_ignored(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    post_event()
    open_link(team_chat, token_of(chat_invitations.invite(load_request().id, "eric")))
    inbound_message = Inbound(
        channel=Channel.CHAT,
        senders=("team_chat",),
        kind=Address.CHAT,
        address=CHAT,
        text="STOP",
        provider_id="77/1",
    )
    inbound.store_inbound(
        inbound_message, Origin("callback", [team_chat.id]), now() - timedelta(minutes=1)
    )
    assert post_event("agr-2")["messages"][0]["status"] == "queued"


def test_person_who_blocked_the_bot_and_opens_a_link_can_be_written_to(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    post_event()
    apply_membership_change(team_chat, False, 0)
    open_link(team_chat, token_of(chat_invitations.invite(load_request().id, "eric")))
    apply_membership_change(team_chat, True, 3600)
    assert len(deliver_texts(fake_provider, CHAT)) == 1


# ── In a text ─────────────────────────────────────────────────────────────────────────────────────
@transaction
def change_template(text: str) -> None:
    template = db.session.scalars(
        select(Template).where(
            Template.name == "request_sent", Template.channel == "sms", Template.locale == "en"
        )
    ).one()
    db.session.add(TemplateVersion(template_id=template.id, number=9, text=text))


def test_any_text_can_show_the_link_until_it_is_used(
    connect_team: ConnectTeam, fake_provider: FakeProvider, hub_demo: Flask
) -> None:
    team_chat = connect_team("")
    change_template("((title)).[[ Or here: ((team chat link))]]")
    hub_demo.extensions.pop("hub.cached", None)
    text = render.render("request_sent", "sms", "en", {"title": "x", "team_chat_link": ""}).text
    assert text == "x."
    message_id = post_event(preference=["sms"])["messages"][0]["id"]
    message = str(
        db.session.get_one(contact_erasure.MessageBody, message_id.partition("_")[2]).content[
            "text"
        ]
    )
    assert message.startswith("Employment Agreement. Or here: https://team-chat.example/chat/")
    open_link(team_chat, message.removesuffix(OPT_OUT_LINE).rpartition("/")[2])
    second = post_event("agr-2", preference=["sms"])["messages"][0]["id"]
    assert (
        db.session.get_one(contact_erasure.MessageBody, second.partition("_")[2]).content["text"]
        == "Employment Agreement."
    )


def test_unreadable_bot_settings_do_not_prevent_sending_a_text(
    connect_team: ConnectTeam, fake_provider: FakeProvider, hub_demo: Flask
) -> None:
    team_chat = connect_team("")
    change_template("((title)).[[ Or here: ((team chat link))]]")
    hub_demo.extensions.pop("hub.cached", None)
    damage_settings(team_chat.id)
    message_id = post_event(preference=["sms"])["messages"][0]["id"]
    assert (
        db.session.get_one(contact_erasure.MessageBody, message_id.partition("_")[2]).content[
            "text"
        ]
        == f"Employment Agreement.{OPT_OUT_LINE}"
    )


@transaction
def damage_settings(connection_id: str) -> None:
    connection = db.session.get_one(Connection, connection_id)
    connection._settings = b"k9:nothing that opens"
    connection.settings_version = connection.settings_version + 1


# ── Blocked ───────────────────────────────────────────────────────────────────────────────────────
def apply_membership_change(team_chat: Connection, allowed: bool, seconds: float) -> None:
    permission = ChatPermission(
        allowed=allowed,
        address=CHAT,
        reason="The person blocked the bot." if not allowed else "The person let it in again.",
    )
    assert chat_membership.apply_membership(
        permission, Origin("callback", [team_chat.id]), START + timedelta(seconds=seconds)
    )


START = now() - timedelta(hours=1)


def test_person_who_blocks_is_not_written_to_until_they_unblock(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    post_event()
    open_link(team_chat, token_of(chat_invitations.invite(load_request().id, "eric")))
    apply_membership_change(team_chat, False, 7200)
    refused = post_event("agr-2")["messages"][0]
    assert (refused["status"], refused["code"]) == ("suppressed", "shut_out")
    apply_membership_change(team_chat, True, 7260)
    assert status(post_event("agr-3")["messages"][0]["id"]) == "queued"


def test_newest_membership_change_counts_in_any_order(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    team_chat = connect_team("")
    apply_membership_change(team_chat, True, 60)
    apply_membership_change(team_chat, False, 0)
    assert (
        db.session.scalars(select(Suppression).where(Suppression.lifted_at.is_(None))).all() == []
    )
    apply_membership_change(team_chat, False, 120)
    assert (
        len(db.session.scalars(select(Suppression).where(Suppression.lifted_at.is_(None))).all())
        == 1
    )


# ── Forgetting ────────────────────────────────────────────────────────────────────────────────────
def test_erased_person_has_no_chat(connect_team: ConnectTeam, fake_provider: FakeProvider) -> None:
    team_chat = connect_team("")
    post_event()
    open_link(team_chat, token_of(chat_invitations.invite(load_request().id, "eric")))
    contact_id = db.session.scalars(select(LinkedChat.contact_id).limit(1)).one()
    [chat] = personal_data.collect_personal_data(contact_id)["chats"]
    assert chat["connection"] == "Team"
    contact_erasure.erase_contact(contact_id, reason="asked for it")
    assert db.session.scalars(select(LinkedChat)).all() == []
