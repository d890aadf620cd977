"""Redact one-time codes and card numbers from lists and logs."""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

DOT = "•"
SHOWN_OF_A_CARD = 4  # digits, as on a receipt
# 13 to 19 digits, alone or in groups, that are no part of a longer word, of an id, or of a phone
# number with its plus
_CARD = re.compile(r"(?<![\w+-])\d(?:[ .-]?\d){12,18}(?![\w-])")
# what a message calls a one-time code, or what it is for, in the languages of most of them
_CALLED = re.compile(
    r"code|codice|c[oó]digo|kode|\bkod\b|\botp\b|\bpins?\b|\btans?\b|password|passwort|kennwort|contrase[nñ]a|mot"
    r" de passe|senha|"
    r"verif|security|einmal|одноразов|код|sign(?:ing)?[ -]in\b|log(?:ging)?["
    r" -]?in\b|anmeld|验证码|驗證碼|認証|コード|인증",
    re.IGNORECASE,
)
_DIGITS = re.compile(
    r"(?<![\w+/.•-])(?:[A-Z]{1,2}-)?(\d{2}(?:[ -]\d{2}){2,3}|\d{3,4}["
    r" -]\d{3,4}|\d{4,8})(?![\w/•-]|[.:]\d)"
)
NEAR = 80  # characters between the two


def mask(text: str) -> str:
    """Return a text without the digits of one-time codes, and with no more than the last four of a
    card's number.

    Of a text that names a code, every group of 4 to 8 digits near that name is left out: rather a
    year too many.
    """
    if not any(char.isdigit() for char in text):
        return text
    text = _CARD.sub(_card, text)
    named = [found.span() for found in _CALLED.finditer(text)]
    if not named:
        return text

    def code(found: re.Match[str]) -> str:
        near = any(
            start - NEAR < found.end() and found.start() < end + NEAR for start, end in named
        )
        return re.sub(r"\d", DOT, found[0]) if near else found[0]

    return _DIGITS.sub(code, text)


def _card(found: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", found[0])
    return f"{DOT * 4}{digits[-SHOWN_OF_A_CARD:]}" if _luhn(digits) else found[0]


def _luhn(digits: str) -> bool:
    """Tell whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return sum(one - 9 if one > 9 else one for one in doubled) % 10 == 0


def in_log(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask every text of a line of the log: no line is meant to hold one, and a provider's words
    might.
    """
    for name, value in event.items():
        if isinstance(value, str) and name != "timestamp":
            event[name] = mask(value)
    return event
