"""Convert the content of a message to and from the form that is stored encrypted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from hub.integrations.base import Button, Card, FilledTemplate
from hub.lib import commitments


class Content(Protocol):
    """The parts of a message that are its content."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def template(self) -> FilledTemplate | None: ...
    @property
    def template_values(self) -> Mapping[str, Any] | None: ...
    @property
    def card(self) -> Card | None: ...
    @property
    def buttons(self) -> Sequence[Button]: ...
    @property
    def reply_to(self) -> str: ...
    @property
    def letterhead(self) -> Mapping[str, Any] | None: ...
    @property
    def media(self) -> Sequence[Mapping[str, Any]]: ...


def read_content(message: Content) -> dict[str, Any]:
    """Return the content of a message as JSON values."""
    content: dict[str, Any] = {"subject": message.subject, "text": message.text}
    if message.template is not None:
        content["template"] = {
            "id": message.template.id,
            "variables": dict(message.template.variables),
        }
        if message.template.letterhead:
            content["template"]["letterhead"] = dict(message.template.letterhead)
    if message.template_values is not None:
        content["says"] = dict(message.template_values)
    if message.card is not None:
        content["card"] = asdict(message.card)
    if message.buttons:
        content["buttons"] = [asdict(button) for button in message.buttons]
    if message.reply_to:
        content["reply_to"] = message.reply_to
    if message.letterhead:
        content["letterhead"] = dict(message.letterhead)
    if message.media:
        content["media"] = [dict(file) for file in message.media]
    return content


# the fields of stored content that its recipient receives
RECEIVED_FIELDS = (
    "subject",
    "text",
    "template",
    "card",
    "buttons",
    "media",
    "button",
    "contents",
)


def received_content(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of stored content that is evidence: what its recipient receives.

    Buttons that act are without their token and URL. With them, any reader of the evidence of an
    open request could press the buttons.
    """
    received = {name: content[name] for name in RECEIVED_FIELDS if content.get(name)}
    if "buttons" in received:
        received["buttons"] = [_without_action(button) for button in received["buttons"]]
    return received


def _without_action(button: Mapping[str, Any]) -> dict[str, Any]:
    secret = ("token", "url") if button.get("token") else ()
    return {name: value for name, value in button.items() if name not in secret}


def hash_content(content: Mapping[str, Any]) -> dict[str, bytes]:
    """Return a new salt and the salted hash of stored content, as columns of its row."""
    salt = commitments.new_salt()
    return {
        "content_salt": salt,
        "content_hash": commitments.commit(salt, received_content(content)),
    }


def letterhead(
    locale: str, sender: Mapping[str, Any] | None, *, reminds: bool = False
) -> dict[str, Any]:
    """Return the language of a message and the sender of its request, as they are stored.

    `reminds`: the message is a reminder.
    """
    known = sender or {}
    return {
        "locale": locale,
        "sender_name": known.get("name") or "",
        "sender_address": known.get("email") or "",
        "reminds": reminds,
    }


def read_template(content: Mapping[str, Any]) -> FilledTemplate | None:
    """Return the approved template in a message's content, if any."""
    template = content.get("template")
    if not template:
        return None
    return FilledTemplate(template["id"], template["variables"], template.get("letterhead", {}))


def read_card(content: Mapping[str, Any]) -> Card | None:
    """Return the card in a message's content, if any."""
    card = content.get("card")
    return (
        Card(
            card["title"],
            tuple((label, value) for label, value in card["facts"]),
            tuple(card["notes"]),
        )
        if card
        else None
    )


def read_buttons(content: Mapping[str, Any]) -> tuple[Button, ...]:
    """Return the buttons in a message's content."""
    return tuple(Button(**button) for button in content.get("buttons", ()))
