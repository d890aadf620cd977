"""The methods of the Bot API that a hub uses. https://core.telegram.org/bots/api"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hub.simulator.context import SimulatorContext
from hub.simulator.fault import find_fault
from hub.simulator.posts import Post
from hub.simulator.telegram import checks, scripted_faults
from hub.simulator.telegram.bot import Webhook, check_webhook
from hub.simulator.telegram.chats import Chat
from hub.simulator.telegram.checks import Params, int_param, json_param
from hub.simulator.telegram.errors import TelegramError, rate_limited

MAX_ANSWER_LENGTH = 200
MAX_CONNECTIONS = 100
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


def perform(simulator: SimulatorContext, method: str, params: Params) -> Any:
    """Execute a method and return its result. Raises TelegramError."""
    function = METHODS.get(method.lower())
    if function is None:
        raise TelegramError(404, "Not Found: method not found")
    return function(simulator, params)


def get_me(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    return {
        **simulator.telegram.bot.user,
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def set_webhook(simulator: SimulatorContext, params: Params) -> bool:
    """Set the webhook's URL. '' removes it. Omitted `allowed_updates` stay unchanged."""
    bot = simulator.telegram.bot
    url = str(params.get("url") or "")
    secret = str(params.get("secret_token") or "")
    if not url:
        return delete_webhook(simulator, params)
    check_webhook(url, secret)
    kinds = json_param(params, "allowed_updates")
    max_connections = int_param(params, "max_connections") or 40
    if kinds is not None and not (
        isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds)
    ):
        raise TelegramError(400, "Bad Request: can't parse allowed updates JSON object")
    if not 1 <= max_connections <= MAX_CONNECTIONS:
        raise TelegramError(
            400, f"Bad Request: max_connections must be from 1 to {MAX_CONNECTIONS}"
        )
    if _bool_param(params, "drop_pending_updates"):  # before the new webhook could receive them
        simulator.telegram.updates.drop_pending()
    allowed = bot.webhook.allowed if kinds is None else tuple(kinds)
    bot.save_webhook(Webhook(url, secret, allowed, max_connections))
    simulator.telegram.updates.retry_now()
    return True


def delete_webhook(simulator: SimulatorContext, params: Params) -> bool:
    if _bool_param(params, "drop_pending_updates"):
        simulator.telegram.updates.drop_pending()
    simulator.telegram.bot.save_webhook(Webhook(allowed=simulator.telegram.bot.webhook.allowed))
    return True


