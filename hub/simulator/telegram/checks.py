"""Check a message as Telegram does, except its formatting: length, buttons and their addresses.

https://core.telegram.org/bots/api#sendmessage, #inlinekeyboardbutton
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hub.simulator.telegram import entities, markdown
from hub.simulator.telegram.errors import TelegramError

Params = Mapping[str, Any]
Keyboard = list[list[dict[str, Any]]]
MAX_TEXT_LENGTH = 4096  # visible characters
MAX_DATA_LENGTH = 64  # bytes
MODES = {
    "": entities.plain,
    "html": entities.parse,
    "markdown": markdown.parse_legacy,
    "markdownv2": markdown.parse_v2,
}
MAX_BUTTONS = 100
MAX_BUTTONS_PER_ROW = 8


def text(params: Params) -> entities.Formatted:
    """Read `text` in the format of `parse_mode`."""
    source = str(params.get("text") or "")
    mode = str(params.get("parse_mode") or "")
    if mode.lower() not in MODES:
        raise TelegramError(400, "Bad Request: unsupported parse_mode")
    formatted = MODES[mode.lower()](source)
    if not formatted.text:
        raise TelegramError(400, "Bad Request: message text is empty")
    if len(formatted.text) > MAX_TEXT_LENGTH:
        raise TelegramError(400, "Bad Request: message is too long")
    return formatted


def keyboard(params: Params) -> Keyboard:
    """Read the inline keyboard of `reply_markup`, [] for none."""
    markup = json_param(params, "reply_markup")
    if not markup:
        return []
    rows = markup.get("inline_keyboard", []) if isinstance(markup, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise TelegramError(400, "Bad Request: object expected as reply markup")
    if sum(map(len, rows)) > MAX_BUTTONS or any(len(row) > MAX_BUTTONS_PER_ROW for row in rows):
        raise TelegramError(400, "Bad Request: reply markup is too long")
    return [[_button(button) for button in row] for row in rows if row]


def _button(button: Any) -> dict[str, Any]:
    if (
        not isinstance(button, dict)
        or not isinstance(button.get("text"), str)
        or not button["text"].strip()
    ):
        raise TelegramError(
            400,
            'Bad Request: can\'t parse inline keyboard button: Field "text" must be of type String',
        )
    if "url" in button:
        if not _is_address(str(button["url"])):
            raise TelegramError(400, "Bad Request: Wrong HTTP URL specified")
    elif "callback_data" in button:
        data = button["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= MAX_DATA_LENGTH:
            raise TelegramError(400, "Bad Request: BUTTON_DATA_INVALID")
    else:
        raise TelegramError(
            400,
            "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the"
            " inline keyboard",
        )
    return {name: button[name] for name in ("text", "url", "callback_data") if name in button}


def json_param(params: Params, name: str) -> Any:
    """Return a structured parameter. In a form it is JSON."""
    value = params.get(name)
    if isinstance(value, str) and value:
        try:
            return json.loads(value)
        except ValueError:
            raise TelegramError(
                400, f"Bad Request: can't parse {name.replace('_', ' ')} JSON object"
            ) from None
    return value


def int_param(params: Params, name: str) -> int:
    """Return a whole number, 0 if it is missing or invalid."""
    try:
        return int(params.get(name) or 0)
    except (TypeError, ValueError):
        return 0


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https", "tg")
        and bool(parts.netloc)
        and not any(char.isspace() for char in address)
    )
