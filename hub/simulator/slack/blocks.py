"""Check Block Kit as Slack does: types, counts, lengths, unique ids.

https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

MOST_BLOCKS = 50
LONGEST_MARKDOWN = 12_000
# With markdown blocks Slack refuses a message of so many characters though each block is short
# enough: slackapi/bolt-js, issue 2509.
LONGEST_WITH_MARKDOWN = 13_200
TEXTS = ("plain_text", "mrkdwn")
INTERACTIVE = ("button", "overflow", "static_select")
STYLES = ("primary", "danger")


class BlocksError(Exception):
    """Slack refuses the blocks: its code, and what is wrong where."""

    def __init__(self, error: str, details: list[str]) -> None:
        super().__init__(error)
        self.error = error
        self.details = details


class Check:
    """Collects what is wrong in one message's blocks; each fault carries a JSON pointer, as Slack's
    do.
    """

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._ids: set[str] = set()

    def message(self, blocks: Any) -> None:
        if not isinstance(blocks, list):
            raise BlocksError("invalid_blocks_format", [])
        if len(blocks) > MOST_BLOCKS:
            self._fault(f"no more than {MOST_BLOCKS} items allowed", "/blocks")
        for n, block in enumerate(blocks):
            self.block(block, f"/blocks/{n}")
        if (
            sum(len(str(block.get("text", ""))) for block in blocks if _is(block, "markdown"))
            > LONGEST_MARKDOWN
        ):
            self._fault(
                f"all markdown together must be less than {LONGEST_MARKDOWN + 1} characters",
                "/blocks",
            )

    def block(self, block: Any, at: str) -> None:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(kind, str) or kind not in BLOCKS:
            self._fault(f"unsupported type: {kind}", f"{at}/type")
            return
        keys, check = BLOCKS[kind]
        self._keys(block, ("type", "block_id", *keys), at)
        name = block.get("block_id")
        if name is not None:
            self._text(name, f"{at}/block_id", 255)
            if name in self._ids:
                self._fault(f"`block_id` must be unique: {name}", f"{at}/block_id")
            self._ids.add(str(name))
        check(self, block, at)

    def section(self, block: dict[str, Any], at: str) -> None:
        if "text" not in block and "fields" not in block:
            self._fault("missing required field: text or fields", at)
        if "text" in block:
            self.text(block["text"], f"{at}/text", 3000)
        if "fields" in block:
            for n, field in enumerate(self._list(block["fields"], f"{at}/fields", 10)):
                self.text(field, f"{at}/fields/{n}", 2000)
        if "accessory" in block:
            self.element(block["accessory"], f"{at}/accessory", (*INTERACTIVE, "image"))

    def header(self, block: dict[str, Any], at: str) -> None:
        self.text(block.get("text"), f"{at}/text", 150, ("plain_text",))

    def context(self, block: dict[str, Any], at: str) -> None:
        for n, one in enumerate(self._list(block.get("elements"), f"{at}/elements", 10)):
            if _is(one, "image"):
                self.element(one, f"{at}/elements/{n}", ("image",))
            else:
                self.text(one, f"{at}/elements/{n}", 3000)

    def actions(self, block: dict[str, Any], at: str) -> None:
        seen: set[str] = set()
        for n, one in enumerate(self._list(block.get("elements"), f"{at}/elements", 25)):
            self.element(one, f"{at}/elements/{n}", INTERACTIVE)
            name = one.get("action_id") if isinstance(one, dict) else None
            if name is not None and name in seen:
                self._fault(
                    f"`action_id` must be unique in its block: {name}",
                    f"{at}/elements/{n}/action_id",
                )
            seen.add(str(name))

    def image(self, block: dict[str, Any], at: str) -> None:
        self._link(block.get("image_url"), f"{at}/image_url")
        self._text(block.get("alt_text"), f"{at}/alt_text", 2000)
        if "title" in block:
            self.text(block["title"], f"{at}/title", 2000, ("plain_text",))

    def markdown(self, block: dict[str, Any], at: str) -> None:
        self._text(block.get("text"), f"{at}/text", LONGEST_MARKDOWN)

    def table(self, block: dict[str, Any], at: str) -> None:
        for n, row in enumerate(self._list(block.get("rows"), f"{at}/rows", 100)):
            self._list(row, f"{at}/rows/{n}", 20)

    def free(self, block: dict[str, Any], at: str) -> None:
        """Take what has no limits that we know of."""

    def element(self, element: Any, at: str, allowed: tuple[str, ...]) -> None:
        kind = element.get("type") if isinstance(element, dict) else None
        if kind not in allowed:
            self._fault(f"unsupported type: {kind}", f"{at}/type")
            return
        keys, check = ELEMENTS[kind]
        self._keys(element, ("type", *keys), at)
        if element.get("action_id") is not None:
            self._text(element["action_id"], f"{at}/action_id", 255)
        if "confirm" in element:
            self.confirm(element["confirm"], f"{at}/confirm")
        check(self, element, at)

    def button(self, element: dict[str, Any], at: str) -> None:
        self.text(element.get("text"), f"{at}/text", 75, ("plain_text",))
        if "value" in element:
            self._text(element["value"], f"{at}/value", 2000)
        if "url" in element:
            self._link(element["url"], f"{at}/url")
        if element.get("style", "primary") not in STYLES:
            self._fault(f"failed to match the allowed values: {', '.join(STYLES)}", f"{at}/style")
        if "accessibility_label" in element:
            self._text(element["accessibility_label"], f"{at}/accessibility_label", 75)

    def overflow(self, element: dict[str, Any], at: str) -> None:
        self._options(element.get("options"), f"{at}/options", 5)

    def select(self, element: dict[str, Any], at: str) -> None:
        self._options(element.get("options"), f"{at}/options", 100)
        if "placeholder" in element:
            self.text(element["placeholder"], f"{at}/placeholder", 150, ("plain_text",))

    def confirm(self, confirm: Any, at: str) -> None:
        if not isinstance(confirm, dict):
            self._fault("must be an object", at)
            return
        self._keys(confirm, ("title", "text", "confirm", "deny", "style"), at)
        for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            self.text(
                confirm.get(name),
                f"{at}/{name}",
                most,
                TEXTS if name == "text" else ("plain_text",),
            )

    def text(self, text: Any, at: str, most: int, kinds: tuple[str, ...] = TEXTS) -> None:
        """Check a text object."""
        if not isinstance(text, dict) or text.get("type") not in kinds:
            self._fault(f"must be a text object of type {' or '.join(kinds)}", at)
            return
        self._keys(
            text, ("type", "text", "emoji" if text["type"] == "plain_text" else "verbatim"), at
        )
        self._text(text.get("text"), f"{at}/text", most)

    def _options(self, options: Any, at: str, most: int) -> None:
        for n, one in enumerate(self._list(options, at, most)):
            if not isinstance(one, dict):
                self._fault("must be an object", f"{at}/{n}")
                continue
            self._keys(one, ("text", "value", "description", "url"), f"{at}/{n}")
            self.text(one.get("text"), f"{at}/{n}/text", 75)
            self._text(one.get("value"), f"{at}/{n}/value", 150)

    def _text(self, text: Any, at: str, most: int) -> None:
        if not isinstance(text, str):
            self._fault("must be a string", at)
        elif not text:
            self._fault("must be more than 0 characters", at)
        elif len(text) > most:
            self._fault(f"must be less than {most + 1} characters", at)

    def _link(self, link: Any, at: str) -> None:
        self._text(link, at, 3000)
        if isinstance(link, str) and link and not is_link(link):
            self._fault("must be a valid URL", at)

    def _list(self, items: Any, at: str, most: int) -> list[Any]:
        if not isinstance(items, list) or not items:
            self._fault("no fewer than 1 items allowed", at)
            return []
        if len(items) > most:
            self._fault(f"no more than {most} items allowed", at)
        return items

    def _keys(self, given: dict[str, Any], known: tuple[str, ...], at: str) -> None:
        for name in given:
            if name not in known:
                self._fault(f"invalid additional property: {name}", at)

    def _fault(self, what: str, at: str) -> None:
        self.wrong.append(f"[ERROR] {what} [json-pointer:{at}]")


Checker = Callable[[Check, dict[str, Any], str], None]
BLOCKS: dict[
    str, tuple[tuple[str, ...], Checker]
] = {  # type → its keys beside `type` and `block_id`, and its check
    "section": (("text", "fields", "accessory", "expand"), Check.section),
    "header": (("text", "level"), Check.header),
    "context": (("elements",), Check.context),
    "actions": (("elements",), Check.actions),
    "divider": ((), Check.free),
    "image": (("image_url", "alt_text", "title"), Check.image),
    "markdown": (("text",), Check.markdown),
    "table": (("rows", "column_settings"), Check.table),
    "rich_text": (("elements",), Check.free),
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
    """Check a message's blocks; raise BlocksError with Slack's code."""
    found = Check()
    found.message(blocks)
    if found.wrong:
        raise BlocksError("invalid_blocks", found.wrong)
    if (
        any(_is(block, "markdown") for block in blocks)
        and sum(map(len, texts(blocks))) > LONGEST_WITH_MARKDOWN
    ):
        raise BlocksError("msg_blocks_too_long", [])


def texts(part: Any) -> Iterator[str]:
    """Yield all that readers see of checked blocks: the texts in them, however deep."""
    if isinstance(part, list):
        for one in part:
            yield from texts(one)
    elif isinstance(part, dict):
        if isinstance(part.get("text"), str):
            yield part["text"]
        for one in part.values():
            yield from texts(one)


def buttons(blocks: Any) -> Iterator[dict[str, Any]]:
    """Yield the buttons of checked blocks, each with the `block_id` it is in."""
    for block in blocks or ():
        found = (
            [*(block.get("elements") or ()), block.get("accessory")]
            if block.get("type") in ("actions", "section")
            else ()
        )
        for one in found:
            if _is(one, "button"):
                yield {**one, "block_id": block.get("block_id", "")}


def is_link(text: str) -> bool:
    """Tell whether a web address could be opened from a message."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not any(char.isspace() for char in text)
    )


def _is(part: Any, kind: str) -> bool:
    return isinstance(part, dict) and part.get("type") == kind
