"""Redact one-time codes and card numbers in lists and logs, and secrets in responses of servers.

Logs contain no codes of short links either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from typing import Any

DOT = "•"
VISIBLE_CARD_DIGITS = 4  # as on a receipt
# 13 to 19 digits, also in groups, that are not part of a word, an ID or a phone number with a plus
_CARD = re.compile(r"(?<![\w+-])\d(?:[ .-]?\d){12,18}(?![\w-])")
# words for a one-time code or its purpose, in the languages of most messages
_CODE_WORDS = re.compile(
    r"code|codice|c[oó]digo|kode|\bkod\b|\botp\b|\bpins?\b|\btans?\b|"
    r"password|passwort|kennwort|contrase[nñ]a|mot de passe|senha|"
    r"verif|security|einmal|одноразов|код|sign(?:ing)?[ -]in\b|log(?:ging)?["
    r" -]?in\b|anmeld|验证码|驗證碼|認証|コード|인증",
    re.IGNORECASE,
)
_DIGITS = re.compile(
    r"(?<![\w+/.•-])(?:[A-Z]{1,2}-)?(\d{2}(?:[ -]\d{2}){2,3}|\d{3,4}["
    r" -]\d{3,4}|\d{4,8})(?![\w/•-]|[.:]\d)"
)
HIDDEN = DOT * 3
MIN_SECRET_LENGTH = 6  # characters; a shorter value would mask other words
# the value after a name for a secret, in JSON, a form, a header or a sentence
_NAMED_SECRET = re.compile(
    r"(\b(?:[\w-]{0,40}(?:secret|token|passwo?r?d|api[_-]?key|authorization|signature|cookie"
    r"|session|credential)[\w-]{0,20})[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}[\"'\\]{0,3}"
    r"(?:(?:bearer|basic)\s+)?|\b(?:bearer|basic)\s+)[^\s\"'\\<>&,;•]{4,}",
    re.IGNORECASE,
)
# forms of secrets: of Standard Webhooks, of common providers, and JSON Web Tokens
_KNOWN_SECRET = re.compile(
    r"\b(?:whsec_[\w+/=-]{8,}|(?:sk|pk|rk|xox[a-z]|gh[a-z]|key)[_-][\w-]{12,}"
    r"|eyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?)"
)
_EMAIL = re.compile(r"[\w.+%'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_PHONE = re.compile(r"(?:\+|\b00)[1-9](?:[ ().-]{0,2}\d){6,14}\b")
_SHORT_LINK = re.compile(r"(/l/)[^\s/?#\"'<>]+")
MAX_DISTANCE = 80  # characters between such a word and the digits


def mask(text: str) -> str:
    """Return text without the digits of one-time codes, and with only the last four of card
    numbers.

    If text mentions a code, every group of 4 to 8 digits near that word is masked, even a year.
    """
    if not any(char.isdigit() for char in text):
        return text
    text = _CARD.sub(_mask_card, text)
    word_spans = [match.span() for match in _CODE_WORDS.finditer(text)]
    if not word_spans:
        return text

    def mask_code(match: re.Match[str]) -> str:
        is_near = any(
            start - MAX_DISTANCE < match.end() and match.start() < end + MAX_DISTANCE
            for start, end in word_spans
        )
        return re.sub(r"\d", DOT, match[0]) if is_near else match[0]

    return _DIGITS.sub(mask_code, text)


def mask_response(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the response of another server without secrets, email addresses and phone numbers.

    `secrets`: values that the request contained. Codes and card numbers are also masked.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= MIN_SECRET_LENGTH:
            text = text.replace(secret, HIDDEN)
    text = _NAMED_SECRET.sub(rf"\1{HIDDEN}", text)
    text = _KNOWN_SECRET.sub(HIDDEN, text)
    return mask(_PHONE.sub(HIDDEN, _EMAIL.sub(HIDDEN, text)))


def _mask_card(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match[0])
    return f"{DOT * 4}{digits[-VISIBLE_CARD_DIGITS:]}" if _is_luhn_valid(digits) else match[0]


def _is_luhn_valid(digits: str) -> bool:
    """Return whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    doubled = (int(digit) * (1 + position % 2) for position, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def mask_log_event(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask all strings in a log entry, because a provider's error message may contain a code."""
    for name, value in event.items():
        if isinstance(value, str) and name != "timestamp":
            event[name] = mask(_SHORT_LINK.sub(rf"\1{DOT * 4}", value))
    return event
