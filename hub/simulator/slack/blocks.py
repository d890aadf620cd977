"""Check Block Kit as Slack does: types, counts, lengths and unique IDs.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

MAX_BLOCKS = 50
MAX_MARKDOWN_LENGTH = 12_000
# Slack refuses longer messages with markdown blocks, even if each block is short enough:
# slackapi/bolt-js, issue 2509.
MAX_LENGTH_WITH_MARKDOWN = 13_200
TEXTS = ("plain_text", "mrkdwn")
INTERACTIVE = ("button", "overflow", "static_select")
STYLES = ("primary", "danger")


class BlocksError(Exception):
    """Slack refuses the blocks with a code and the position of each error."""

    def __init__(self, error: str, details: list[str]) -> None:
        super().__init__(error)
        self.error = error
        self.details = details


class Check:
    """Collects the errors in the blocks of one message, each with a JSON pointer as Slack gives."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self._ids: set[str] = set()

    def message(self, blocks: Any) -> None:
        if not isinstance(blocks, list):
            raise BlocksError("invalid_blocks_format", [])
        if len(blocks) > MAX_BLOCKS:
            self._add_error(f"no more than {MAX_BLOCKS} items allowed", "/blocks")
        for index, block in enumerate(blocks):
            self.block(block, f"/blocks/{index}")
        if (
            sum(len(str(block.get("text", ""))) for block in blocks if _has_type(block, "markdown"))
            > MAX_MARKDOWN_LENGTH
        ):
            self._add_error(
                f"all markdown together must be less than {MAX_MARKDOWN_LENGTH + 1} characters",
                "/blocks",
            )

    def block(self, block: Any, pointer: str) -> None:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str) or kind not in BLOCKS:
            self._add_error(f"unsupported type: {kind}", f"{pointer}/type")
            return
        keys, check = BLOCKS[kind]
        self._keys(block, ("type", "block_id", *keys), pointer)
        name = block.get("block_id")
        if name is not None:
            self._text(name, f"{pointer}/block_id", 255)
            if name in self._ids:
                self._add_error(f"`block_id` must be unique: {name}", f"{pointer}/block_id")
            self._ids.add(str(name))
        check(self, block, pointer)

    def section(self, block: dict[str, Any], pointer: str) -> None:
        if "text" not in block and "fields" not in block:
            self._add_error("missing required field: text or fields", pointer)
        if "text" in block:
            self.text(block["text"], f"{pointer}/text", 3000)
        if "fields" in block:
            for index, field in enumerate(self._list(block["fields"], f"{pointer}/fields", 10)):
                self.text(field, f"{pointer}/fields/{index}", 2000)
        if "accessory" in block:
            self.element(block["accessory"], f"{pointer}/accessory", (*INTERACTIVE, "image"))

    def header(self, block: dict[str, Any], pointer: str) -> None:
        self.text(block.get("text"), f"{pointer}/text", 150, ("plain_text",))

    def context(self, block: dict[str, Any], pointer: str) -> None:
        for index, element in enumerate(
            self._list(block.get("elements"), f"{pointer}/elements", 10)
        ):
            if _has_type(element, "image"):
                self.element(element, f"{pointer}/elements/{index}", ("image",))
            else:
                self.text(element, f"{pointer}/elements/{index}", 3000)

    def actions(self, block: dict[str, Any], pointer: str) -> None:
        action_ids: set[str] = set()
        for index, element in enumerate(
            self._list(block.get("elements"), f"{pointer}/elements", 25)
        ):
            self.element(element, f"{pointer}/elements/{index}", INTERACTIVE)
            name = element.get("action_id") if isinstance(element, dict) else None
            if name is not None and name in action_ids:
                self._add_error(
                    f"`action_id` must be unique in its block: {name}",
                    f"{pointer}/elements/{index}/action_id",
                )
            action_ids.add(str(name))

    def image(self, block: dict[str, Any], pointer: str) -> None:
        self._link(block.get("image_url"), f"{pointer}/image_url")
        self._text(block.get("alt_text"), f"{pointer}/alt_text", 2000)
        if "title" in block:
            self.text(block["title"], f"{pointer}/title", 2000, ("plain_text",))

    def markdown(self, block: dict[str, Any], pointer: str) -> None:
        self._text(block.get("text"), f"{pointer}/text", MAX_MARKDOWN_LENGTH)

    def table(self, block: dict[str, Any], pointer: str) -> None:
        for index, row in enumerate(self._list(block.get("rows"), f"{pointer}/rows", 100)):
            self._list(row, f"{pointer}/rows/{index}", 20)

    def unchecked(self, block: dict[str, Any], pointer: str) -> None:
        """Accept a block that has no documented limits."""

    def element(self, element: Any, pointer: str, allowed: tuple[str, ...]) -> None:
        kind = element.get("type") if isinstance(element, dict) else None
        if kind not in allowed:
            self._add_error(f"unsupported type: {kind}", f"{pointer}/type")
            return
        keys, check = ELEMENTS[kind]
        self._keys(element, ("type", *keys), pointer)
        if element.get("action_id") is not None:
            self._text(element["action_id"], f"{pointer}/action_id", 255)
        if "confirm" in element:
            self.confirm(element["confirm"], f"{pointer}/confirm")
        check(self, element, pointer)

    def button(self, element: dict[str, Any], pointer: str) -> None:
        self.text(element.get("text"), f"{pointer}/text", 75, ("plain_text",))
        if "value" in element:
            self._text(element["value"], f"{pointer}/value", 2000)
        if "url" in element:
            self._link(element["url"], f"{pointer}/url")
        if element.get("style", "primary") not in STYLES:
            self._add_error(
                f"failed to match the allowed values: {', '.join(STYLES)}", f"{pointer}/style"
            )
        if "accessibility_label" in element:
            self._text(element["accessibility_label"], f"{pointer}/accessibility_label", 75)

    def overflow(self, element: dict[str, Any], pointer: str) -> None:
        self._options(element.get("options"), f"{pointer}/options", 5)

    def select(self, element: dict[str, Any], pointer: str) -> None:
        self._options(element.get("options"), f"{pointer}/options", 100)
        if "placeholder" in element:
            self.text(element["placeholder"], f"{pointer}/placeholder", 150, ("plain_text",))

    def confirm(self, confirm: Any, pointer: str) -> None:
        if not isinstance(confirm, dict):
            self._add_error("must be an object", pointer)
            return
        self._keys(confirm, ("title", "text", "confirm", "deny", "style"), pointer)
        for name, maximum in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            self.text(
                confirm.get(name),
                f"{pointer}/{name}",
                maximum,
                TEXTS if name == "text" else ("plain_text",),
            )

    def text(self, text: Any, pointer: str, maximum: int, kinds: tuple[str, ...] = TEXTS) -> None:
        """Check a text object."""
        if not isinstance(text, dict) or text.get("type") not in kinds:
            self._add_error(f"must be a text object of type {' or '.join(kinds)}", pointer)
            return
        self._keys(
            text, ("type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"), pointer
        )
        self._text(text.get("text"), f"{pointer}/text", maximum)

    def _options(self, options: Any, pointer: str, maximum: int) -> None:
        for index, option in enumerate(self._list(options, pointer, maximum)):
            if not isinstance(option, dict):
                self._add_error("must be an object", f"{pointer}/{index}")
                continue
            self._keys(option, ("text", "value", "description", "url"), f"{pointer}/{index}")
            self.text(option.get("text"), f"{pointer}/{index}/text", 75)
            self._text(option.get("value"), f"{pointer}/{index}/value", 150)

    def _text(self, text: Any, pointer: str, maximum: int) -> None:
        if not isinstance(text, str):
            self._add_error("must be a string", pointer)
        elif not text:
            self._add_error("must be more than 0 characters", pointer)
        elif len(text) > maximum:
            self._add_error(f"must be less than {maximum + 1} characters", pointer)

    def _link(self, link: Any, pointer: str) -> None:
        self._text(link, pointer, 3000)
        if isinstance(link, str) and link and not is_link(link):
            self._add_error("must be a valid URL", pointer)

    def _list(self, items: Any, pointer: str, maximum: int) -> list[Any]:
        if not isinstance(items, list) or not items:
            self._add_error("no fewer than 1 items allowed", pointer)
            return []
        if len(items) > maximum:
            self._add_error(f"no more than {maximum} items allowed", pointer)
        return items

    def _keys(self, part: dict[str, Any], allowed: tuple[str, ...], pointer: str) -> None:
        for name in part:
            if name not in allowed:
                self._add_error(f"invalid additional property: {name}", pointer)

    def _add_error(self, sentence: str, pointer: str) -> None:
        self.errors.append(f"[ERROR] {sentence} [json-pointer:{pointer}]")


