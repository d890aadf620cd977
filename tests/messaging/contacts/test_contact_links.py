"""Two identities that a webhook links share opt-outs and windows until an admin unlinks them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from hub.core.errors import NotFound
from hub.core.vocabulary import Address, Channel, Role
from hub.db.engine import db
from hub.db.types import now
from hub.intake import purge
from hub.integrations.base import Inbound
from hub.messaging.compose import direct
from hub.messaging.contacts import consents, contact_links, merging, suppressions
from hub.messaging.contacts.consents import ConsentEntry
from hub.messaging.contacts.contacts import get_or_create_contact
from hub.messaging.inbox import opt_out
from hub.messaging.policy import linked_contacts, session_windows
from hub.models import AuditEntry, Connection, Contact, ContactLink, Suppression
from hub.shared.address_keys import address_key, address_keys
from hub.signing import contact_erasure, personal_data
from tests.conftest import Browser
from tests.hub_fixtures import count, source_id, status
from tests.messaging.contacts.test_address_forms import receive_text
from tests.messaging.whatsapp_steps import claim_one, forget_window
from tests.messaging.whatsapp_steps import whatsapp as whatsapp

NUMBER = "+13175557788"
ID = "US.13491208655302741918"


def receive_linked_text(
    app: Flask, number: str = NUMBER, external: str = ID, text: str = "Hello"
) -> None:
    """Receive a webhook that names a person by number and by the provider's ID."""
    receive_text(app, number, text, ExternalUserId=f"whatsapp:{external}")


def receive_text_by_id(app: Flask, text: str) -> None:
    receive_text(app, ID, text, WaId="", ExternalUserId=f"whatsapp:{ID}")


def send(number: str = NUMBER) -> str:
    forget_window()
    return status(
        direct.send_message(
            to=number, text="Your contract is ready.", channel="whatsapp", test=True
        )
    )


def contact(kind: Address, address: str) -> str:
    return get_or_create_contact(kind, address, test=True).id


def load_link() -> ContactLink:
    db.session.rollback()
    return db.session.scalars(select(ContactLink)).one()


def test_stop_of_one_identity_applies_to_the_other(hub_demo: Flask, whatsapp: Connection) -> None:
    receive_text_by_id(hub_demo, "STOP")
    receive_text(hub_demo, NUMBER, "Hello")
    assert send() == "queued", "nothing shows yet that they are one"
    receive_linked_text(hub_demo)
    assert send() == "suppressed"
    assert suppressions.blocks_of_address(NUMBER, test=True, source_id=source_id()) == [
        ("whatsapp", "keyword")
    ]


