"""Find the characters that make an SMS more expensive, and replace them by similar ones.

One character outside GSM 03.38 halves the characters of each segment.
https://www.3gpp.org/dynareport/23038.htm
"""

from __future__ import annotations

import unicodedata

from hub.lib.text import is_gsm_text

# typographic signs, and letters that do not consist of a letter and a mark
REPLACEMENTS = {
    "‘": "'",
    "’": "'",
    "‚": "'",
    "`": "'",
    "´": "'",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "‹": "'",
    "›": "'",
    "–": "-",
    "—": "-",
    "‑": "-",
    "…": "...",
    "•": "*",
    "·": "-",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "\t": " ",
    "ł": "l",
    "Ł": "L",
    "đ": "d",
    "Đ": "D",
    "œ": "oe",
    "Œ": "OE",
    "ı": "i",
}


def costly_characters(text: str) -> dict[str, str]:
    """Return each character of a text that GSM 03.38 lacks, with its replacement or ''."""
    return {char: _replacement(char) for char in dict.fromkeys(text) if not is_gsm_text(char)}


def replace_costly_characters(text: str) -> str:
    """Return a text with similar characters of GSM 03.38, where there are any."""
    replacements = costly_characters(text)
    return "".join(replacements.get(char) or char for char in text)


def _replacement(char: str) -> str:
    if char in REPLACEMENTS:
        return REPLACEMENTS[char]
    base = "".join(
        part for part in unicodedata.normalize("NFKD", char) if not unicodedata.combining(part)
    )
    return base if base != char and base and is_gsm_text(base) else ""
