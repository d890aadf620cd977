"""Parse and fill message texts: `((name))`, `[[ optional parts ]]` and plural forms.

`((missing: one signature is missing | # signatures are missing))` chooses a form by a number, in
the order of the language's plural categories; `#` is the number. The grammar has no calls,
attributes or loops, so a text takes time in proportion to its length. See docs/texts.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from hub.lib.plural_forms import language_of, plural_forms
from hub.lib.text import POP

MAX_LENGTH = 10_000  # characters
# of several equal brackets, the last two open and the first two close
_TOKEN = re.compile(r"\(\((?!\()|\)\)|\[\[(?!\[)|\]\]")
_NAME = re.compile(r"[^\W\d]\w*")
_SEPARATORS = re.compile(r"[\s_-]+")
MAX_NAME_LENGTH = 60


class GrammarError(ValueError):
    """A text does not follow the grammar."""

    def __init__(self, problem: str, position: int, name: str = "") -> None:
        super().__init__(problem)
        self.position = position  # of the first wrong character, counted from 0
        self.name = name  # the value that is wrong, if the error concerns one


class MissingValue(ValueError):
    """A text needs a value that was not given."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The text needs the value {name}, which is missing.")
        self.name = name


class StandIn(str):
    """A word that replaces a missing value, such as "Somebody". No optional part is shown for it.

    `within` is its form within a sentence.
    """

    __slots__ = ("within",)
    within: str

    def __new__(cls, word: str, within: str = "") -> StandIn:
        made = super().__new__(cls, word)
        made.within = within or word
        return made


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A value in a text; with forms, a number that chooses one of them."""

    name: str  # in lower case, with underscores
    position: int
    forms: tuple[str, ...] = ()
    end: int = 0  # the position after it


@dataclass(frozen=True, slots=True)
class OptionalPart:
    """A part that is left out when one of its values is missing or 0."""

    parts: tuple[str | Placeholder, ...]


@dataclass(frozen=True, slots=True)
class ParsedText:
    """A text as a sequence of literal texts, placeholders and optional parts."""

    parts: tuple[str | Placeholder | OptionalPart, ...]
    names: frozenset[str] = field(init=False, compare=False)  # of the values that the text uses

    def __post_init__(self) -> None:
        names = frozenset(placeholder.name for placeholder in self.placeholders)
        object.__setattr__(self, "names", names)

    @property
    def placeholders(self) -> Iterator[Placeholder]:
        """Each placeholder, in the order of the text."""
        for part in self.parts:
            if isinstance(part, Placeholder):
                yield part
            elif isinstance(part, OptionalPart):
                yield from (inner for inner in part.parts if isinstance(inner, Placeholder))


# ── Parsing ───────────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=512)
def parse(source: str) -> ParsedText:
    """Parse a text. Raises GrammarError with the position and the remedy."""
    if len(source) > MAX_LENGTH:
        raise GrammarError(
            f"The text has {len(source):,} characters. Shorten it to {MAX_LENGTH:,}.", MAX_LENGTH
        )
    return _Parser(source).parse()


class _Parser:
    """Read a text once from its start to its end."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.parts: list[str | Placeholder | OptionalPart] = []
        self.optional: list[str | Placeholder] = []
        self.optional_start: int | None = None

    def parse(self) -> ParsedText:
        tokens = _TOKEN.finditer(self.source)
        for token in tokens:
            self._add_literal(token.start())
            if token[0] == "((":
                self._add_placeholder(token, next(tokens, None))
            elif token[0] == "[[":
                self._open_optional(token)
            elif token[0] == "]]":
                self._close_optional(token)
            else:
                raise GrammarError(
                    "“))” closes nothing. Write “((” before the name of a value, or put a space"
                    " between the brackets.",
                    token.start(),
                )
        self._add_literal(len(self.source))
        if self.optional_start is not None:
            raise GrammarError(
                "This optional part has no end. Write “]]” after it.", self.optional_start
            )
        return ParsedText(tuple(self.parts))

    def _add(self, part: str | Placeholder) -> None:
        if self.optional_start is None:
            self.parts.append(part)
        else:
            self.optional.append(part)

    def _add_literal(self, end: int) -> None:
        if end > self.position:
            self._add(self.source[self.position : end])
        self.position = end

    def _add_placeholder(self, opened: re.Match[str], closed: re.Match[str] | None) -> None:
        if closed is None or closed[0] != "))":
            raise GrammarError("This value has no end. Write “))” after its name.", opened.start())
        content = self.source[opened.end() : closed.start()]
        self._add(replace(_parse_placeholder(content, opened.start()), end=closed.end()))
        self.position = closed.end()

    def _open_optional(self, token: re.Match[str]) -> None:
        if self.optional_start is not None:
            raise GrammarError(
                "An optional part cannot contain another one. Write “]]” before this “[[”.",
                token.start(),
            )
        self.optional_start = token.start()
        self.position = token.end()

    def _close_optional(self, token: re.Match[str]) -> None:
        if self.optional_start is None:
            raise GrammarError(
                "“]]” closes nothing. Write “[[” before the optional part, or put a space between"
                " the brackets.",
                token.start(),
            )
        if not any(isinstance(part, Placeholder) for part in self.optional):
            raise GrammarError(
                "This optional part has no value, so it would always be sent. Add a value to it,"
                " or remove “[[” and “]]”.",
                self.optional_start,
            )
        self.parts.append(OptionalPart(tuple(self.optional)))
        self.optional = []
        self.optional_start = None
        self.position = token.end()


