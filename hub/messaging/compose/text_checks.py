"""Check the texts that an admin saves: their grammar, their values and their subject."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping

from hub.core.errors import Refused
from hub.core.vocabulary import Audience, Channel, EventType
from hub.lib import text_grammar
from hub.lib.text import readable
from hub.lib.text_grammar import GrammarError, ParsedText
from hub.messaging.compose.text_values import VALUES, Kind, key_of

MAX_SUBJECT_LENGTH = 500  # characters
BAD_GRAMMAR = "bad_grammar"
BAD_VALUE = "bad_value"
_PLACEHOLDER = re.compile(r"\(\(([^():|]{1,60})\)\)")
_OTHER_SYNTAX = re.compile(r"\{[{%][^{}\n]{0,80}[}%]\}|\$\{[^{}\n]{1,80}\}")
_LINK = re.compile(r"https?://|www\.", re.IGNORECASE)


def find_errors(
    subject: str, text: str, *, channel: str, locale: str, allowed: Mapping[str, str]
) -> Iterator[Refused]:
    """Return the errors of a text, each with the field `subject` or `text`.

    `allowed`: the keys of the values that the event can have, with their names in texts.
    """
    if channel == Channel.EMAIL:
        yield from _find_subject_errors(subject)
        yield from _find_source_errors("subject", subject, locale, allowed)
    if channel == Channel.VOICE:
        yield from _find_spoken_errors(text)
    if not text.strip():
        yield Refused("empty_text", "Enter the text of the message.", field="text")
    elif readable(text) != text.replace("\r\n", "\n"):
        problem = "The text contains invisible control characters. Delete them, or type it again."
        yield Refused("control_characters", problem, field="text")
    yield from _find_source_errors("text", text, locale, allowed)


def find_note_errors(note: str) -> Iterator[Refused]:
    """Return the errors of the reason for a change."""
    if readable(note) != note:
        problem = "The reason contains invisible control characters. Delete them, or type it again."
        yield Refused("control_characters", problem, field="note")


def find_warnings(
    event_type: str, audience: str, channel: str, subject: str, text: str
) -> Iterator[str]:
    """Return sentences about a text that can be saved, but is probably not what was meant."""
    asks_to_sign = (
        event_type in (EventType.SENT, EventType.REMINDER) and audience == Audience.SIGNER
    )
    if asks_to_sign and channel != Channel.VOICE and "link" not in named_values(text):
        yield "This text has no link, so signers cannot open the document. Add ((link))."
    for found in dict.fromkeys(_OTHER_SYNTAX.findall(f"{subject}\n{text}")):
        yield f"{found} is sent as you wrote it. Write values in double parentheses: ((title))."


def named_values(text: str) -> set[str]:
    """Return the keys of the values that a text names."""
    return {key_of(text_grammar.normalize_name(name)) for name in _PLACEHOLDER.findall(text)}


def _find_spoken_errors(text: str) -> Iterator[Refused]:
    """Return the links of a text that is read aloud, where nobody can click them."""
    named = named_values(text)
    has_link = any(key in VALUES and VALUES[key].kind == Kind.LINK for key in named)
    if has_link or _LINK.search(text):
        problem = (
            "A call cannot say a link. Remove it, and say that you also sent a message or an email."
        )
        yield Refused("link_in_call", problem, field="text")


def _find_subject_errors(subject: str) -> Iterator[Refused]:
    if not subject.strip():
        yield Refused("empty_subject", "Enter the subject of the email.", field="subject")
    if "\n" not in subject and readable(subject) != subject:
        problem = (
            "The subject contains invisible control characters. Delete them, or type it again."
        )
        yield Refused("control_characters", problem, field="subject")
    if len(subject) > MAX_SUBJECT_LENGTH or "\n" in subject:
        problem = f"Write the subject on one line of at most {MAX_SUBJECT_LENGTH} characters."
        yield Refused("bad_subject", problem, field="subject")


def _find_source_errors(
    field: str, source: str, locale: str, allowed: Mapping[str, str]
) -> Iterator[Refused]:
    try:
        parsed = text_grammar.parse(source)
        text_grammar.check_forms(parsed, locale)
    except GrammarError as error:
        value = f"(({error.name})): " if error.name else ""
        yield Refused(BAD_GRAMMAR, f"{locate(source, error.position)}: {value}{error}", field=field)
        return
    for problem in _find_value_errors(source, parsed, allowed):
        yield Refused(BAD_VALUE, problem, field=field)


def _find_value_errors(
    source: str, parsed: ParsedText, allowed: Mapping[str, str]
) -> Iterator[str]:
    for placeholder in parsed.placeholders:
        place = locate(source, placeholder.position)
        key = key_of(placeholder.name)
        shown = f"(({placeholder.name.replace('_', ' ')}))"
        if key not in allowed and key in VALUES:
            yield f"{place}: This event has no {shown} for these recipients. Remove it."
        elif key not in allowed:
            yield f"{place}: {shown} is not a value. {_suggest(placeholder.name, allowed.values())}"
        elif placeholder.forms and (key not in VALUES or VALUES[key].kind != Kind.NUMBER):
            yield f"{place}: {shown} is not a number, so it has no forms. Remove the forms."


def _suggest(name: str, allowed: Collection[str]) -> str:
    """Return a sentence with the value that was probably meant, or with all values."""
    written = name.replace("_", " ")
    if close := difflib.get_close_matches(written, sorted(allowed), n=1):
        return f"Did you mean (({close[0]}))?"
    return f"Use one of {', '.join(f'(({value}))' for value in sorted(allowed))}."


def locate(source: str, position: int) -> str:
    """Return a position as people count it, such as "Line 2, character 14"."""
    line = source.count("\n", 0, position) + 1
    column = position - (source.rfind("\n", 0, position) + 1) + 1
    return f"Line {line}, character {column}" if "\n" in source else f"Character {column}"
