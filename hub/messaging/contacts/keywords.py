"""Texts that opt somebody out or in, or ask for help. docs/opt-outs.md describes the grammar for
admins.

A text is read as its words alone: case, accents, punctuation, emoji and blanks make no difference.
It opts out when nothing is left but opt-out phrases and polite words. An opt-in is read more
strictly, since a wrong one sends to somebody who opted out.
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
# what people write instead of one of these words; "OPT OUT" also stands for "OPT-OUT" and "OPTOUT"
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
LONGEST = 40  # characters of a keyword
LONGEST_TEXT = 10_000  # characters; no channel takes more


class Keyword(StrEnum):
    """The request that a text makes."""

    STOP = "stop"
    START = "start"
    HELP = "help"


def fold_text(text: str) -> str:
    """Return the words of a text, with a blank between them, without case and accents; hyphens and
    apostrophes part words.
    """
    return _words(text, " ")


@lru_cache(maxsize=1024)
def spellings(phrase: str) -> frozenset[str]:
    """Return every form in which a phrase is known: `opt out` also as `optout`; empty when it holds
    no letter or digit.
    """
    return frozenset(
        filter(None, (fold_text(phrase), _words(phrase, ""), fold_text(phrase).replace(" ", "")))
    )


def keyword_of(
    text: str, stop: Collection[str] = (), start: Collection[str] = (), help_: Collection[str] = ()
) -> Keyword | None:
    """Return the request that a text makes, or None.

    `stop`, `start` and `help_` are the `forms` of further phrases.
    """
    if len(text) > LONGEST_TEXT:
        return None
    own = {Keyword.HELP: help_, Keyword.START: start, Keyword.STOP: stop}
    for words in dict.fromkeys((fold_text(text), _words(text, ""), _spelled(fold_text(text)))):
        found = _request(words.split(), own)
        if found is not None and (found != Keyword.START or _plain(text, start)):
            return found
    return None


def _request(words: list[str], own: Mapping[Keyword, Collection[str]]) -> Keyword | None:
    """Return the one request that the words make; None when one of them is no part of it, or they
    ask for two things.
    """
    longest = max(
        (phrase.count(" ") + 1 for phrases in own.values() for phrase in phrases), default=1
    )
    found: set[Keyword] = set()
    at = 0
    while at < len(words):
        for length in range(min(max(longest, _MOST_WORDS), len(words) - at), 0, -1):
            phrase = " ".join(words[at : at + length])
            meaning = _meaning(phrase, own)
            if meaning is not None:
                found.add(meaning)
            if meaning is not None or phrase in _POLITE:
                at += length
                break
        else:
            return None
    return found.pop() if len(found) == 1 else None


def _meaning(phrase: str, own: Mapping[Keyword, Collection[str]]) -> Keyword | None:
    for meaning in (Keyword.STOP, Keyword.START, Keyword.HELP):
        if phrase in own[meaning]:
            return meaning
    return _SHIPPED.get(phrase)


def _plain(text: str, start: Collection[str]) -> bool:
    """Tell whether a text is one opt-in word, with nothing around it but blanks, quotation marks,
    full stops and `!`.
    """
    kept = unicodedata.normalize(
        "NFKC", "".join(one for one in text if unicodedata.category(one) not in ("Cf", "Mn"))
    )
    bare = kept.strip().strip(AROUND_START).strip()
    inner = "".join(
        one for one in unicodedata.normalize("NFD", bare) if unicodedata.category(one) != "Mn"
    )
    if not (inner[:1].isalnum() and inner[-1:].isalnum()):
        return False
    if any(unicodedata.category(one)[0] not in "LNM" for one in inner if one not in " -'’"):
        return False
    return fold_text(bare) in start or _SHIPPED.get(fold_text(bare)) == Keyword.START


AROUND_START = "\"'“”„‟‘’‚‛«»‹›「」『』.!。！¡…` \t\r\n"


# ── Words of a text ───────────────────────────────────────────────────────────────────────────────
def _words(text: str, joint: str) -> str:
    """Return the words of a text; `joint` takes the place of hyphens and apostrophes, which part
    words or do not.
    """
    kept = "".join(_kept(one, text[at + 1 : at + 2], joint) for at, one in enumerate(text))
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", kept).casefold())
    letters = (one if unicodedata.category(one)[0] in "LN" else _mark(one) for one in plain)
    return " ".join("".join(letters).split())


def _kept(one: str, following: str, joint: str) -> str:
    """Return the text to read in place of a character, before its compatibility form is taken."""
    if one.isascii():
        if one in "-_'`":
            return joint
        return " " if one in "0123456789" and following in _KEYCAP else one
    category = unicodedata.category(one)
    if category[0] == "M" or category == "Cf":
        return one  # part of the character before it, or unseen; see _mark
    if category == "Pd" or one in _JOINTS:
        return joint
    if category[0] in "LN" and one != _INFORMATION and not _MODIFIERS[0] <= one <= _MODIFIERS[1]:
        return one
    # a letter in a circle or a square, unless it is shown as an emoji
    letter = unicodedata.normalize("NFKC", one)
    return (
        letter
        if category == "So"
        and len(letter) == 1
        and letter.isalpha()
        and following != _EMOJI
        and letter.isascii()
        else " "
    )


def _mark(one: str) -> str:
    category = unicodedata.category(one)
    if category == "Mc":
        return one
    return "" if category in ("Mn", "Me", "Cf") else " "


def _spelled(words: str) -> str:
    """Join letters that stand alone: `s t o p`."""
    letters = words.split()
    return "".join(letters) if len(letters) > 1 and all(len(one) == 1 for one in letters) else words


_EMOJI = "\N{VARIATION SELECTOR-16}"
_KEYCAP = (_EMOJI, "\N{COMBINING ENCLOSING KEYCAP}")
_INFORMATION = "\N{INFORMATION SOURCE}"  # a letter to Unicode, an emoji to people
_MODIFIERS = ("\u02b9", "\u02d1")  # letters that look like apostrophes and the like
_JOINTS = "‘’‚‛′´＇｀﹘﹣－＿‿⁀−\u02bc\u02bb"


def _every_form(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset().union(*map(spellings, phrases))


_POLITE = _every_form(POLITE)
_SHIPPED = {
    form: meaning
    for meaning, phrases in (
        (Keyword.HELP, HELP + HELP_PHRASES),
        (Keyword.START, START),
        (Keyword.STOP, STOP + STOP_PHRASES),
    )
    for form in _every_form(phrases)
}
_MOST_WORDS = max(phrase.count(" ") + 1 for phrase in _POLITE | _SHIPPED.keys())
