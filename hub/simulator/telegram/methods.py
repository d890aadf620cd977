"""The Bot API's methods as far as a hub needs them. https://core.telegram.org/bots/api"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hub.simulator.context import Bench
from hub.simulator.fault import find
from hub.simulator.posts import Post
from hub.simulator.telegram import checks, scripted_faults
from hub.simulator.telegram.bot import Webhook, check_webhook
from hub.simulator.telegram.chats import Chat
from hub.simulator.telegram.checks import Params, parsed, whole
from hub.simulator.telegram.errors import TelegramError, too_fast

LONGEST_ANSWER = 200
MOST_CONNECTIONS = 100
ACTIONS = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


def perform(here: Bench, method: str, params: Params) -> Any:
    """Do what a method says and return its result; raise TelegramError."""
    known = METHODS.get(method.lower())
    if known is None:
        raise TelegramError(404, "Not Found: method not found")
    return known(here, params)


def get_me(here: Bench, params: Params) -> dict[str, Any]:
    return {
        **here.telegram.bot.user,
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def set_webhook(here: Bench, params: Params) -> bool:
    """Set where updates are posted; an `url` of '' removes it, `allowed_updates` that are left out
    stay.
    """
    bot = here.telegram.bot
    url = str(params.get("url") or "")
    secret = str(params.get("secret_token") or "")
    if not url:
        return delete_webhook(here, params)
    check_webhook(url, secret)
    kinds = parsed(params, "allowed_updates")
    most = whole(params, "max_connections") or 40
    if kinds is not None and not (
        isinstance(kinds, list) and all(isinstance(one, str) for one in kinds)
    ):
        raise TelegramError(400, "Bad Request: can't parse allowed updates JSON object")
    if not 1 <= most <= MOST_CONNECTIONS:
        raise TelegramError(
            400, f"Bad Request: max_connections must be from 1 to {MOST_CONNECTIONS}"
        )
    allowed = bot.webhook.allowed if kinds is None else tuple(kinds)
    bot.keep(Webhook(url, secret, allowed, most))
    if _yes(params, "drop_pending_updates"):
        here.telegram.updates.drop()
    here.telegram.updates.hurry()
    return True


def delete_webhook(here: Bench, params: Params) -> bool:
    here.telegram.bot.keep(Webhook(allowed=here.telegram.bot.webhook.allowed))
    if _yes(params, "drop_pending_updates"):
        here.telegram.updates.drop()
    return True


def get_webhook_info(here: Bench, params: Params) -> dict[str, Any]:
    webhook = here.telegram.bot.webhook
    info: dict[str, Any] = {
        "url": webhook.url,
        "has_custom_certificate": False,
        "pending_update_count": here.telegram.updates.pending(),
    }
    if webhook.url:
        info |= {"max_connections": webhook.most, "ip_address": "127.0.0.1"}
    if webhook.error:
        info |= {"last_error_date": webhook.error_at, "last_error_message": webhook.error}
    if webhook.allowed:
        info["allowed_updates"] = list(webhook.allowed)
    return info


def get_updates(here: Bench, params: Params) -> list[Any]:
    """Refuse to be asked for updates: whoever has a webhook is told, and here nobody is served
    otherwise.
    """
    if here.telegram.bot.webhook.url:
        raise TelegramError(
            409,
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to"
            " delete the webhook first",
        )
    return []


def get_chat(here: Bench, params: Params) -> dict[str, Any]:
    chat, fault = _chat(here, params)
    _refuse(here, fault, params)
    more = {} if chat.private else {"permissions": {"can_send_messages": True}}
    return {**chat.shown, **more, "accent_color_id": 0, "max_reaction_count": 11}


def get_chat_member(here: Bench, params: Params) -> dict[str, Any]:
    chat, fault = _chat(here, params)
    _refuse(here, fault, params)
    return {"user": get_me(here, params), "status": "left" if chat.state == "none" else chat.state}


def send_message(here: Bench, params: Params) -> dict[str, Any]:
    if here.faults.hurried():
        raise too_fast()
    here.pause(here.faults.latency)
    said = checks.text(params)
    keyboard = checks.keyboard(params)
    chat, fault = _chat(here, params)
    _refuse(here, fault, params)
    post = here.telegram.messages.add(chat, said, keyboard, answers=_answered(here, chat, params))
    if fault and fault.breaks:
        raise TelegramError(fault.status, fault.error)
    here.pause(fault.hangs if fault else 0)
    return here.telegram.messages.shown(post)


def send_chat_action(here: Bench, params: Params) -> bool:
    """Show that the bot is typing, say; nobody here sees it."""
    if str(params.get("action") or "").lower() not in ACTIONS:
        raise TelegramError(400, "Bad Request: wrong parameter action in request")
    chat, fault = _chat(here, params)
    _refuse(here, fault, params)
    return bool(chat)


def edit_message_text(here: Bench, params: Params) -> dict[str, Any]:
    said = checks.text(params)
    keyboard = checks.keyboard(params)
    post = here.telegram.messages.edit(_mine(here, params), said, keyboard)
    return here.telegram.messages.shown(post)


def edit_message_reply_markup(here: Bench, params: Params) -> dict[str, Any]:
    post = here.telegram.messages.edit(_mine(here, params), None, checks.keyboard(params))
    return here.telegram.messages.shown(post)


def answer_callback_query(here: Bench, params: Params) -> bool:
    """Stop a pressed button from spinning; once, and within a minute."""
    text = str(params.get("text") or "")
    wanted = str(params.get("callback_query_id") or "")
    if len(text) > LONGEST_ANSWER:
        raise TelegramError(400, "Bad Request: MESSAGE_TOO_LONG")
    press = next((one for one in here.telegram.presses() if one.id == wanted), None)
    if press is None or not press.open:
        raise TelegramError(400, TOO_OLD)
    here.telegram.pressed(
        replace(press, answered=True, said=text, alert=_yes(params, "show_alert"))
    )
    return True


def _mine(here: Bench, params: Params) -> Post:
    chat, fault = _chat(here, params)
    _refuse(here, fault, params)
    return here.telegram.messages.mine(chat, whole(params, "message_id"))


def _chat(here: Bench, params: Params) -> tuple[Chat, scripted_faults.Chat | None]:
    """Return the chat, and what goes wrong there on purpose."""
    fault = find(scripted_faults.CHATS, str(params.get("chat_id", "")))
    if fault and not fault.takes and not fault.formatted:
        moved = {"migrate_to_chat_id": fault.moved_to} if fault.moved_to else {}
        raise TelegramError(fault.status, fault.error, **moved)
    return here.telegram.chats.reached(params.get("chat_id")), fault


def _refuse(here: Bench, fault: scripted_faults.Chat | None, params: Params) -> None:
    """Refuse what a chat refuses some of the time."""
    if fault is None or (fault.formatted and not params.get("parse_mode")):
        return
    if fault.refuses(lambda: here.store.stumbles(fault.address, json.dumps(params, default=str))):
        raise too_fast() if fault.status == 429 else TelegramError(fault.status, fault.error)


def _answered(here: Bench, chat: Chat, params: Params) -> str:
    """Return the number of the message that this one replies to; '' for none."""
    reply = parsed(params, "reply_parameters") or {}
    number = whole(reply, "message_id") or whole(params, "reply_to_message_id")
    if not number:
        return ""
    if here.telegram.messages.get(chat, number):
        return str(number)
    if _yes({**params, **reply}, "allow_sending_without_reply"):
        return ""
    raise TelegramError(400, "Bad Request: message to be replied not found")


def _yes(params: Params, name: str) -> bool:
    return str(params.get(name, "")).lower() in ("true", "1")


METHODS: dict[str, Callable[[Bench, Params], Any]] = {
    "getme": get_me,
    "setwebhook": set_webhook,
    "deletewebhook": delete_webhook,
    "getwebhookinfo": get_webhook_info,
    "getupdates": get_updates,
    "getchat": get_chat,
    "getchatmember": get_chat_member,
    "sendmessage": send_message,
    "sendchataction": send_chat_action,
    "editmessagetext": edit_message_text,
    "editmessagereplymarkup": edit_message_reply_markup,
    "answercallbackquery": answer_callback_query,
}
