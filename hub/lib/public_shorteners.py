"""Find links of public URL shorteners, which carriers filter in SMS.

Providers report filtered messages with the code 30007. They refuse US campaigns whose samples
contain such links with the code 30963.
"""

from __future__ import annotations

import re

DOMAINS = (
    "bit.ly",
    "buff.ly",
    "cutt.ly",
    "goo.gl",
    "is.gd",
    "j.mp",
    "ow.ly",
    "rb.gy",
    "rebrand.ly",
    "short.io",
    "shorturl.at",
    "t.co",
    "t.ly",
    "tiny.cc",
    "tinyurl.com",
    "v.gd",
)
_PATTERN = re.compile(
    rf"(?<![\w.@-])(?:[a-z0-9-]+\.)*({'|'.join(map(re.escape, DOMAINS))})(?![\w-]|\.\w)",
    re.IGNORECASE,
)


def find_public_shorteners(text: str) -> list[str]:
    """Return the domains of public shorteners in a text, each once, in their order."""
    return list(dict.fromkeys(match[1].lower() for match in _PATTERN.finditer(text)))


def is_public_shortener(domain: str) -> bool:
    """Return whether a domain belongs to a public shortener, also with a subdomain."""
    return bool(find_public_shorteners(domain.strip()))
