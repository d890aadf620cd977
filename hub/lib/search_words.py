"""Split texts into the words that a search finds them by.

Case, accents and the width of letters make no difference. Words are found by their beginnings.
Where a script writes no spaces between words, text is found by any part of it.
https://www.unicode.org/reports/tr15/
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

MAX_WORD = 32  # characters of a word that count
MAX_WORDS = 100  # of one text
MAX_PREFIX = 16  # characters of a beginning that are distinguished
WHOLE = "#"  # begins a word that is found only as a whole; no text contains such a word

# letters that Unicode does not decompose
_LETTERS = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "ı": "i",
        "æ": "ae",
        "œ": "oe",
        "þ": "th",
        "ħ": "h",
        "ŧ": "t",
        "ŋ": "n",
        "ĸ": "k",
        "ʼ": "'",
        "’": "'",
        "‘": "'",
        "ʻ": "'",
        "`": "'",
        "´": "'",
        "\u0640": None,  # the Arabic letter that only stretches a word
    }
)
# marks that distinguish letters: dots below, voiced sounds, and signs for a missing vowel
_KEPT_MARKS = (0, 7, 8, 9)
# scripts without spaces between words, and Korean, whose names are searched by syllable
_DENSE = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_RUNS = re.compile(f"[{_DENSE}]+|[^{_DENSE}]+")
_IS_DENSE = re.compile(f"[{_DENSE}]")


def index_words(text: str) -> list[str]:
    """Return the words under which a text is found, each once."""
    words: dict[str, None] = {}
    for run in _split(text):
        for word in _forms(run):
            words[word[:MAX_WORD]] = None
            if len(words) == MAX_WORDS:
                return list(words)
    return list(words)


def query_terms(query: str) -> list[str]:
    """Return the beginnings of words that a text must have all of, each once."""
    terms = (run.replace("'", "")[:MAX_PREFIX] for run in _split(query))
    return list(dict.fromkeys(term for term in terms if term))[:MAX_WORDS]


def matched_terms(terms: Collection[str], text: str) -> set[str]:
    """Return the terms of a query that a text has."""
    words = index_words(text)
    return {term for term in terms if any(word.startswith(term) for word in words)}


def prefixes(word: str) -> list[str]:
    """Return the beginnings by which a word is found, the shortest first."""
    if word.startswith(WHOLE):
        return [word]
    return [word[:length] for length in range(1, min(len(word), MAX_PREFIX) + 1)]


def fold(text: str) -> str:
    """Return text in one form for all ways to write it: without accents, case and width."""
    storable = text.encode("utf-8", "replace").decode()  # a lone surrogate belongs to no letter
    decomposed = unicodedata.normalize("NFKD", storable).casefold().translate(_LETTERS)
    bare = "".join(char for char in decomposed if unicodedata.combining(char) in _KEPT_MARKS)
    return unicodedata.normalize("NFKC", bare).casefold()


def _split(text: str) -> Iterator[str]:
    """Yield the words of a text as they are written, with apostrophes, and runs of dense script."""
    for part in "".join(map(_separated, fold(text))).split():
        for run in _RUNS.findall(part):
            if word := run.strip("'"):
                yield word


def _separated(char: str) -> str:
    """Return a letter, a mark or a digit in its plain form, and a space for any other character."""
    if char.isdecimal():
        return str(unicodedata.decimal(char))
    is_part_of_word = unicodedata.category(char)[0] in "LNM" or char == "'"
    return char if is_part_of_word else " "


def _forms(run: str) -> Iterator[str]:
    """Yield the words to find a run by: every end of a dense run, and the parts of O'Brien."""
    if _IS_DENSE.match(run):
        yield from (run[start:] for start in range(len(run)))
        return
    yield run.replace("'", "")
    if "'" in run:
        yield from (part for part in run.split("'") if len(part) > 1)
