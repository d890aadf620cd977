"""WhatsApp where connections share an account or change, and where reports come late."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from hub.admin.contacts import contact_page as contact_page
from hub.connections import connections
from hub.connections.connection_tests import lock_connection, set_state
from hub.core.vocabulary import Address, ConnectionState
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import now
from hub.intake import replay
from hub.intake.replay import Selection
from hub.integrations.base import TemplateInfo
from hub.messaging.compose import direct, outbox, provider_templates, template_sync
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.policy import session_windows
from hub.messaging.track import reconcile, timeline
from hub.models import (
    Attempt,
    Connection,
    Conversation,
    InboundMessage,
    Message,
    PlatformEvent,
    ProviderTemplate,
    SessionWindow,
)
from hub.shared.integration_instances import instance
from tests.conftest import wait_until
from tests.hub_fixtures import (
    ERIC,
    SigningApp,
    count,
    credentials,
    event_body,
    json_of,
    post_callback,
    process_pending_callbacks,
    signer_body,
    status,
    status_form,
)
from tests.messaging.whatsapp_steps import (
    STATUS,
    TEMPLATE,
    claim_one,
    forget_window,
    queue_draft,
    receive_whatsapp,
    record_accepted,
)
from tests.messaging.whatsapp_steps import whatsapp as whatsapp
from tests.signing.ladder_steps import set_route

SERVICE = "MG" + "c" * 32
BRAZIL = "MG" + "b" * 32
SENT = "SM" + "2" * 32


@transaction
def add_connection(like: Connection, title: str, **settings: Any) -> str:
    """Add another connection of the account."""
    connection = lock_connection(connections.create(like.integration, title, test=True))
    connection.settings = {**like.settings, **settings}
    connection.settings_version = 1
    connection.account = like.account
    connection.sender = f"whatsapp:{connection.settings['sender']}"
    set_state(connection, ConnectionState.ENABLED)
    return connection.id


@transaction
def change_settings(connection_id: str, **settings: Any) -> None:
    row = db.session.get_one(Connection, connection_id)
    row.settings = {**row.settings, **settings}
    row.settings_version += 1


def connections_of_messages() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(InboundMessage.connection_id)))


# ── Who is written to ─────────────────────────────────────────────────────────────────────────────
def test_archived_connection_receives_nothing_of_a_shared_number(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    new = add_connection(whatsapp, "With a service", sender=SERVICE)
    connections.archive(whatsapp.id)
    receive_whatsapp(hub_demo, MessagingServiceSid=SERVICE)
    process_pending_callbacks()
    assert connections_of_messages() == [new]
    assert db.session.scalars(select(SessionWindow.sender)).all() == [f"whatsapp:{SERVICE}"]


def test_message_to_a_country_service_belongs_to_its_connection(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    second = add_connection(whatsapp, "Second", sender="+15005550099", services={"BR": BRAZIL})
    receive_whatsapp(hub_demo, To="whatsapp:+5511900000000", MessagingServiceSid=BRAZIL)
    process_pending_callbacks()
    assert connections_of_messages() == [second]
    assert db.session.scalars(select(SessionWindow.sender)).all() == ["whatsapp:+15005550099"]


def test_message_to_an_unassigned_number_is_stored_and_opens_no_window(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_whatsapp(hub_demo, To="whatsapp:+15005550098")
    process_pending_callbacks()
    assert connections_of_messages() == [whatsapp.id]
    assert count(SessionWindow) == 0


def test_message_to_a_number_opens_the_window_of_its_service(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    change_settings(whatsapp.id, sender=SERVICE)

    @transaction
    def rename() -> None:
        db.session.execute(
            update(Connection)
            .where(Connection.id == whatsapp.id)
            .values(sender=f"whatsapp:{SERVICE}")
        )

    rename()
    receive_whatsapp(hub_demo)
    process_pending_callbacks()
    assert db.session.scalars(select(SessionWindow.sender)).all() == [f"whatsapp:{SERVICE}"]


def test_callback_is_not_stored_again_by_a_later_connection(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_whatsapp(hub_demo)
    process_pending_callbacks()
    add_connection(whatsapp, "Later")
    connections.archive(whatsapp.id)
    replay.replay(Selection(since=now() - timedelta(hours=1)))
    assert connections_of_messages() == [whatsapp.id]
    assert (count(Conversation), count(PlatformEvent)) == (1, 1)


def test_person_known_by_id_alone_has_a_window(hub_demo: Flask, whatsapp: Connection) -> None:
    receive_whatsapp(hub_demo, From="whatsapp:US.1349", ExternalUserId="whatsapp:US.1349", WaId="")
    process_pending_callbacks()
    contact = get_or_create_contact(Address.EXTERNAL, "US.1349", test=True)
    with hub_demo.test_request_context():
        from hub.models import Contact

        [window] = contact_page.list_windows(db.session.get_one(Contact, contact.id))
    assert window.state.startswith("Open for 23 h")


# ── The window ────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def refused_text(hub_demo: Flask, whatsapp: Connection) -> str:
    """Return a text sent in an open window that was refused with 63016."""
    receive_whatsapp(hub_demo)
    process_pending_callbacks()
    message_id = queue_draft(whatsapp)
    claim = claim_one(whatsapp)
    assert claim is not None
    record_accepted(claim)
    form = status_form(
        hub_demo,
        SENT,
        "failed",
        ErrorCode="63016",
        From="whatsapp:+15005550006",
        To=f"whatsapp:{ERIC}",
    )
    post_callback(hub_demo, form, target=f"{STATUS}?message={message_id}&attempt=1")
    process_pending_callbacks()
    return message_id


def is_window_open(whatsapp: Connection) -> bool:
    db.session.rollback()
    return bool(
        session_windows.closing_times(
            whatsapp.sender, [get_or_create_contact(Address.PHONE, ERIC, test=True).id]
        )
    )


def test_refusal_closes_the_window_and_a_repeated_one_does_not_close_a_new_one(
    hub_demo: Flask, whatsapp: Connection, refused_text: str
) -> None:
    assert not is_window_open(whatsapp)
    receive_whatsapp(hub_demo, sid="SM" + "7" * 32)
    process_pending_callbacks()
    assert is_window_open(whatsapp)
    replay.replay(Selection(message=refused_text))
    assert is_window_open(whatsapp)


def test_refusal_found_by_polling_leads_to_the_template(
    hub_demo: Flask, whatsapp: Connection, simulator: Any
) -> None:
    phone = "+15005550021"
    contact = get_or_create_contact(Address.PHONE, phone, test=True)
    session_windows.open_window(whatsapp.sender, contact.id, now(), 24)
    message_id = outbox.add_message(
        outbox.Draft(
            connection=whatsapp.info, recipient=contact, text="Please sign", template=TEMPLATE
        )
    )
    claim = claim_one(whatsapp)
    assert claim is not None
    sent = claim.integration.send(claim.outbound)
    provider = instance(whatsapp)
    update_ = wait_until(
        lambda: (
            found_status if (found_status := provider.fetch_status(sent.provider_id)).code else None
        )
    )
    assert (update_.code, update_.outside_window) == ("63016", True)
    assert message_id


# ── Templates ─────────────────────────────────────────────────────────────────────────────────────
def map_template(whatsapp: Connection, **variables: str) -> None:
    """Map an approved template with these variables to request_sent."""
    template_sync.store_templates(whatsapp.id, [make_template(*variables)])
    row = db.session.scalars(select(ProviderTemplate)).one()
    provider_templates.save_mapping(whatsapp.id, "request_sent", "en", row.id, variables)
    forget_window()


def make_template(*variables: str) -> TemplateInfo:
    text = " ".join(f"{{{{{variable}}}}}" for variable in variables)
    return TemplateInfo(
        "HX" + "a" * 32,
        "ask",
        "en_US",
        "approved",
        text=text,
        variables=dict.fromkeys(variables, "Sample"),
    )


def test_resent_message_uses_a_template_mapped_afterwards(
    hub_demo: Flask, whatsapp: Connection, signing_app: SigningApp
) -> None:
    set_route(("whatsapp", None, None))
    answer = json_of(
        signing_app.post(
            "/events", event_body(signers=[signer_body("Eric", ERIC, preference=["whatsapp"])])
        )
    )
    [message] = answer["messages"]
    assert message["code"] == "window_closed"
    map_template(whatsapp, **{"1": "title"})
    response = json_of(signing_app.post(f"/messages/{message['id']}/resend"))
    assert response["status"] == "queued"
    claim = claim_one(whatsapp)
    assert claim is not None
    assert claim.outbound.template is not None
    assert dict(claim.outbound.template.variables) == {"1": "Employment Agreement"}


def test_message_without_an_event_does_not_link_to_templates(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    message_id = direct.send_message(
        to=ERIC, text="Hello", connection_slug="demo-whatsapp", test=True
    )
    problem = timeline.explain_failure(db.session.get_one(Message, message_id))
    assert problem is not None
    assert "Templates" not in problem.remedy
    assert "24 hours" in problem.text


def test_template_with_changed_variables_is_not_sent_with_samples(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    map_template(whatsapp, **{"1": "title"})
    values = {"title": "Lease", "link": "https://sign.example/1"}
    assert provider_templates.fill_mapped(whatsapp.id, "request_sent", "en", values) is not None
    assert template_sync.unsendable_templates() == []
    template_sync.store_templates(whatsapp.id, [make_template("1", "2")])
    forget_window()
    assert provider_templates.fill_mapped(whatsapp.id, "request_sent", "en", values) is None
    assert [template.name for template, _ in template_sync.unsendable_templates()] == ["ask"]


@pytest.mark.parametrize("locale", ["pt BR", "", "english", "p", "en--US"])
def test_unknown_language_cannot_be_mapped(
    hub_demo: Flask, whatsapp: Connection, locale: str
) -> None:
    template_sync.store_templates(whatsapp.id, [make_template("1")])
    row = db.session.scalars(select(ProviderTemplate)).one()
    with pytest.raises(provider_templates.Refused) as refusal:
        provider_templates.save_mapping(whatsapp.id, "request_sent", locale, row.id, {"1": "title"})
    assert refusal.value.field == "locale"


# ── By country ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("to", "sender", "settled"),
    [
        ("+5511987654321", f"whatsapp:{BRAZIL}", "unknown"),
        ("+13175551234", "whatsapp:+15005550006", "asked"),
    ],
)
def test_message_of_a_removed_service_is_not_resent(
    hub_demo: Flask, whatsapp: Connection, simulator: Any, to: str, sender: str, settled: str
) -> None:
    change_settings(whatsapp.id, services={"BR": BRAZIL})
    contact = get_or_create_contact(Address.PHONE, to, test=True)
    session_windows.open_window(whatsapp.sender, contact.id, now(), 24)
    message_id = outbox.add_message(
        outbox.Draft(connection=whatsapp.info, recipient=contact, text="Please sign")
    )
    assert claim_one(whatsapp) is not None
    assert db.session.scalars(select(Attempt.sender)).all() == [sender]

    @transaction
    def remove_service() -> None:
        db.session.execute(
            update(Message).where(Message.id == message_id).values(status="unknown", due_at=now())
        )

    remove_service()
    change_settings(whatsapp.id, services={})
    reconcile.look_up_message(message_id)
    assert status(message_id) == ("unknown" if settled == "unknown" else "queued"), (
        "absent there says nothing of another sender"
    )
    assert credentials(hub_demo).phone_number in whatsapp.sender


def test_message_with_only_a_file_matches_no_other_message(
    hub_demo: Flask, whatsapp: Connection, simulator: Any
) -> None:
    contact = get_or_create_contact(Address.PHONE, ERIC, test=True)
    session_windows.open_window(whatsapp.sender, contact.id, now(), 24)
    for text, media in (("Something else", ()), ("", [{"url": "https://files.example/a.pdf"}])):
        outbox.add_message(
            outbox.Draft(connection=whatsapp.info, recipient=contact, text=text, media=media)
        )
    claims = [claim for claim in (claim_one(whatsapp), claim_one(whatsapp)) if claim is not None]
    send: Callable[[Any], Any] = claims[0].integration.send
    send(claims[0].outbound)
    found_ = claims[1].integration.find(claims[1].outbound, now() - timedelta(minutes=1))
    assert [match.sure for match in found_] == [False]
