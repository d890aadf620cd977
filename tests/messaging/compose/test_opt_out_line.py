"""The first SMS to a contact ends with the opt-out line of its connection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from hub.connections import rules as stored_rules
from hub.core.errors import Refused
from hub.db.engine import db
from hub.messaging.policy import rules
from hub.messaging.policy.policy import get_rules
from hub.messaging.policy.rules import Rules, rules_of_connection
from hub.models import Connection, Message, MessageBody
from tests.hub_fixtures import ANNA, ERIC, SigningApp, json_of
from tests.hub_fixtures import connection as connection
from tests.hub_fixtures import hub_demo as hub_demo
from tests.hub_fixtures import signing_app as signing_app
from tests.short_link_steps import send_long_links

LINE = "\nReply STOP to opt out."


def post(signing_app: SigningApp, request_id: str, *numbers: str) -> list[str]:
    """Post an event and return the texts of its messages."""
    event: dict[str, Any] = {
        "type": "request.sent",
        "request": {"id": request_id, "title": "Lease", "sender": {"name": "Acme"}},
        "signers": [{"id": number, "mobile_number": number} for number in numbers],
    }
    answer = json_of(signing_app.post("/events", event))
    return [text_of(message["id"]) for message in answer["messages"]]


def text_of(message_id: str) -> str:
    db.session.rollback()
    body = db.session.get_one(MessageBody, message_id.partition("_")[2])
    return str(body.content["text"])


def change_rules(connection: Connection, **changes: Any) -> None:
    stored_rules.save(connection.id, replace(get_rules(connection.info), **changes))


def test_only_the_first_sms_to_a_contact_has_the_line(signing_app: SigningApp) -> None:
    [first] = post(signing_app, "agr-1", ERIC)
    assert first == 'You\'ve been sent "Lease" by Acme. Please review & sign' + LINE
    [second] = post(signing_app, "agr-2", ERIC)
    assert not second.endswith(LINE)


def test_numbers_of_other_countries_get_the_line_when_they_are_listed(
    signing_app: SigningApp, connection: Connection
) -> None:
    assert not post(signing_app, "agr-1", ANNA)[0].endswith(LINE)
    change_rules(connection, opt_out_prefixes=frozenset({"+44"}), opt_out_line="Text STOP")
    signing_app.client.application.extensions.pop("hub.cached", None)
    assert post(signing_app, "agr-2", ANNA)[0].endswith("\nText STOP")
    assert not post(signing_app, "agr-3", ERIC)[0].endswith(LINE)


def test_suppressed_message_leaves_the_line_to_the_next_one(
    signing_app: SigningApp, connection: Connection
) -> None:
    change_rules(connection, countries=frozenset({"DE"}))
    signing_app.client.application.extensions.pop("hub.cached", None)
    post(signing_app, "agr-1", ERIC)
    assert db.session.scalars(select(Message.status)).one() == "suppressed"
    change_rules(connection, countries=frozenset())
    signing_app.client.application.extensions.pop("hub.cached", None)
    assert post(signing_app, "agr-2", ERIC)[0].endswith(LINE)


def test_direct_message_is_sent_as_written(signing_app: SigningApp) -> None:
    answer = json_of(signing_app.post("/messages", {"to": ERIC, "text": "Hello", "channel": "sms"}))
    assert text_of(answer["id"]) == "Hello"
    assert post(signing_app, "agr-1", ERIC)[0].endswith(LINE)


def test_line_that_would_make_a_text_too_long_is_left_out(signing_app: SigningApp) -> None:
    send_long_links()
    event: dict[str, Any] = {
        "type": "request.sent",
        "request": {"id": "agr-1", "title": "T" * 500, "sender": {"name": "Acme"}},
        "signers": [
            {
                "id": "eric",
                "mobile_number": ERIC,
                "signing_url": "https://sign.example/" + "x" * 1400,
            }
        ],
    }
    answer = json_of(signing_app.post("/events", event))
    text = text_of(answer["messages"][0]["id"])
    assert len(text) <= 1600
    assert text.endswith("x")


def test_rules_of_0_2_0_get_the_line_for_the_numbers_that_require_it() -> None:
    stored = Rules().to_json().replace('"opt_out_prefixes"', '"unused"')
    stored = stored.replace('"unused": ["+1"]', '"quiet_waits": false')
    assert rules_of_connection(stored, False).opt_out_line_for("+13175551234") == LINE.strip()
    assert rules_of_connection(stored, False).opt_out_line_for("+4915112345678") == ""
    kept = Rules(opt_out_prefixes=frozenset(), opt_out_line="")
    assert rules_of_connection(kept.to_json(), False) == kept


@pytest.mark.parametrize("text", ["1", "+", "+0", "US", "+1x"])
def test_prefix_that_is_no_country_code_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="is not a country code") as refusal:
        rules.parse_prefixes(text)
    assert refusal.value.field == "opt_out_prefixes"
    assert rules.parse_prefixes("+1, +44\n+33") == {"+1", "+44", "+33"}


def test_prefixes_need_a_line() -> None:
    [problem] = rules.find_problems(Rules(opt_out_line=""))
    assert problem.field == "opt_out_line"