Checker = Callable[[Check, dict[str, Any], str], None]
# type → its keys in addition to `type` and `block_id`, and its check
BLOCKS: dict[str, tuple[tuple[str, ...], Checker]] = {
    "section": (("text", "fields", "accessory", "expand"), Check.section),
    "header": (("text", "level"), Check.header),
    "context": (("elements",), Check.context),
    "actions": (("elements",), Check.actions),
    "divider": ((), Check.unchecked),
    "image": (("image_url", "alt_text", "title"), Check.image),
    "markdown": (("text",), Check.markdown),
    "table": (("rows", "column_settings"), Check.table),
    "rich_text": (("elements",), Check.unchecked),
}
ELEMENTS: dict[str, tuple[tuple[str, ...], Checker]] = {
    "button": (
        ("text", "action_id", "url", "value", "style", "confirm", "accessibility_label"),
        Check.button,
    ),
    "overflow": (("action_id", "options", "confirm"), Check.overflow),
    "static_select": (
        ("action_id", "options", "placeholder", "initial_option", "confirm", "focus_on_load"),
        Check.select,
    ),
    "image": (("image_url", "alt_text"), Check.image),
}


def check(blocks: Any) -> None:
    """Check a message's blocks. Raises BlocksError with Slack's code."""
    checker = Check()
    checker.message(blocks)
    if checker.errors:
        raise BlocksError("invalid_blocks", checker.errors)
    if (
        any(_has_type(block, "markdown") for block in blocks)
        and sum(map(len, texts(blocks))) > MAX_LENGTH_WITH_MARKDOWN
    ):
        raise BlocksError("msg_blocks_too_long", [])


def texts(part: Any) -> Iterator[str]:
    """Yield all strings that readers see in checked blocks, at any depth."""
    if isinstance(part, list):
        for child in part:
            yield from texts(child)
    elif isinstance(part, dict):
        if isinstance(part.get("text"), str):
            yield part["text"]
        for child in part.values():
            yield from texts(child)


def buttons(blocks: Any) -> Iterator[dict[str, Any]]:
    """Yield the buttons of checked blocks, each with the `block_id` of its block."""
    for block in blocks or ():
        elements = (
            [*(block.get("elements") or ()), block.get("accessory")]
            if block.get("type") in ("actions", "section")
            else ()
        )
        for element in elements:
            if _has_type(element, "button"):
                yield {**element, "block_id": block.get("block_id", "")}


def is_link(text: str) -> bool:
    """Return whether a web address can be opened from a message."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not any(char.isspace() for char in text)
    )


def _has_type(part: Any, kind: str) -> bool:
    return isinstance(part, dict) and part.get("type") == kind