def normalize_name(name: str) -> str:
    """Return the form in which names are compared: `Download Link` becomes `download_link`."""
    return _SEPARATORS.sub("_", name.strip()).lower()


def _parse_placeholder(content: str, position: int) -> Placeholder:
    written, colon, alternatives = content.partition(":")
    name = normalize_name(written)
    if not name:
        raise GrammarError(
            "The name of a value is missing between “((” and “))”. Enter one, such as ((title)).",
            position,
        )
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise GrammarError(
            "This is not the name of a value. Use letters, digits and spaces, such as"
            " ((download link)).",
            position,
        )
    if not colon:
        return Placeholder(name, position)
    forms = tuple(form.strip() for form in alternatives.split("|"))
    if not all(forms):
        raise GrammarError(
            "A form of this number is empty. Write a text before and after each “|”.",
            position,
            name,
        )
    return Placeholder(name, position, forms)


def check_forms(parsed: ParsedText, locale: str) -> None:
    """Raise GrammarError if a number does not have the plural forms of a language."""
    expected = plural_forms(locale)
    for placeholder in parsed.placeholders:
        count = len(placeholder.forms)
        if count and count != len(expected.categories):
            examples = "; ".join(
                f"form {position}: {numbers}"
                for position, numbers in enumerate(expected.examples, start=1)
            )
            raise GrammarError(
                f"This number has {count} {'form' if count == 1 else 'forms'}, but the language"
                f" needs {len(expected.categories)}. Separate them with “|” ({examples}).",
                placeholder.position,
                placeholder.name,
            )


def numbers_in(parsed: ParsedText) -> list[Placeholder]:
    """Return the placeholders of a text that have plural forms."""
    return [placeholder for placeholder in parsed.placeholders if placeholder.forms]


def replace_forms(source: str, forms: Mapping[int, Sequence[str]]) -> str:
    """Return a text with other plural forms, given by the position of the number in the text.

    Positions count the placeholders with forms, from 0. Raises GrammarError.
    """
    pieces = []
    end = 0
    for index, placeholder in enumerate(numbers_in(parse(source))):
        if index in forms:
            written = source[placeholder.position + 2 : placeholder.end - 2].partition(":")[0]
            pieces += [source[end : placeholder.position]]
            pieces += [f"(({written}: {' | '.join(form.strip() for form in forms[index])}))"]
            end = placeholder.end
    return "".join([*pieces, source[end:]])


# ── Filling ───────────────────────────────────────────────────────────────────────────────────────
# what a sentence may begin after: the start, the end of another sentence, or a line break
_SENTENCE_START = re.compile(r"(?:\A|[.!?…][\"'’”“»)\]]*\s+|\n)\s*\Z")
_SALUTATION = re.compile(r",\s*\n\s*\Z")
# languages in which the line after a salutation continues its sentence
_CONTINUES_SALUTATION = frozenset({"de", "pl"})


def fill(parsed: ParsedText, values: Mapping[str, str | int], locale: str) -> str:
    """Return a text filled with values in the language `locale`. Raises MissingValue.

    A value is missing if `values` does not contain its name. A full stop after a value that ends
    with one, such as "Acme Inc.", is left out.
    """
    pieces: list[str] = []
    ends_with_stop = False
    for part in _shown_parts(parsed, values):
        if isinstance(part, str):
            is_repeated = ends_with_stop and part.startswith(".")
            pieces.append(part[1:] if is_repeated else part)
            ends_with_stop = False
        else:
            piece = _fill_placeholder(part, values, locale)
            if isinstance(piece, StandIn) and not _starts_sentence("".join(pieces), locale):
                piece = piece.within
            pieces.append(piece)
            ends_with_stop = piece.rstrip(POP).endswith(".")
    return "".join(pieces).strip()


def _shown_parts(
    parsed: ParsedText, values: Mapping[str, str | int]
) -> Iterator[str | Placeholder]:
    """Yield the parts of a text, and those of each optional part that is shown."""
    for part in parsed.parts:
        if not isinstance(part, OptionalPart):
            yield part
        elif _is_shown(part, values):
            yield from part.parts


def _is_shown(part: OptionalPart, values: Mapping[str, str | int]) -> bool:
    """Return whether an optional part has all its values, none of them 0."""
    found = (values.get(inner.name, 0) for inner in part.parts if isinstance(inner, Placeholder))
    return all(value != 0 and not isinstance(value, StandIn) for value in found)


def _starts_sentence(before: str, locale: str) -> bool:
    if _SALUTATION.search(before) and language_of(locale) in _CONTINUES_SALUTATION:
        return False
    return _SENTENCE_START.search(before) is not None


def _fill_placeholder(
    placeholder: Placeholder, values: Mapping[str, str | int], locale: str
) -> str:
    value = values.get(placeholder.name)
    if value is None or (placeholder.forms and not isinstance(value, int)):
        raise MissingValue(placeholder.name)
    if not isinstance(value, int):
        return value
    rules = plural_forms(locale)
    number = rules.format_number(value)
    if not placeholder.forms:
        return number
    index = min(rules.index(value), len(placeholder.forms) - 1)
    return placeholder.forms[index].replace("#", number)
