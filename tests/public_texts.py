"""Find English words in what people read in another language."""

from __future__ import annotations

import html
import re

# words that no sentence in the other five languages contains
ENGLISH_WORDS = re.compile(
    r"\b(the|this|that|your|you|and|been|have|has|please|with|not|from|for|again|of|is|are|"
    r"reply|signed|link|click|button|message|messages|everyone|somebody|untitled|reminder)\b",
    re.IGNORECASE,
)
# these are also words of another language
SHARED_WORDS = {
    "de": {"link", "not"},
    "pl": {"link", "not"},
    "pt-BR": {"link"},
    "fr": {"message", "messages", "not"},
    "es": {"has"},
}


def find_english(text: str, locale: str) -> set[str]:
    """Return the English words of a text, without addresses and placeholders."""
    shown = re.sub(r"https?://\S+|\S+@\S+|\(\([^:)]*(?=[:)])", " ", text)
    found = {match[0].lower() for match in ENGLISH_WORDS.finditer(shown)}
    return found - SHARED_WORDS[locale]


def visible_text(page: str) -> str:
    """Return the text of an HTML page, with its title and the labels of its parts."""
    labels = " ".join(re.findall(r'(?:aria-label|alt|placeholder|title|value)="([^"]*)"', page))
    body = re.sub(r"<(style|script)\b.*?</\1>|<!--.*?-->", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", body) + labels.replace("One-Click", ""))
