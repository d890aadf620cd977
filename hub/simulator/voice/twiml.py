"""Read TwiML as a call performs it: its sentences, and the key that it waits for."""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.etree import ElementTree


@dataclass(frozen=True)
class Spoken:
    """Part of a call: its sentences, and the URL of a key, or '' if the call ends afterwards."""

    lines: list[tuple[str, str]] = field(default_factory=list)  # the language and the sentence
    action: str = ""
    after: list[tuple[str, str]] = field(default_factory=list)  # said if no key is pressed
    end_key: str = ""  # ends the entry of keys, and is not reported


def read_twiml(document: str | bytes) -> Spoken | None:
    """Return what TwiML says, or None if it is not valid: Twilio reports 12100 then."""
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 - the hub's own
    except ElementTree.ParseError:
        return None
    if root.tag != "Response":
        return None
    lines: list[tuple[str, str]] = []
    after: list[tuple[str, str]] = []
    action = end_key = ""
    for verb in root:
        if verb.tag == "Gather" and not action:
            action = verb.get("action", "")
            end_key = verb.get("finishOnKey", "#")
            lines += _sentences(verb)
        elif verb.tag == "Say":
            (after if action else lines).append(_sentence(verb))
        elif verb.tag == "Hangup":
            break
    return Spoken(lines, action, after, end_key)


def _sentences(verb: ElementTree.Element) -> list[tuple[str, str]]:
    return [_sentence(nested) for nested in verb if nested.tag == "Say"]


def _sentence(verb: ElementTree.Element) -> tuple[str, str]:
    return verb.get("language", "en-US"), " ".join("".join(verb.itertext()).split())
