"""Read the contents of a Telegram message other than text and files.

https://core.telegram.org/bots/api#message
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.integrations.api import Content, inbound_contents, json_part

# the author, date and context of a message, and its texts and files, which other modules read
OTHER_FIELDS = (
    "message_id",
    "message_thread_id",
    "direct_messages_topic",
    "from",
    "sender_chat",
    "sender_boost_count",
    "sender_business_bot",
    "date",
    "business_connection_id",
    "chat",
    "forward_origin",
    "is_topic_message",
    "is_automatic_forward",
    "reply_to_message",
    "external_reply",
    "quote",
    "reply_to_story",
    "reply_to_checklist_task_id",
    "via_bot",
    "edit_date",
    "has_protected_content",
    "is_from_offline",
    "is_paid_post",
    "media_group_id",
    "author_signature",
    "paid_star_count",
    "text",
    "entities",
    "link_preview_options",
    "suggested_post_info",
    "effect_id",
    "caption",
    "caption_entities",
    "show_caption_above_media",
    "has_media_spoiler",
    "reply_markup",
    "photo",
    "video",
    "voice",
    "audio",
    "document",
    "video_note",
    "animation",
    "location",
    "venue",
    "forward_from",
    "forward_from_chat",
    "forward_date",
)
# fields of service messages, which people do not write
SERVICE = (
    "new_chat_",
    "left_chat_",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_",
    "pinned_message",
    "connected_website",
    "write_access_allowed",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "chat_owner_",
    "forum_topic_",
    "general_forum_topic_",
    "giveaway",
    "video_chat_",
    "voice_chat_",
    "paid_message_price_changed",
    "direct_message_price_changed",
    "suggested_post_",
    "checklist_tasks_",
    "refunded_payment",
)


def telegram_contents(message: Mapping[str, Any]) -> tuple[Content, ...]:
    """Return the contents of a message; an unknown one is returned as OTHER with its name."""
    contents = [read(json_part(message, name)) for name, read in READERS.items() if name in message]
    if location := _location(message):
        contents.insert(0, location)
    unknown = [name for name in message if _is_unknown(name)]
    return tuple(contents) or tuple(inbound_contents.other(name) for name in unknown[:1])


def _is_unknown(name: str) -> bool:
    return name not in OTHER_FIELDS and name not in READERS and not name.startswith(SERVICE)


def _location(message: Mapping[str, Any]) -> Content | None:
    """Read a location or a venue. A message with a venue also repeats its location."""
    if "location" not in message and "venue" not in message:
        return None
    venue = json_part(message, "venue")
    point = json_part(venue, "location") or json_part(message, "location")
    location = inbound_contents.location(
        point.get("latitude"),
        point.get("longitude"),
        _text(venue, "title"),
        _text(venue, "address"),
    )
    return location or inbound_contents.other("location")


def _contact(part: Mapping[str, Any]) -> Content:
    name = f"{_text(part, 'first_name')} {_text(part, 'last_name')}".strip()
    return inbound_contents.contact(name, [_text(part, "phone_number")])


def _sticker(part: Mapping[str, Any]) -> Content:
    return inbound_contents.sticker(_text(part, "emoji"))


def _poll(part: Mapping[str, Any]) -> Content:
    options = part.get("options")
    if not isinstance(options, list):
        options = []
    texts = [_text(option, "text") for option in options if isinstance(option, dict)]
    return inbound_contents.poll(_text(part, "question"), texts)


def _dice(part: Mapping[str, Any]) -> Content:
    value = part.get("value")
    return inbound_contents.dice(_text(part, "emoji"), value if isinstance(value, int) else None)


READERS = {"contact": _contact, "sticker": _sticker, "poll": _poll, "dice": _dice}


def _text(value: Mapping[str, Any], name: str) -> str:
    text = value.get(name)
    return text if isinstance(text, str) else ""
