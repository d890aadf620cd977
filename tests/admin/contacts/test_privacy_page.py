"""Privacy pages: export and erasure of a person's data, for admins."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from flask import Flask

from hub.core.vocabulary import Address, Role
from hub.messaging.compose import direct
from hub.messaging.contacts.contacts import get_or_create_contact
from tests.conftest import Browser
from tests.hub_fixtures import ERIC


@pytest.fixture
def contact_id(app: Flask, demo_data: None) -> str:
    with app.app_context():
        direct.send_message(to=ERIC, text="Your contract is ready.", channel="sms", test=True)
        return get_or_create_contact(Address.PHONE, ERIC, test=True).id


def test_admin_exports_the_data_of_a_person(admin: Browser, contact_id: str) -> None:
    answer = admin.get(f"/contacts/{contact_id}/data")
    assert answer.headers["Content-Disposition"] == f"attachment; filename={contact_id}.json"
    assert json.loads(answer.text)["messages"][0]["says"]["text"] == "Your contract is ready."
    assert "Downloaded a person’s data" in admin.get("/activity").text


def test_person_is_erased_once_with_a_reason(admin: Browser, contact_id: str) -> None:
    assert "the text of 1 message" in admin.get(f"/contacts/{contact_id}/erase").text
    assert admin.post(f"/contacts/{contact_id}/erase", {"why": ""}).status_code == 422
    assert admin.post(f"/contacts/{contact_id}/erase", {"why": "By letter."}).status_code == 303
    page = admin.get(f"/contacts/{contact_id}").text
    assert "The remaining records identify no one." in page
    assert ERIC not in page
    assert "Your contract is ready." not in page
    assert "This person has been erased." in admin.get(f"/contacts/{contact_id}/erase").text
    for path in ("/messages", "/", "/activity", "/inbox", "/opt-outs"):
        assert ERIC not in admin.get(path).text.replace(f'placeholder="{ERIC}"', "")


def test_unknown_message_is_not_found(admin: Browser) -> None:
    for path in ("data", "erase"):
        assert (
            admin.get(f"/contacts/ctc_01a20003-8110-7697-95ef-ddf3488ccf74/{path}").status_code
            == 404
        )


def test_export_and_erasure_require_an_admin(
    browser_for: Callable[[Role], Browser], contact_id: str
) -> None:
    operator = browser_for(Role.OPERATOR)
    assert "Erase this person" not in operator.get(f"/contacts/{contact_id}").text
    assert operator.get(f"/contacts/{contact_id}/data").status_code == 403
    assert operator.post(f"/contacts/{contact_id}/erase", {"why": "Mine."}).status_code == 403
