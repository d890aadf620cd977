"""Build Slack messages in Block Kit, within every limit for texts of any content.

Imported when a message is rendered and not before: slack_sdk loads its clients with its models, 4
MB that a process without Slack does without. https://docs.slack.dev/reference/block-kit/blocks
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
from hub.integrations.slack.text import CUT, NOTHING, line, mrkdwn, plain, units, visible

# characters: Slack refuses a message as a whole from about 13,200 on (msg_blocks_too_long), though
# each part be within its limit
MOST_IN_BLOCKS = 9_500
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
MOST_FACTS = 100
MOST_NOTES = 30  # so that there are fewer than 50 blocks
MOST_FOR_BUTTONS = 4_000  # characters, most of them of addresses
_ADDRESS = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f]+")

Fitted = Callable[[int], str]  # a text, cut to so many characters


def summary(message: Outbound) -> str:
    """Return the text that notifications show, and readers of screens."""
    texts = (message.text, message.card.title if message.card else "", message.subject)
    return next((fitted for text in texts if visible(fitted := mrkdwn(text, SUMMARY))), NOTHING)


def blocks(message: Outbound, *, interactive: bool) -> list[dict[str, Any]]:
    """Return a message's blocks, checked by Slack's own models.

    `interactive`: presses are told to us.
    """
    room = _Room(MOST_IN_BLOCKS)
    card = message.card
    title = room.take(plain(card.title, HEADER)) if card else ""
    buttons = _buttons(message.buttons, interactive, room)  # before the texts: those can be cut
    text = room.take(mrkdwn(message.text, min(TEXT, room.left)))
    facts = (
        room.fill((partial(_fact, label, value) for label, value in card.facts), FIELD, MOST_FACTS)
        if card
        else []
    )
    notes = (
        room.fill((partial(mrkdwn, note) for note in card.notes), NOTE, MOST_NOTES) if card else []
    )
    made: list[Block] = []
    if visible(title):
        made.append(HeaderBlock(text=PlainTextObject(text=title, emoji=True)))
    if visible(text) or not (made or facts or notes):
        made.append(SectionBlock(text=_marked(text if visible(text) else NOTHING)))
    made += [
        SectionBlock(fields=[_marked(one) for one in some]) for some in _batches(facts, FIELDS_EACH)
    ]
    made += [
        ContextBlock(elements=[_marked(one) for one in some])
        for some in _batches(notes, NOTES_EACH)
    ]
    if buttons:
        made.append(ActionsBlock(elements=buttons))
    return [block.to_dict() for block in made]


class _Room:
    """The characters that a message may still take."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, text: str) -> str:
        self.left -= units(text)
        return text

    def fill(self, texts: Iterable[Fitted], most: int, count: int) -> list[str]:
        """Return as many of the texts that show something as there is room for, the last one `…`
        where some are left out.
        """
        found: list[str] = []
        for fitted in texts:
            room = min(most, self.left - len(CUT))
            text = fitted(room)
            if not visible(text):
                continue
            if len(found) == count - 1 or units(text) > room or text == CUT:
                return [*found, self.take(CUT)] if self.left >= len(CUT) else found
            found.append(self.take(text))
        return found


def _fact(label: str, value: str, most: int) -> str:
    name = line(label, LABEL)
    shown = f"*{name}*\n" if visible(name) else ""
    said = mrkdwn(value, most - units(shown))
    return shown + (said if visible(said) else NOTHING) if shown or visible(said) else ""


def _buttons(wanted: Iterable[Button], interactive: bool, room: _Room) -> list[ButtonElement]:
    found: list[ButtonElement] = []
    left = MOST_FOR_BUTTONS
    for n, button in enumerate(wanted):
        text = plain(button.text, BUTTON)
        acts = bool(interactive and button.token)
        says = button.token if acts else button.url
        size = units(text) + units(says)
        if (
            not visible(text)
            or size > left
            or not (acts or (units(says) <= URL and _ADDRESS.fullmatch(says)))
        ):
            # a cut address leads nowhere, and a wrong one would have Slack refuse the message
            continue
        left -= size
        room.left -= size
        style = button.style if button.style in ("primary", "danger") else None
        found.append(
            ButtonElement(
                text=PlainTextObject(text=text, emoji=True),
                action_id=f"button-{n}",
                style=style,
                value=says if acts else None,
                url=None if acts else says,
            )
        )
    return found[:BUTTONS_EACH]


def _marked(text: str) -> MarkdownTextObject:
    # verbatim: Slack makes no mentions and no links of what it finds, ours are written out
    return MarkdownTextObject(text=text, verbatim=True)


def _batches(texts: list[str], size: int) -> Iterable[list[str]]:
    rest = iter(texts)
    return iter(lambda: list(islice(rest, size)), [])