def test_messages_queued_to_a_merged_opt_out_are_not_sent(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_text_by_id(hub_demo, "STOP")
    receive_text(hub_demo, NUMBER, "Hello")
    message_id = direct.send_message(
        to=NUMBER, text="Your contract is ready.", channel="whatsapp", test=True
    )
    receive_linked_text(hub_demo)
    for _ in range(3):
        claim = claim_one(whatsapp)
        assert claim is None or claim.outbound.id != message_id
    assert status(message_id) == "suppressed"


def test_start_of_one_identity_lifts_the_stop_of_the_other(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_linked_text(hub_demo, text="STOP")
    assert send() == "suppressed"
    receive_text_by_id(hub_demo, "START")
    assert send() == "queued"


def test_window_of_one_identity_is_open_for_the_other(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_linked_text(hub_demo)
    number = contact(Address.PHONE, NUMBER)
    external = contact(Address.EXTERNAL, ID)
    session_windows.close_window(whatsapp.sender, number)
    assert not session_windows.closing_times(whatsapp.sender, [number, external])
    receive_text_by_id(hub_demo, "Hello again")
    assert session_windows.closing_times(whatsapp.sender, [number, external]).keys() == {
        number,
        external,
    }
    assert send() == "queued"


def test_recorded_objection_of_one_identity_applies_to_the_other(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_linked_text(hub_demo)
    consents.record_consent(
        ConsentEntry(ID, given=False, kind="external"), source="admin", test=True
    )
    assert send() == "suppressed"


def test_removed_link_no_longer_applies_and_is_not_restored(
    hub_demo: Flask, whatsapp: Connection
) -> None:
    receive_text_by_id(hub_demo, "STOP")
    receive_linked_text(hub_demo)
    assert send() == "suppressed"
    contact_links.unlink_contacts(load_link().id)
    assert send() == "queued"
    receive_linked_text(hub_demo)
    assert send() == "queued"
    assert load_link().undone_at is not None
    with pytest.raises(NotFound):
        contact_links.unlink_contacts(load_link().id)
    assert {row.action for row in db.session.scalars(select(AuditEntry))} >= {
        "contact.linked",
        "contact.unlinked",
    }


def test_repeated_webhook_creates_one_link(hub_demo: Flask) -> None:
    receive_linked_text(hub_demo)
    receive_linked_text(hub_demo)
    assert (count(ContactLink), load_link().callback_id is not None) == (1, True)


@pytest.mark.parametrize("form", ["+5215512345678", "+525512345678"])
def test_link_applies_to_every_form_of_the_number(
    hub_demo: Flask, whatsapp: Connection, form: str
) -> None:
    receive_linked_text(hub_demo, form)
    receive_text_by_id(hub_demo, "STOP")
    assert (send("+525512345678"), send("+5215512345678")) == ("suppressed", "suppressed")


def test_links_follow_merged_contacts(hub_demo: Flask, whatsapp: Connection) -> None:
    from tests.messaging.contacts.test_address_forms import store_without_normal_form

    before = store_without_normal_form("+5215512345678")
    external = contact(Address.EXTERNAL, ID)
    kept_contact = store_without_normal_form("+525512345678")
    contact_links.link_contacts(before, external, None)
    merging.merge_contacts(
        Address.PHONE, "+525512345678", address_keys(Address.PHONE, "+525512345678")
    )
    db.session.rollback()
    assert {load_link().contact_id, load_link().other_id} == {kept_contact, external}


def test_opt_out_under_another_identity_applies(hub_demo: Flask, whatsapp: Connection) -> None:
    number = contact(Address.PHONE, NUMBER)
    external = contact(Address.EXTERNAL, ID)
    contact_links.link_contacts(number, external, None)
    consents.record_consent(
        ConsentEntry(ID, given=False, kind="external"), source="admin", test=True
    )
    purge.delete_old_rows(now())
    assert db.session.get(Contact, number)
    unknown = contact(Address.PHONE, "+13175550001")
    contact_links.link_contacts(unknown, contact(Address.EXTERNAL, "US.2"), None)
    purge._delete_contacts([unknown])
    db.session.rollback()
    assert db.session.get(Contact, unknown) is None


def test_export_and_erasure_name_the_other_identity(hub_demo: Flask) -> None:
    receive_linked_text(hub_demo)
    number = contact(Address.PHONE, NUMBER)
    assert personal_data.collect_personal_data(number)["same_person_as"][0]["address"] == ID
    assert [
        stored_contact.address
        for stored_contact in contact_erasure.other_contacts(db.session.get_one(Contact, number))
    ] == [ID]


def test_admin_sees_and_removes_the_link(
    app: Flask, admin: Browser, browser_for: Callable[[Role], Browser]
) -> None:
    from hub.connections import demo

    with app.app_context():
        demo.prepare()
        number = contact(Address.PHONE, NUMBER)
        external = contact(Address.EXTERNAL, ID)
        contact_links.link_contacts(number, external, None)
        link_id = load_link().id
        suppressions.add_opt_out(NUMBER, test=True, channel="sms")
    page = admin.get(f"/contacts/{external}").text
    assert "Same person" in page
    assert "+1 317-555-7788" in page
    assert "Opted out of SMS, phone calls" in " ".join(page.split())
    path = f"/contacts/{external}/links/{link_id}/undo"
    operator = browser_for(Role.OPERATOR)
    assert "Undo link" not in operator.get(f"/contacts/{external}").text
    assert operator.post(path, {}).status_code == 403
    assert admin.post(path.replace(external, number), {}).status_code == 303
    assert admin.post(path, {}).status_code == 404
    assert "Same person" not in admin.get(f"/contacts/{external}").text
    assert "Removed the link between two contacts" in admin.get("/activity").text


@pytest.mark.parametrize("lifted_by", [NUMBER, ID])
def test_webhook_without_a_connection_creates_a_link_too(hub_demo: Flask, lifted_by: str) -> None:
    def process_keyword(address: str, text: str, external: str = "") -> None:
        kind = Address.PHONE if address == NUMBER else Address.EXTERNAL
        opt_out.process_unassigned_keyword(
            Inbound(
                channel=Channel.WHATSAPP,
                kind=kind,
                address=address,
                text=text,
                external_id=external,
            ),
            now(),
        )

    process_keyword(NUMBER, "STOP", ID)
    linked = get_or_create_contact(Address.EXTERNAL, ID, test=False).id
    assert [
        stored_contact.address_key
        for stored_contact in linked_contacts.linked_contacts([linked])[linked]
    ] == [address_key(Address.PHONE, NUMBER)]
    process_keyword(lifted_by, "START")
    db.session.rollback()
    assert not db.session.scalars(select(Suppression).where(Suppression.lifted_at.is_(None))).all()
