"""Telegram: posts, their formatting, and refusals."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hub.core.errors import PermanentError
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Button, WebhookRequest
from hub.integrations.telegram.integration import PURPOSE, Telegram
from tests.integrations.http_recorder import HttpRecorder
from tests.integrations.telegram_posts import CARD, TEAM, TOKEN, outbound, refusal, refused
from tests.integrations.telegram_posts import telegram as telegram

# the test of the contract reads these
SAMPLE_ACCEPTED = (200, {"ok": True, "result": {"message_id": 7, "chat": {"id": -1001}}})
SAMPLE_REFUSALS = [
    (401, {"ok": False, "error_code": 401, "description": "Unauthorized"}, "token_refused"),
    (403, {"ok": False, "description": "Forbidden: bot was kicked from the group"}, "bot_removed"),
]
SAMPLE_WEBHOOKS = [
    (
        "telegram/{connection}",
        {"content-type": "application/json", "x-telegram-bot-api-secret-token": "0"},
        b'{"update_id": 9, "message": {"message_id": 5, "date": 1796000000, "text": "Hello",'
        b' "from": {"id": 4711, "is_bot": false, "first_name": "Eric"},'
        b' "chat": {"id": 4711, "type": "private"}}}',
    )
]


SIGNS_BODY = False  # a header holds the secret itself


def sign(request: WebhookRequest, settings: Mapping[str, Any]) -> WebhookRequest:
    """Add the secret that Telegram sends. The test of the contract uses it."""
    secret = hmac.new(settings["token"].encode(), PURPOSE, "sha256").hexdigest()
    return replace(request, headers={**request.headers, "x-telegram-bot-api-secret-token": secret})


BUTTONS = (
    Button("Open document", "https://sign.example/r/1"),
    Button("Remind signer", "https://hub.example/a/x", token="tok_1-x"),
)
POSTED = {"ok": True, "result": {"message_id": 77, "chat": {"id": int(TEAM), "type": "supergroup"}}}


# ── Posting ───────────────────────────────────────────────────────────────────────────────────────
def test_post_shows_the_card_and_is_delivered_at_once(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, POSTED)
    assert telegram.send(outbound(card=CARD, buttons=BUTTONS)) == Accepted(
        f"{TEAM}/77", Status.DELIVERED
    )
    assert http_recorder.paths == [f"/bot{TOKEN}/sendMessage"]
    assert http_recorder.bodies == [
        {
            "chat_id": TEAM,
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": True},
            "text": (
                "<b>Employment Agreement</b>\n\nAnna has signed.\n\n<b>Sender</b> Acme"
                " HR\n<b>Waiting for</b> Eric &amp; Anna\n\n<i>Dana reminded Eric &lt;now&gt;.</i>"
            ),
            "reply_markup": {
                "inline_keyboard": [
                    [
                        {"text": "Open document", "url": "https://sign.example/r/1"},
                        {"text": "Remind signer", "callback_data": "tok_1-x"},
                    ]
                ]
            },
        }
    ]


def test_edit_updates_the_post_and_removes_its_buttons(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, POSTED)
    assert telegram.send(outbound("All signed.", edits=f"{TEAM}/77")) == Accepted(
        f"{TEAM}/77", Status.DELIVERED
    )
    assert http_recorder.paths == [f"/bot{TOKEN}/editMessageText"]
    assert (http_recorder.bodies[0]["message_id"], http_recorder.bodies[0]["chat_id"]) == (77, TEAM)
    assert "reply_markup" not in http_recorder.bodies[0]


def test_edit_without_a_change_succeeds(telegram: Telegram, http_recorder: HttpRecorder) -> None:
    description = (
        "Bad Request: message is not modified: specified new message content and reply markup are"
        " exactly the same"
    )
    http_recorder.answer(400, refusal(400, description))
    assert telegram.send(outbound(edits=f"{TEAM}/77")) == Accepted(f"{TEAM}/77", Status.DELIVERED)


def test_unparsable_text_is_resent_as_plain_text(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(
        400, refusal(400, "Bad Request: can't parse entities: Unsupported start tag")
    )
    http_recorder.answer(200, POSTED)
    telegram.send(outbound("1 < 2 & 3", card=CARD, buttons=BUTTONS))
    assert "parse_mode" not in http_recorder.bodies[1]
    assert "1 < 2 & 3" in http_recorder.bodies[1]["text"]
    assert http_recorder.bodies[1]["reply_markup"] == http_recorder.bodies[0]["reply_markup"]


def test_text_that_is_refused_twice_fails(telegram: Telegram, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(400, refusal(400, "Bad Request: can't parse entities: x"))
    error = refused(telegram, http_recorder, 400, "Bad Request: can't parse entities: x")
    assert (isinstance(error, PermanentError), error.code, len(http_recorder.seen)) == (
        True,
        "bad_markup",
        2,
    )
