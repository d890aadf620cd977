"""Messaging Services by the recipient's country: form, stored settings, sending and testing."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import connection_tests, settings_form
from hub.connections.settings_form import InvalidSettings
from hub.db.engine import db
from hub.integrations.base import Outbound
from hub.integrations.twilio.sms import TwilioSms
from hub.integrations.twilio.whatsapp import WhatsApp
from hub.lib.provider_http import ProviderHttpClient
from hub.models import Connection
from tests.conftest import Browser
from tests.hub_fixtures import credentials

BRAZIL = "MG" + "b" * 32
FRANCE = "MG" + "f" * 32
SENDER = "+13175550123"
ACCOUNT = {"account_sid": "AC" + "1" * 32, "auth_token": "t" * 32, "sender": SENDER}


def form_values(*rows: tuple[str, str]) -> dict[str, str]:
    """Return the values that a browser posts: the account and the rows of the table."""
    form_fields = dict(ACCOUNT)
    for n, (country, sender) in enumerate(rows):
        form_fields |= {f"services-{n}-country": country, f"services-{n}-sender": sender}
    return form_fields


def test_rows_are_stored_by_country_without_empty_ones() -> None:
    form = settings_form.read_form(
        TwilioSms, form_values((" br ", BRAZIL), ("", ""), ("FR", f" {FRANCE} ")), {}
    )
    assert services_of(form) == {"BR": BRAZIL, "FR": FRANCE}
    empty_form = settings_form.empty_form(TwilioSms, {**ACCOUNT, "services": {"BR": BRAZIL}})
    assert [list(row.data.values()) for row in empty_form["services"].entries] == [
        ["BR", BRAZIL],
        ["", ""],
        ["", ""],
    ]
    assert (
        services_of(
            settings_form.read_form(TwilioSms, ACCOUNT, {**ACCOUNT, "services": {"BR": BRAZIL}})
        )
        == {}
    ), "emptied is gone"


def services_of(form: Any) -> Any:
    return settings_form.get_settings(form)["services"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([("XX", BRAZIL)], "two letters"),
        ([("Brazil", BRAZIL)], "two letters"),
        ([("", BRAZIL)], "two letters"),
        ([("BR", "")], "the sender for BR"),
        ([("BR", "+13175550123")], "MG followed by 32"),
        ([("BR", BRAZIL), ("br", FRANCE)], "twice"),
    ],
)
def test_invalid_row_is_named_and_preserved(rows: list[tuple[str, str]], sentence: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        settings_form.read_form(WhatsApp, form_values(*rows), {})
    assert (refused.value.field, sentence in str(refused.value)) == ("services", True)
    assert refused.value.form["services"].entries[0].data["sender"] == rows[0][1]


@pytest.mark.parametrize(
    ("to", "sends"),
    [
        ("+5511987654321", BRAZIL),
        ("+33612345678", FRANCE),
        ("+13175551234", ""),
        ("+447911123456", ""),
    ],
)
@pytest.mark.parametrize(("cls", "prefix"), [(TwilioSms, ""), (WhatsApp, "whatsapp:")])
def test_country_of_the_recipient_chooses_the_service(
    cls: type[TwilioSms], prefix: str, to: str, sends: str
) -> None:
    integration = cls({**ACCOUNT, "services": {"BR": BRAZIL, "FR": FRANCE}}, ProviderHttpClient())
    payload = integration.render(Outbound("msg_1", 1, to, "Hello"))
    assert (payload.get("MessagingServiceSid", ""), payload.get("From", "")) == (
        sends,
        "" if sends else prefix + SENDER,
    )


def test_each_service_is_tested(hub_demo: Flask, simulator: Any, connection: Connection) -> None:
    tested = connection_tests.run_test(
        connection.id,
        {**_without_services(connection), "services-0-country": "BR", "services-0-sender": BRAZIL},
    )
    assert (tested.check.ok, tested.check.field) == (False, "services")
    service_sid = credentials(hub_demo).messaging_service_sid
    tested = connection_tests.run_test(
        connection.id,
        {
            **_without_services(connection),
            "services-0-country": "BR",
            "services-0-sender": service_sid,
        },
    )
    assert tested.check.ok
    assert "to BR through the Messaging Service" in tested.check.text


def test_admin_saves_services_on_the_page(admin: Browser, app: Flask) -> None:
    from hub.connections import demo

    with app.app_context():
        demo.prepare()
    page = admin.get("/connections/demo-sms").text
    assert page.count('placeholder="MG…"') == 2
    form_fields = {
        **ACCOUNT,
        "auth_token": "x" * 32,
        "services-0-country": "BR",
        "services-0-sender": "nonsense",
    }
    refused = admin.post("/connections/demo-sms", form_fields)
    assert refused.status_code == 422
    assert "A Messaging Service SID is MG" in refused.text
    assert 'value="nonsense"' in refused.text
    assert (
        admin.post("/connections/demo-sms", form_fields | {"services-0-sender": BRAZIL}).status_code
        == 303
    )
    with app.app_context():
        assert db.session.scalars(
            select(Connection).where(Connection.slug == "demo-sms")
        ).one().settings["services"] == {"BR": BRAZIL}
    assert f'value="{BRAZIL}"' in admin.get("/connections/demo-sms").text


def _without_services(connection: Connection) -> dict[str, Any]:
    return {name: value for name, value in connection.settings.items() if name != "services"}
