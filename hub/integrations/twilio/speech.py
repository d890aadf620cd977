"""Write the TwiML of calls: the name of the caller, the text, and the keys.

https://www.twilio.com/docs/voice/twiml/say and https://www.twilio.com/docs/voice/twiml/gather
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from twilio.twiml.voice_response import Gather, VoiceResponse

from hub.integrations.api import readable, shorten, utf16_length

AGAIN = "1"
STOP = "9"
MAX_READINGS = 3  # of one text in one call
MAX_TWIML = 4000  # characters of the parameter Twiml
# of a text as `spoken_length` counts it: <Say> takes 4,500 URL-encoded characters, and the TwiML
# also contains the other sentences and the URL of the keys
MAX_TEXT = 2400
MAX_CALLER = 60  # characters of the name that a call says first
KEY_SECONDS = 8  # for which a call waits for a key
CHARACTERS_PER_SECOND = 12  # of slow speech
MENU_SECONDS = 25  # of the greeting, the menu and the wait for a key
NATURAL = "natural"
BASIC = "basic"
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_SHORT_LINK = re.compile(r"\b[\w-]+(?:\.[\w-]+)+/\S*")
# controls, surrogates, private and unassigned characters, and symbols such as emoji
_SILENT = ("Cc", "Cf", "Cs", "Co", "Cn", "So", "Sk")
_SENTENCE_END = re.compile(r"[:;,\-–—]+\s*$")


def spoken_text(text: str) -> str:
    """Return the part of a text that a voice can read: one line without links and emoji.

    A link is never read aloud: nobody can write it down, and others may hear it.
    """
    line = _SHORT_LINK.sub(" ", _LINK.sub(" ", readable(text)))
    kept = "".join(
        " " if char.isspace() or unicodedata.category(char) in _SILENT else char for char in line
    )
    joined = re.sub(r"\s+([.,;:!?])", r"\1", " ".join(kept.split()))
    return _SENTENCE_END.sub(".", joined).strip()


def spoken_length(text: str) -> int:
    """Return the length of a text in the unit that is scarcer: URL-encoded or in XML."""
    spoken = spoken_text(text)
    return max(len(quote(spoken)), utf16_length(escape(spoken)))


def call_minutes(text: str) -> int:
    """Return the minutes that a call costs at most: each reading, and a key before the next."""
    reading = len(text) / CHARACTERS_PER_SECOND + MENU_SECONDS
    return max(1, -int(-reading * MAX_READINGS // 60))


@dataclass(frozen=True)
class Speech:
    """The sentences of calls of one connection, in one language."""

    caller: str
    locale: str
    voices: str = NATURAL

    def first_reading(self, text: str, key_url: str) -> str:
        """Return the TwiML of a new call. Without `key_url`, the call reads the text once."""
        return self._reading([self._phrase("greeting"), text], key_url, is_last=False)

    def next_reading(self, text: str, key_url: str, *, is_last: bool) -> str:
        """Return the TwiML that reads the text again."""
        return self._reading([text], key_url, is_last=is_last)

    def confirmed(self) -> str:
        """Return the TwiML after a key that confirms the call."""
        return self._farewell("confirmed")

    def stopped(self) -> str:
        """Return the TwiML after the key that opts out."""
        return self._farewell("stopped")

    def called_back(self, key_url: str) -> str:
        """Return the TwiML for a caller of the number. No `key_url`: the caller's is withheld."""
        menu = self._phrase("callback_menu" if key_url else "callback_withheld")
        return self._respond([self._phrase("callback"), menu], key_url)

    def ended(self) -> str:
        """Return the TwiML if no key was pressed."""
        return self._farewell("goodbye")

    def _reading(self, sentences: Sequence[str], key_url: str, *, is_last: bool) -> str:
        menu = self._phrase("last_menu" if is_last else "menu") if key_url else ""
        twiml = self._respond([*sentences, menu], key_url)
        if (surplus := utf16_length(twiml) - MAX_TWIML) <= 0:
            return twiml
        *before, text = sentences  # a long URL of the hub leaves less room for the text
        shorter = shorten(text, max(len(text) - surplus - 1, 0))
        return self._reading([*before, shorter], key_url, is_last=is_last) if text else twiml

    def _respond(self, sentences: Sequence[str], key_url: str) -> str:
        response = VoiceResponse()
        spoken = response
        if key_url:
            spoken = Gather(
                action=key_url,
                method="POST",
                input="dtmf",
                num_digits=1,
                finish_on_key="",  # or # would end the call, and Twilio would report no key
                timeout=KEY_SECONDS,
            )
        spoken.pause(length=1)  # people need a moment before they listen
        for sentence in sentences:
            self._say(spoken, sentence)
        if key_url:
            response.append(spoken)
        self._say(response, self._phrase("goodbye"))
        return _write(response)

    def _farewell(self, name: str) -> str:
        response = VoiceResponse()
        self._say(response, self._phrase(name))
        response.hangup()
        return _write(response)

    def _say(self, element: VoiceResponse | Gather, sentence: str) -> None:
        if spoken := spoken_text(sentence):
            voice, language = find_voice(self.locale, self.voices)
            element.say(spoken, voice=voice, language=language)

    def _phrase(self, name: str) -> str:
        caller = spoken_text(self.caller)[:MAX_CALLER]
        return phrases(self.locale)[name].replace("{caller}", caller)


def _write(response: VoiceResponse) -> str:
    # as text, because the escapes of other encodings would use up the limit
    return ElementTree.tostring(response.xml(), encoding="unicode")


def find_voice(locale: str, kind: str = NATURAL) -> tuple[str, str]:
    """Return the voice for a language, and the language as Twilio knows it.

    A language without a voice of this kind gets a basic one, and any other the English one.
    """
    tables = _voices()
    tags = _tags(locale)
    for table in (tables[kind], tables[BASIC], tables[NATURAL]):
        for tag in tags:
            if tag in table:
                voice, language = table[tag]
                return voice, language
    voice, language = tables[kind]["en"]
    return voice, language


def phrases(locale: str) -> Mapping[str, str]:
    """Return the sentences of calls in a language, or in English."""
    known: Mapping[str, str] = _phrases().get(_tags(locale)[-1], _phrases()["en"])
    return known


def _tags(locale: str) -> list[str]:
    """Return the names of a locale, the longest first: pt-br, pt."""
    parts = locale.replace("_", "-").lower().split("-")
    return ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]


@cache
def _voices() -> dict[str, dict[str, Any]]:
    return _read("voices.toml")


@cache
def _phrases() -> dict[str, dict[str, Any]]:
    return _read("call_phrases.toml")


def _read(name: str) -> dict[str, dict[str, Any]]:
    return tomllib.loads(files(__package__).joinpath(name).read_text("utf-8"))
