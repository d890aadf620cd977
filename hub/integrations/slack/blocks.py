"""Build Slack messages in Block Kit, within Slack's limits for any texts.

This module is imported only when a message is rendered, because slack_sdk takes 4 MB of memory that
a process without Slack does not need. https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any

from slack_sdk.models.blocks import (
    ActionsBlock,
    Block,
    ButtonElement,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from hub.integrations.api import Button, Outbound
from hub.integrations.slack.text import (
    CUT,
    NOTHING,
    count_utf16_units,
    is_visible,
    mrkdwn,
    mrkdwn_line,
    plain,
)

# characters: Slack refuses messages above about 13,200 in total (msg_blocks_too_long), even if each
# part is within its limit
MAX_BLOCK_CHARACTERS = 9_500
SUMMARY = 2_000
HEADER = 150
TEXT = 3000
FIELD = 2000
LABEL = 150
NOTE = 2000
BUTTON = 75
URL = 3000
FIELDS_EACH = 10
NOTES_EACH = 10
BUTTONS_EACH = 25  # in one block
MAX_FACTS = 100
MAX_NOTES = 30  # so that there are fewer than 50 blocks
MAX_BUTTON_CHARACTERS = 4_000  # characters of labels and URLs
_ADDRESS = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f]+")

Fitted = Callable[[int], str]  # returns text, shortened to a number of characters


def summary(message: Outbound) -> str:
    """Return the text for notifications and screen readers."""
    texts = (message.text, message.card.title if message.card else "", message.subject)
    return next((fitted for text in texts if is_visible(fitted := mrkdwn(text, SUMMARY))), NOTHING)


def blocks(message: Outbound, *, interactive: bool) -> list[dict[str, Any]]:
    """Return the blocks of a message, validated by Slack's own models.

    With `interactive`, Slack reports clicks of buttons to the hub.
    """
    budget = _Budget(MAX_BLOCK_CHARACTERS)
    card = message.card
    title = budget.spend(plain(card.title, HEADER)) if card else ""
    # before the texts, because only texts can be shortened
    buttons = _buttons(message.buttons, interactive, budget)
    text = budget.spend(mrkdwn(message.text, min(TEXT, budget.remaining)))
    facts: list[str] = []
    notes: list[str] = []
    if card:
        facts = budget.fit_texts(
            (partial(_fact, label, value) for label, value in card.facts), FIELD, MAX_FACTS
        )
        notes = budget.fit_texts((partial(mrkdwn, note) for note in card.notes), NOTE, MAX_NOTES)
    result: list[Block] = []
    if is_visible(title):
        result.append(HeaderBlock(text=PlainTextObject(text=title, emoji=True)))
    if is_visible(text) or not (result or facts or notes):
        result.append(SectionBlock(text=_markdown(text if is_visible(text) else NOTHING)))
    for batch in _batches(facts, FIELDS_EACH):
        result.append(SectionBlock(fields=[_markdown(fact) for fact in batch]))
    for batch in _batches(notes, NOTES_EACH):
        result.append(ContextBlock(elements=[_markdown(note) for note in batch]))
    if buttons:
        result.append(ActionsBlock(elements=buttons))
    return [block.to_dict() for block in result]


class _Budget:
    """The number of characters that a message may still use."""

    def __init__(self, remaining: int) -> None:
        self.remaining = remaining

    def spend(self, text: str) -> str:
        """Subtract text from the budget, and return it."""
        self.remaining -= count_utf16_units(text)
        return text

    def fit_texts(self, texts: Iterable[Fitted], longest: int, max_count: int) -> list[str]:
        """Return the non-empty strings that fit, at most `max_count` of up to `longest` characters.

        If texts are left out, the last one is `…`.
        """
        result: list[str] = []
        for fitted in texts:
            limit = min(longest, self.remaining - len(CUT))
            text = fitted(limit)
            if not is_visible(text):
                continue
            if len(result) == max_count - 1 or count_utf16_units(text) > limit or text == CUT:
                return [*result, self.spend(CUT)] if self.remaining >= len(CUT) else result
            result.append(self.spend(text))
        return result


def _fact(label: str, value: str, limit: int) -> str:
    name = mrkdwn_line(label, LABEL)
    heading = f"*{name}*\n" if is_visible(name) else ""
    text = mrkdwn(value, limit - count_utf16_units(heading))
    if not is_visible(text):
        return f"{heading}{NOTHING}" if heading else ""
    return heading + text


def _buttons(buttons: Iterable[Button], interactive: bool, budget: _Budget) -> list[ButtonElement]:
    elements: list[ButtonElement] = []
    remaining = MAX_BUTTON_CHARACTERS
    for number, button in enumerate(buttons):
        text = plain(button.text, BUTTON)
        is_action = bool(interactive and button.token)
        value = button.token if is_action else button.url
        size = count_utf16_units(text) + count_utf16_units(value)
        if (
            not is_visible(text)
            or size > remaining
            or not (is_action or (count_utf16_units(value) <= URL and _ADDRESS.fullmatch(value)))
        ):
            # a shortened URL does not work, and Slack refuses a message with an invalid one
            continue
        remaining -= size
        budget.remaining -= size
        style = button.style if button.style in ("primary", "danger") else None
        elements.append(
            ButtonElement(
                text=PlainTextObject(text=text, emoji=True),
                action_id=f"button-{number}",
                style=style,
                value=value if is_action else None,
                url=None if is_action else value,
            )
        )
    return elements[:BUTTONS_EACH]


def _markdown(text: str) -> MarkdownTextObject:
    # verbatim, so that Slack adds no mentions and links of its own
    return MarkdownTextObject(text=text, verbatim=True)


def _batches(texts: list[str], size: int) -> Iterable[list[str]]:
    rest = iter(texts)
    return iter(lambda: list(islice(rest, size)), [])
