"""Describe planned steps in words, for the API."""

from __future__ import annotations

from collections.abc import Mapping

from hub.core.vocabulary import Channel, Goal
from hub.messaging.compose.plan import FollowUp

CHANNELS: Mapping[str, str] = {
    Channel.SMS: "SMS",
    Channel.WHATSAPP: "WhatsApp",
    Channel.VOICE: "Call",
    Channel.EMAIL: "Email",
    Channel.CHAT: "Chat",
}
UNMET: Mapping[str, str] = {
    Goal.SENT: "the message is not sent",
    Goal.DELIVERED: "the message is not delivered",
    Goal.READ: "the message is not read",
    Goal.OPENED: "the document is not opened",
}


def describe_follow_up(follow_up: FollowUp) -> str:
    """Return a step and its condition, such as "SMS to +13175551234 if the message fails."."""
    condition = describe_condition(follow_up.goal, follow_up.minutes)
    return f"{channel_title(follow_up.rung.channel)} to {follow_up.rung.to} {condition}."


def channel_title(channel: str) -> str:
    """Return the name of a channel, as the first word of a sentence."""
    return CHANNELS.get(channel, channel)


def describe_condition(goal: str, minutes: int | None) -> str:
    """Return the condition under which a step follows."""
    if minutes is None:
        return "if the message fails"
    unmet = UNMET.get(goal, UNMET[Goal.DELIVERED])
    return f"if {unmet} within {format_minutes(minutes)}, or fails"


def format_minutes(minutes: int) -> str:
    """Return a number of minutes in the largest unit that divides it, such as "2 hours"."""
    units = {24 * 60: "day", 60: "hour", 1: "minute"}
    size = next(size for size in units if minutes % size == 0)
    count = minutes // size
    return f"{count} {units[size]}{'' if count == 1 else 's'}"
