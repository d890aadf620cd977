"""Words with which people say whether they want messages: the whole message is one of them, or it is none."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import StrEnum

# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out
STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT")
START = ("START", "UNSTOP", "YES", "SUBSCRIBE")
HELP = ("HELP", "INFO")
LONGEST = 40  # characters: what is longer says more than a word


class Keyword(StrEnum):
    """What a word asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"


def fold(text: str) -> str:
    """Return a text as keywords are compared: without case, accents, full-width forms, and outer blanks or unseen characters."""
    wide = unicodedata.normalize("NFKD", text).casefold()
    plain = unicodedata.normalize("NFKD", wide)
    return "".join(one for one in plain if unicodedata.category(one) not in ("Mn", "Cf")).strip()


_WORDS = {fold(word): keyword for keyword, words in ((Keyword.STOP, STOP), (Keyword.START, START), (Keyword.HELP, HELP)) for word in words}


def keyword(text: str, stop: Iterable[str] = (), start: Iterable[str] = (), help_: Iterable[str] = ()) -> Keyword | None:
    """Return what a message asks for, or None when it is no keyword. `stop`, `start` and `help_` are more words, folded."""
    if len(text) > 4 * LONGEST or len(word := fold(text)) > LONGEST:
        return None
    if word in stop:
        return Keyword.STOP
    if word in start:
        return Keyword.START
    return Keyword.HELP if word in help_ else _WORDS.get(word)
