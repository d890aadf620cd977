"""Describe planned steps in words."""

from __future__ import annotations

from collections.abc import Mapping

from hub.core.vocabulary import Channel, Goal
from hub.lib.localized import format_amount
from hub.messaging.compose.step_descriptions import DescribedStep, StepFacts

# where a price is from
PRICE_OF_RECENT = "median of recent messages"
PRICE_OF_RULES = "price list of the connection"
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


def describe_follow_up(step: DescribedStep) -> str:
    """Return a step and its condition, such as "SMS to +13175551234 if the message fails."."""
    place = f"{channel_title(step.rung.channel)} to {step.rung.to}"
    if not step.goal:
        return f"{place} at once, because the message before is blocked."
    return f"{place} {describe_condition(step.goal, step.minutes)}."


def describe_step(step: DescribedStep) -> str:
    """Return a step that acts, such as "SMS to +13175551234, 2 segments, approved template"."""
    condition = [describe_condition(step.goal, step.minutes)] if step.goal else []
    place = f"{channel_title(step.rung.channel)} to {step.rung.to}"
    return ", ".join([place, *describe_message(step.facts), *condition])


def describe_message(facts: StepFacts) -> list[str]:
    """Return the form and price of a message, such as "2 segments" and its price."""
    parts = []
    if facts.is_template:
        parts.append("approved template")
    elif facts.has_open_window:
        parts.append("free text (window open)")
    if facts.segments is not None:
        parts.append(f"{facts.segments} segment{'' if facts.segments == 1 else 's'}")
    if facts.price is not None:
        amount = format_amount(facts.price.amount, facts.price.currency)
        basis = PRICE_OF_RECENT if facts.price_is_recorded else PRICE_OF_RULES
        parts.append(f"{amount} ({basis})")
    if facts.is_waiting:
        parts.append("waits until its connection sends again")
    return parts


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
