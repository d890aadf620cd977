"""Create webhooks as Telegram sends them."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any

from hub.integrations.telegram.integration import PURPOSE
from tests.fuzz.random_values import JSON, PREFIX, RandomValues, Webhook


def make_webhook(source: RandomValues) -> Webhook:
    description, content = source.random.choice(list(_updates(source).items()))
    update: dict[Any, Any] = {"update_id": source.random.randrange(2**31), **content}
    if source.random.random() < 0.3:
        _damage_inside(source, update)
    secret = hmac.new(source.telegram.encode(), PURPOSE, "sha256").hexdigest()
    headers = {"X-Telegram-Bot-Api-Secret-Token": secret}
    body = json.dumps(update).encode()
    return Webhook(
        f"{PREFIX}telegram/{source.telegram_slug}",
        body,
        JSON,
        headers,
        True,
        f"Telegram: {description} {update}",
    )


def _updates(source: RandomValues) -> dict[str, dict[str, Any]]:
    person = {"id": source.random.randrange(1, 2**40), "first_name": source.text(), "is_bot": False}
    chat = source.random.choice(
        [
            {"id": person["id"], "type": "private"},
            {"id": -100123, "type": "supergroup", "title": "x"},
        ]
    )
    base = {
        "message_id": source.random.randrange(1, 2**31),
        "from": person,
        "chat": chat,
        "date": int(time.time()),
    }
    contents = _contents(source, base)
    updates = {
        f"message {name}": {"message": {**base, **content}} for name, content in contents.items()
    }
    edited = {**base, "edit_date": int(time.time())}
    updates |= {
        f"edited {name}": {"edited_message": {**edited, **content}}
        for name, content in contents.items()
    }
    return {**updates, **_other_updates(source, base)}


def _contents(source: RandomValues, base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    location = {"latitude": source.value(), "longitude": 16.3}
    return {
        "text": {"text": source.text()},
        "command": {"text": source.random.choice(["/start", "/stop", "/help", "/start x"])},
        "location": {"location": location},
        "venue": {"venue": {"location": location, "title": source.text()}, "location": location},
        "contact": {"contact": {"phone_number": source.text(), "first_name": source.text()}},
        "sticker": {"sticker": {"emoji": source.text()}},
        "voice": {"voice": {"file_id": "x"}},
        "dice": {"dice": {"value": source.value()}},
        "poll": {
            "poll": {
                "question": source.text(),
                "options": [{"text": source.text()}, source.value()],
            }
        },
        "photo": {"photo": [{"file_id": "x"}], "caption": source.text()},
        "story": {"story": {"id": 1}},
        "service": {"new_chat_members": [base["from"]]},
        "reply": {"text": "x", "reply_to_message": {**base, "text": "y"}},
    }


def _other_updates(source: RandomValues, base: dict[str, Any]) -> dict[str, dict[str, Any]]:
    data = source.random.choice([*source.buttons, source.text()])
    mark = [{"type": "emoji", "emoji": source.text()}]
    member = {
        "status": source.random.choice(["member", "kicked", "left", "restricted", source.text()])
    }
    return {
        "reaction": {
            "message_reaction": {
                **base,
                "user": base["from"],
                "new_reaction": source.random.choice([mark, [], source.value()]),
            }
        },
        "button": {
            "callback_query": {
                "id": source.text() or "1",
                "from": base["from"],
                "data": data,
                "message": base,
            }
        },
        "membership": {
            "my_chat_member": {
                "chat": base["chat"],
                "from": base["from"],
                "date": base["date"],
                "new_chat_member": member,
            }
        },
        "channel post": {"channel_post": {**base, "text": source.text()}},
        "another kind": {source.text() or "inline_query": source.value()},
    }


def _damage_inside(source: RandomValues, update: dict[Any, Any]) -> None:
    """Replace a random value inside an update."""
    name = source.random.choice(list(update))
    inner = update[name]
    if isinstance(inner, dict) and inner and source.random.random() < 0.8:
        _damage_inside(source, inner)
    else:
        update[name] = source.value()
