"""The content of a message as it is stored sealed: text, subject, files, card and template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from hub.integrations.base import Button, Card, FilledTemplate


class Content(Protocol):
    """A message to be, as far as it says something."""

    @property
    def subject(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def template(self) -> FilledTemplate | None: ...
    @property
    def says(self) -> Mapping[str, Any] | None: ...
    @property
    def card(self) -> Card | None: ...
    @property
    def buttons(self) -> Sequence[Button]: ...
    @property
    def reply_to(self) -> str: ...
    @property
    def media(self) -> Sequence[Mapping[str, Any]]: ...


def content_of(one: Content) -> dict[str, Any]:
    """Return what is kept of a message's words, plain."""
    content: dict[str, Any] = {"subject": one.subject, "text": one.text}
    if one.template is not None:
        content["template"] = {"id": one.template.id, "variables": dict(one.template.variables)}
    if one.says is not None:
        content["says"] = dict(one.says)
    if one.card is not None:
        content["card"] = asdict(one.card)
    if one.buttons:
        content["buttons"] = [asdict(button) for button in one.buttons]
    if one.reply_to:
        content["reply_to"] = one.reply_to
    if one.media:
        content["media"] = [dict(file) for file in one.media]
    return content


def template_of(content: Mapping[str, Any]) -> FilledTemplate | None:
    """Return the approved template that a message's content holds."""
    kept = content.get("template")
    return FilledTemplate(kept["id"], kept["variables"]) if kept else None


def card_of(content: Mapping[str, Any]) -> Card | None:
    """Return the card that a message's content holds."""
    kept = content.get("card")
    return (
        Card(
            kept["title"],
            tuple((label, value) for label, value in kept["facts"]),
            tuple(kept["notes"]),
        )
        if kept
        else None
    )


def buttons_of(content: Mapping[str, Any]) -> tuple[Button, ...]:
    """Return the buttons that a message's content holds."""
    return tuple(Button(**kept) for kept in content.get("buttons", ()))
