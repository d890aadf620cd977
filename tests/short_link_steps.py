"""Read texts with short links, and send texts with the long links of the signing app."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from http.client import HTTPConnection
from urllib.parse import urlsplit

from sqlalchemy import select

from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.db.store import transaction
from hub.lib import short_codes
from hub.messaging.policy.policy import get_rules
from hub.messaging.policy.rules import LONG_LINKS
from hub.models import Connection, Link

PHONE = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/126.0.0.0 Mobile Safari/537.36"
)
SHORT_LINK = re.compile(r"https?://[^/\s]+/l/([0-9A-Za-z]{11})(?![0-9A-Za-z])")


def with_targets(text: str) -> str:
    """Return a text with the targets of its short links in their place."""
    return expand(text, _read_target)


def expand(text: str, target_of: Callable[[str], str]) -> str:
    """Return a text with each short link replaced. `target_of` gets the whole link."""
    return SHORT_LINK.sub(lambda match: target_of(match[0]), text)


def _read_target(url: str) -> str:
    digest = short_codes.digest_of(url.rpartition("/")[2])
    return str(db.session.scalars(select(Link).where(Link.digest == digest)).one().url)


def follow(url: str) -> str:
    """Open a short link of a running hub as a person, and return where it redirects to."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", parts.path, headers={"User-Agent": PHONE})
    answer = connection.getresponse()
    assert answer.status == 302, answer.read()
    connection.close()
    return str(answer.headers["Location"])


@transaction
def send_long_links() -> None:
    """Let every connection for SMS send the links of the signing app."""
    for row in db.session.scalars(select(Connection).where(Connection.channel == Channel.SMS)):
        row.rules = replace(get_rules(row.info), short_links=LONG_LINKS).to_json()
