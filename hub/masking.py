"""What must not stand in lists and logs: one-time codes and the numbers of cards."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

DOT = "•"
SHOWN_OF_A_CARD = 4  # digits, as on a receipt
# 13 to 19 digits, alone or in groups, that are no part of a longer word, of an id, or of a phone number with its plus
_CARD = re.compile(r"(?<![\w+-])\d(?:[ -]?\d){12,18}(?![\w-])")
# what a message calls a one-time code, in the languages of most of them
_CALLED = (
    r"\b(?:codes?|codice|c[oó]digo|kode|koden|kod|otp|pin|tan|tans|passcode|password|passwort|kennwort|contrase[nñ]a|mot de passe|"
    r"senha|verification|verify|verifizierung|best[aä]tigungscode|sicherheitscode|security|einmal\w*|одноразов\w*|код\w*)\b|"
    r"验证码|驗證碼|認証|コード|인증"
)
_DIGITS = r"(?<![\w+/.•-])(?:[A-Z]{1,2}-)?(\d{4,8}|\d{3}[ -]\d{3,4}|\d{2}[ -]\d{2}[ -]\d{2})(?![\w/-])"
# the digits stand in the sentence that names them, or next to it
_AFTER = re.compile(rf"(?:{_CALLED})[^\n\d]{{0,40}}{_DIGITS}", re.IGNORECASE)
_BEFORE = re.compile(rf"{_DIGITS}[^\n\d]{{0,30}}(?:{_CALLED})", re.IGNORECASE)


def masked(text: str) -> str:
    """Return a text without the digits of one-time codes, and with no more than the last four of a card's number."""
    if not any(char.isdigit() for char in text):
        return text
    text = _CARD.sub(_card, text)
    for pattern in (_AFTER, _BEFORE):
        text = pattern.sub(_code, text)
    return text


def _card(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    return f"{DOT * 4}{digits[-SHOWN_OF_A_CARD:]}" if _luhn(digits) else found[0]


def _code(found: re.Match[str]) -> str:
    start, end = (position - found.start() for position in found.span(1))
    return found[0][:start] + re.sub(r"\d", DOT, found[0][start:end]) + found[0][end:]


def _luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0


def in_log(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every text of a line of the log: no line is meant to hold one, and a provider's words might."""
    for name, value in event.items():
        if isinstance(value, str) and name != "timestamp":
            event[name] = masked(value)
    return event
