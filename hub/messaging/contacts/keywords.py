"""Recognize texts that opt out, opt in, or ask for help. docs/opt-outs.md describes the grammar.

Only the words count: case, accents, punctuation, emoji and spaces make no difference. A
text opts out if it consists of opt-out phrases and polite words. Opt-ins are matched more strictly,
because a wrong one would send messages to a person who opted out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from functools import lru_cache

# the words that US carriers and messaging providers agree on
STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT")
START = ("START", "UNSTOP", "YES", "SUBSCRIBE")
HELP = ("HELP", "INFO")
# common phrases for the same requests; "OPT OUT" also matches "OPT-OUT" and "OPTOUT"
STOP_PHRASES = (
    "STOP ALL",
    "STOP MESSAGES",
    "STOP MESSAGING",
    "STOP MESSAGING ME",
    "STOP SMS",
    "STOP TEXTING",
    "STOP TEXTING ME",
    "STOP TEXTS",
    "OPT OUT",
    "OPT ME OUT",
    "UNSUBSCRIBE ALL",
    "UNSUBSCRIBE ME",
)
HELP_PHRASES = ("HELP ME",)
POLITE = (
    "PLEASE",
    "PLS",
    "PLZ",
    "THANKS",
    "THANK YOU",
    "THX",
    "BITTE",
    "DANKE",
    "POR FAVOR",
    "GRACIAS",
    "S'IL VOUS PLAÎT",
    "S'IL TE PLAÎT",
    "SVP",
    "STP",
    "MERCI",
    "PER FAVORE",
    "GRAZIE",
    "OBRIGADO",
    "OBRIGADA",
    "ALSTUBLIEFT",
    "ALSJEBLIEFT",
    "AUB",
    "BEDANKT",
    "PROSZĘ",
    "DZIĘKUJĘ",
    "PROSÍM",
    "DĚKUJI",
    "LÜTFEN",
    "TACK",
    "TAK",
    "TAKK",
    "KIITOS",
    "ПОЖАЛУЙСТА",
    "СПАСИБО",
    "БУДЬ ЛАСКА",
    "ДЯКУЮ",
    "请",
    "謝謝",
    "谢谢",
)
MAX_LENGTH = 40  # characters of a keyword
MAX_TEXT_LENGTH = 10_000  # characters; no channel delivers longer texts


class Keyword(StrEnum):
    """The request in a message, such as STOP."""

    STOP = "stop"
    START = "start"
    HELP = "help"


def fold_text(text: str) -> str:
    """Return the words of text, separated by spaces, without case and accents.

    Hyphens and apostrophes separate words.
    """
    return _words(text, " ")


@lru_cache(maxsize=1024)
def spellings(phrase: str) -> frozenset[str]:
    """Return every form that matches a phrase, such as `optout` for `opt out`.

    The result is empty if the phrase contains no letter or digit.
    """
    return frozenset(
        filter(None, (fold_text(phrase), _words(phrase, ""), fold_text(phrase).replace(" ", "")))
    )


def recognize_keyword(
    text: str, stop: Collection[str] = (), start: Collection[str] = (), help_: Collection[str] = ()
) -> Keyword | None:
    """Return the request in a message, or None.

    `stop`, `start` and `help_` are the `spellings` of additional phrases.
    """
    if len(text) > MAX_TEXT_LENGTH:
        return None
    custom_phrases = {Keyword.HELP: help_, Keyword.START: start, Keyword.STOP: stop}
    for words in dict.fromkeys(
        (fold_text(text), _words(text, ""), _join_spelled_letters(fold_text(text)))
    ):
        request = _match_request(words.split(), custom_phrases)
        if request is not None and (request != Keyword.START or _is_plain_opt_in(text, start)):
            return request
    return None


def _match_request(
    words: list[str], custom_phrases: Mapping[Keyword, Collection[str]]
) -> Keyword | None:
    """Return the request that the words make.

    None if another word is among them, or if they make two different requests.
    """
    longest = max(
        (phrase.count(" ") + 1 for phrases in custom_phrases.values() for phrase in phrases),
        default=1,
    )
    requests: set[Keyword] = set()
    position = 0
    while position < len(words):
        for length in range(min(max(longest, _MAX_PHRASE_WORDS), len(words) - position), 0, -1):
            phrase = " ".join(words[position : position + length])
            meaning = _request_of_phrase(phrase, custom_phrases)
            if meaning is not None:
                requests.add(meaning)
            if meaning is not None or phrase in _POLITE_FORMS:
                position += length
                break
        else:
            return None
    return requests.pop() if len(requests) == 1 else None


def _request_of_phrase(
    phrase: str, custom_phrases: Mapping[Keyword, Collection[str]]
) -> Keyword | None:
    for meaning in (Keyword.STOP, Keyword.START, Keyword.HELP):
        if phrase in custom_phrases[meaning]:
            return meaning
    return _REQUEST_BY_FORM.get(phrase)


def _is_plain_opt_in(text: str, start: Collection[str]) -> bool:
    """Return whether text is one opt-in word, surrounded only by spaces, quotation marks, full
    stops and `!`.
    """
    visible = unicodedata.normalize(
        "NFKC", "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Mn"))
    )
    bare = visible.strip().strip(AROUND_START).strip()
    inner = "".join(
        char for char in unicodedata.normalize("NFD", bare) if unicodedata.category(char) != "Mn"
    )
    if not (inner[:1].isalnum() and inner[-1:].isalnum()):
        return False
    if any(unicodedata.category(char)[0] not in "LNM" for char in inner if char not in " -'’"):
        return False
    return fold_text(bare) in start or _REQUEST_BY_FORM.get(fold_text(bare)) == Keyword.START


AROUND_START = "\"'“”„‟‘’‚‛«»‹›「」『』.!。！¡…` \t\r\n"


# ── Words ───────────────────────────────────────────────────────────────────────────────────────
def _words(text: str, joint: str) -> str:
    """Return the words of text, separated by spaces.

    `joint` replaces hyphens and apostrophes: a blank to separate the words, or '' to join them.
    """
    readable = "".join(
        _readable_char(char, text[position + 1 : position + 2], joint)
        for position, char in enumerate(text)
    )
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", readable).casefold())
    letters = (
        char if unicodedata.category(char)[0] in "LN" else _letter_mark(char) for char in plain
    )
    return " ".join("".join(letters).split())


def _readable_char(char: str, following: str, joint: str) -> str:
    """Return the replacement of a character, before compatibility normalization."""
    if char.isascii():
        if char in "-_'`":
            return joint
        return " " if char in "0123456789" and following in _KEYCAP else char
    category = unicodedata.category(char)
    if category[0] == "M" or category == "Cf":
        return char  # combines with the previous character, or is invisible; see _letter_mark
    if category == "Pd" or char in _JOINTS:
        return joint
    if category[0] in "LN" and char != _INFORMATION and not _MODIFIERS[0] <= char <= _MODIFIERS[1]:
        return char
    # a letter in a circle or a square, unless it is shown as an emoji
    letter = unicodedata.normalize("NFKC", char)
    return (
        letter
        if category == "So"
        and len(letter) == 1
        and letter.isalpha()
        and following != _EMOJI
        and letter.isascii()
        else " "
    )


def _letter_mark(char: str) -> str:
    category = unicodedata.category(char)
    if category == "Mc":
        return char
    return "" if category in ("Mn", "Me", "Cf") else " "


def _join_spelled_letters(words: str) -> str:
    """Join letters that are written apart, such as `s t o p`; return other texts unchanged."""
    letters = words.split()
    return (
        "".join(letters)
        if len(letters) > 1 and all(len(letter) == 1 for letter in letters)
        else words
    )


_EMOJI = "\N{VARIATION SELECTOR-16}"
_KEYCAP = (_EMOJI, "\N{COMBINING ENCLOSING KEYCAP}")
_INFORMATION = "\N{INFORMATION SOURCE}"  # Unicode calls it a letter; people see an emoji
_MODIFIERS = ("\u02b9", "\u02d1")  # the range of letters that look like apostrophes
_JOINTS = "‘’‚‛′´＇｀﹘﹣－＿‿⁀−\u02bc\u02bb"


def _all_spellings(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*map(spellings, phrases))


_POLITE_FORMS = _all_spellings(POLITE)
_REQUEST_BY_FORM = {
    form: meaning
    for meaning, phrases in (
        (Keyword.HELP, HELP + HELP_PHRASES),
        (Keyword.START, START),
        (Keyword.STOP, STOP + STOP_PHRASES),
    )
    for form in _all_spellings(phrases)
}
_MAX_PHRASE_WORDS = max(phrase.count(" ") + 1 for phrase in _POLITE_FORMS | _REQUEST_BY_FORM.keys())
