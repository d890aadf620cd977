"""Calls as steps of a route: for landlines, and for signers who do not open the document."""

from __future__ import annotations

import pytest

from hub.core.vocabulary import Status
from hub.db.engine import db
from hub.integrations.twilio.errors import reported_error
from hub.models import MessageBody
from tests.signing.ladder_steps import (
    channels,
    end_time,
    escalate,
    invite,
    legs,
    report_status,
)
from tests.signing.ladder_steps import ladder as ladder

pytestmark = pytest.mark.usefixtures("ladder")


@pytest.mark.parametrize("code", ["21614", "30006"])
def test_landline_is_called_at_once(code: str) -> None:
    first = invite(("sms", None, None), ("voice", "delivered", 30))
    report_status(first, Status.UNDELIVERED, code=code, error=reported_error(code))
    assert escalate() == 1
    assert channels() == ["sms", "voice"]
    assert "sent you a document to sign" in text_of_last()


def test_signer_who_does_not_open_the_document_is_called() -> None:
    first = invite(("sms", None, None), ("voice", "opened", 1440))
    report_status(first, Status.DELIVERED)
    assert escalate() == 0
    end_time(legs()[0])
    assert escalate() == 1
    assert channels() == ["sms", "voice"]


def text_of_last() -> str:
    body = db.session.get_one(MessageBody, legs()[-1].id.partition("_")[2])
    return str(body.content["text"])