def get_webhook_info(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    webhook = simulator.telegram.bot.webhook
    info: dict[str, Any] = {
        "url": webhook.url,
        "has_custom_certificate": False,
        "pending_update_count": simulator.telegram.updates.pending(),
    }
    if webhook.url:
        info |= {"max_connections": webhook.max_connections, "ip_address": "127.0.0.1"}
    if webhook.error:
        info |= {"last_error_date": webhook.error_at, "last_error_message": webhook.error}
    if webhook.allowed:
        info["allowed_updates"] = list(webhook.allowed)
    return info


def get_updates(simulator: SimulatorContext, params: Params) -> list[Any]:
    """Return no updates, because the simulator only posts them to a webhook."""
    if simulator.telegram.bot.webhook.url:
        raise TelegramError(
            409,
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to"
            " delete the webhook first",
        )
    return []


def get_chat(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    chat, fault = _chat_and_fault(simulator, params)
    _apply_fault(simulator, fault, params)
    permissions = {} if chat.private else {"permissions": {"can_send_messages": True}}
    return {**chat.chat_json, **permissions, "accent_color_id": 0, "max_reaction_count": 11}


def get_chat_member(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    chat, fault = _chat_and_fault(simulator, params)
    _apply_fault(simulator, fault, params)
    return {
        "user": get_me(simulator, params),
        "status": "left" if chat.state == "none" else chat.state,
    }


def send_message(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    if simulator.faults.is_rate_limited():
        raise rate_limited()
    simulator.pause(simulator.faults.latency)
    formatted = checks.text(params)
    keyboard = checks.keyboard(params)
    chat, fault = _chat_and_fault(simulator, params)
    _apply_fault(simulator, fault, params)
    post = simulator.telegram.messages.add(
        chat, formatted, keyboard, reply_to=_reply_to(simulator, chat, params)
    )
    if fault and fault.breaks:
        raise TelegramError(fault.status, fault.error)
    simulator.pause(fault.hangs if fault else 0)
    return simulator.telegram.messages.message_json(post)


def send_chat_action(simulator: SimulatorContext, params: Params) -> bool:
    """Accept an action such as typing. It is not shown."""
    if str(params.get("action") or "").lower() not in ACTIONS:
        raise TelegramError(400, "Bad Request: wrong parameter action in request")
    chat, fault = _chat_and_fault(simulator, params)
    _apply_fault(simulator, fault, params)
    return bool(chat)


def edit_message_text(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    formatted = checks.text(params)
    keyboard = checks.keyboard(params)
    post = simulator.telegram.messages.edit(_editable_post(simulator, params), formatted, keyboard)
    return simulator.telegram.messages.message_json(post)


def edit_message_reply_markup(simulator: SimulatorContext, params: Params) -> dict[str, Any]:
    post = simulator.telegram.messages.edit(
        _editable_post(simulator, params), None, checks.keyboard(params)
    )
    return simulator.telegram.messages.message_json(post)


def answer_callback_query(simulator: SimulatorContext, params: Params) -> bool:
    """Answer a button action: once, within a minute."""
    text = str(params.get("text") or "")
    query_id = str(params.get("callback_query_id") or "")
    if len(text) > MAX_ANSWER_LENGTH:
        raise TelegramError(400, "Bad Request: MESSAGE_TOO_LONG")
    press = next(
        (candidate for candidate in simulator.telegram.presses() if candidate.id == query_id), None
    )
    if press is None or not press.is_open:
        raise TelegramError(400, TOO_OLD)
    simulator.telegram.save_press(
        replace(press, answered=True, said=text, alert=_bool_param(params, "show_alert"))
    )
    return True


def _editable_post(simulator: SimulatorContext, params: Params) -> Post:
    chat, fault = _chat_and_fault(simulator, params)
    _apply_fault(simulator, fault, params)
    return simulator.telegram.messages.editable(chat, int_param(params, "message_id"))


def _chat_and_fault(
    simulator: SimulatorContext, params: Params
) -> tuple[Chat, scripted_faults.Chat | None]:
    """Return the chat and its scripted fault, if any."""
    fault = find_fault(scripted_faults.CHATS, str(params.get("chat_id", "")))
    if fault and not fault.accepts and not fault.formatted:
        parameters = {"migrate_to_chat_id": fault.moved_to} if fault.moved_to else {}
        raise TelegramError(fault.status, fault.error, **parameters)
    return simulator.telegram.chats.find_reachable(params.get("chat_id")), fault


def _apply_fault(
    simulator: SimulatorContext, fault: scripted_faults.Chat | None, params: Params
) -> None:
    """Refuse a message that a scripted chat does not accept."""
    if fault is None or (fault.formatted and not params.get("parse_mode")):
        return
    if fault.should_refuse(
        lambda: simulator.store.is_first_attempt(fault.address, json.dumps(params, default=str))
    ):
        raise rate_limited() if fault.status == 429 else TelegramError(fault.status, fault.error)


def _reply_to(simulator: SimulatorContext, chat: Chat, params: Params) -> str:
    """Return the number of the message that this one replies to, or '' if there is none."""
    reply = json_param(params, "reply_parameters") or {}
    number = int_param(reply, "message_id") or int_param(params, "reply_to_message_id")
    if not number:
        return ""
    if simulator.telegram.messages.get(chat, number):
        return str(number)
    if _bool_param({**params, **reply}, "allow_sending_without_reply"):
        return ""
    raise TelegramError(400, "Bad Request: message to be replied not found")


def _bool_param(params: Params, name: str) -> bool:
    return str(params.get(name, "")).lower() in ("true", "1")


METHODS: dict[str, Callable[[SimulatorContext, Params], Any]] = {
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
