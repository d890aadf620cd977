"""The preview, the answer to an event and the messages agree about people who opted out."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from hub.core.vocabulary import Channel, Status
from hub.db.types import now
from hub.messaging.contacts import suppressions
from hub.signing import preview
from hub.signing.events import EventIn
from tests.hub_fixtures import ERIC, event_body, source_id, update_message
from tests.signing.ladder_steps import eric, escalate, legs, post, set_route

pytestmark = pytest.mark.usefixtures("ladder")

CHANNELS = ("sms", "whatsapp", "voice", "email")
ORDERS = [*permutations(CHANNELS, 3)]


def opt_out(channel: str) -> None:
    address = "eric@example.com" if channel == "email" else ERIC
    suppressions.add_opt_out(address, channel=channel, test=True)


def previewed(**fields: Any) -> list[str]:
    """Return the channels that the preview of an invitation shows as acting."""
    body = EventIn.model_validate(event_body(signers=[eric()], **fields))
    [person] = preview.preview_event(body, source_id(), test=True)["people"]
    return [step["channel"] for step in person["steps"] if not step["reason"]]


def fail_all() -> list[str]:
    """Let each message fail after the other; return the channels that sent one."""
    while waiting := [leg for leg in legs() if leg.escalate_at or leg.status == Status.QUEUED]:
        for leg in waiting:
            is_blocked = leg.status == Status.SUPPRESSED
            status = leg.status if is_blocked else Status.UNDELIVERED.value
            update_message(leg.id, status=status, escalate_at=now() - timedelta(seconds=1))
        escalate()
        update_message(waiting[-1].id, escalate_at=None)
    return [leg.channel for leg in legs() if leg.status != Status.SUPPRESSED]


@pytest.mark.parametrize("continues", [False, True])
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_preview_answer_and_messages_agree(
    order: tuple[str, ...], channel: str, continues: bool
) -> None:
    first, *others = order
    steps = [(first, None, None), *((other, "delivered", 30) for other in others)]
    set_route(*steps, continue_after_opt_out=continues)
    opt_out(channel)
    shown = previewed()
    answer = post()
    blocked = [item["channel"] for item in answer["messages"] if item["status"] == "suppressed"]
    sent = [item["channel"] for item in answer["messages"] if item["status"] != "suppressed"]
    assert [*sent, *(step["channel"] for step in answer["then"])] == shown
    assert set(blocked) <= {channel, "voice" if channel == "sms" else channel}
    assert fail_all() == shown
    if channel == "sms":
        assert not {"sms", "voice"} & {*shown}
    if channel in order[:1] and not continues:
        assert {*shown} <= {"email"}
    if channel == "email" and "email" in order:
        assert {*shown} <= {*order[: order.index("email")]}


def test_step_after_a_blocked_message_follows_at_once() -> None:
    set_route(("sms", None, None), ("email", "delivered", 30))
    opt_out("sms")
    [email] = post()["then"]
    assert (email["channel"], email["minutes"]) == ("email", None)
    text = "Email to eric@example.com at once, because the message before is blocked."
    assert email["text"] == text


def test_unsubscribed_sender_gets_no_text() -> None:
    """The installed route of the sender is an email, otherwise an SMS."""
    suppressions.add_opt_out("sender@example.com", channel="email", test=True)
    sender = {"name": "Sender", "email": "sender@example.com", "mobile_number": "+442071234567"}
    post(request={"id": "agr-1001", "title": "Agreement", "sender": sender})
    answer = post("request.declined", signer="eric")
    [message] = [item for item in answer["messages"] if item["role"] == "sender"]
    assert (message["channel"], message["status"]) == ("email", "suppressed")
    assert [step for step in answer["then"] if step["role"] == "sender"] == []


def test_phone_does_not_follow_an_email_that_followed_an_opt_out() -> None:
    """The opt-out ended the fallback toward phones, so a lost email does not begin it again."""
    set_route(("sms", None, None), ("email", "delivered", 30), ("whatsapp", "delivered", 30))
    opt_out("sms")
    post()
    assert fail_all() == ["email"]


@pytest.mark.parametrize("preference", [["voice"], ["voice", "sms"], ["sms", "voice"]])
@pytest.mark.parametrize("channel", ["sms", ""])
def test_opt_out_of_texts_blocks_calls_in_any_order(preference: list[str], channel: str) -> None:
    opt_out(channel)
    signer = eric(preference=preference)
    body = EventIn.model_validate(event_body(signers=[signer]))
    [person] = preview.preview_event(body, source_id(), test=True)["people"]
    shown = [step["channel"] for step in person["steps"] if not step["reason"]]
    assert not {Channel.SMS, Channel.VOICE} & {*shown}
    reasons = {step["channel"]: step["reason"] for step in person["steps"] if step["reason"]}
    first = preference[0]
    code = "opted_out_of_sms" if (first, channel) == ("voice", "sms") else "admin"
    assert reasons[first] == code
    [message] = post(signers=[signer])["messages"]
    assert (message["channel"], message["status"]) == (preference[0], "suppressed")
    assert message["code"] == code
