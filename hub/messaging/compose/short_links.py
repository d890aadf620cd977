"""Put short links into the texts of SMS, in place of the links of signing apps.

A link belongs to one person and one message. Its code is only in the text of the message.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import bindparam, select, update

from hub.core.bind_address import is_loopback
from hub.core.config import Config
from hub.core.vocabulary import Channel
from hub.db.compiled_sql import get_table
from hub.db.encrypted_fields import LINK_URL
from hub.db.engine import db
from hub.db.types import keyring, new_id, now
from hub.integrations.link_shorteners import SHORTENERS
from hub.lib import short_codes
from hub.messaging.policy.policy import get_rules
from hub.messaging.policy.rules import LONG_LINKS
from hub.models import ConnectionInfo, Link, Message

SHORTENED = ("link", "download_link")  # the values of texts
PATH = "/l/"
WAIT = timedelta(seconds=5)  # the longest time that a message waits for a service
_URL = re.compile(rf"https?://[^\s/]+{PATH}([0-9A-Za-z]{{{short_codes.LENGTH}}})(?![0-9A-Za-z])")
_links = get_table(Link)


@dataclass(frozen=True)
class ShortLink:
    """A short link in a text: its URL, the digest of its code, and the URL that it stands for."""

    url: str
    digest: bytes
    target: str
    shortener: str = ""  # the service that shortens it further, before the message is sent


def shorten_values(
    connection: ConnectionInfo,
    names: Collection[str],
    values: Mapping[str, Any],
    *,
    is_preview: bool = False,
) -> list[tuple[str, ShortLink]]:
    """Return a short link for each link among the values that a text of a connection names.

    A preview has the code of an example, which opens nothing.
    """
    if not uses_short_links(connection):
        return []
    return [
        (name, _new_link(str(values[name]), _shortener_of(connection), is_preview=is_preview))
        for name in SHORTENED
        if name in names and values.get(name)
    ]


def uses_short_links(connection: ConnectionInfo) -> bool:
    """Return whether the texts of a connection contain short links.

    Phones cannot open a link to this machine, so a live connection of a hub without a public URL
    sends the links of the signing app.
    """
    if connection.channel != Channel.SMS or get_rules(connection).short_links == LONG_LINKS:
        return False
    return connection.test or not _is_local(_config().link_url)


@lru_cache(maxsize=16)
def _is_local(url: str) -> bool:
    """Return whether only this machine can open a URL."""
    return is_loopback(urlsplit(url).hostname or "")


def example_link() -> str:
    """Return a short link as texts show it, with a code that opens nothing."""
    return f"{_config().link_url}{PATH}{short_codes.SAMPLE}"


def _shortener_of(connection: ConnectionInfo) -> str:
    kind = get_rules(connection).short_links
    return kind if kind in SHORTENERS else ""


def _new_link(target: str, shortener: str, *, is_preview: bool) -> ShortLink:
    code = short_codes.SAMPLE if is_preview else short_codes.new_code()
    return ShortLink(
        f"{_config().link_url}{PATH}{code}", short_codes.digest_of(code), target, shortener
    )


class LinkedDraft(Protocol):
    """The parts of a draft of a message that the rows of its links need."""

    @property
    def links(self) -> Sequence[ShortLink]: ...
    @property
    def signer_id(self) -> str | None: ...
    @property
    def link_expires_at(self) -> datetime | None: ...


def build_rows(
    drafts: Sequence[LinkedDraft], messages: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the rows of the links in drafts, for the rows of their messages."""
    return [
        _build_row(link, draft, message)
        for draft, message in zip(drafts, messages, strict=True)
        for link in draft.links
    ]


def _build_row(link: ShortLink, draft: LinkedDraft, message: Mapping[str, Any]) -> dict[str, Any]:
    row_id = new_id("lnk")
    return {
        "id": row_id,
        "digest": link.digest,
        "signer_id": draft.signer_id,
        "message_id": message["id"],
        "url": keyring().seal_json(LINK_URL, row_id.partition("_")[2], link.target),
        "created_at": message["changed_at"],
        "expires_at": draft.link_expires_at,
        "opens": 0,
        "shortener": link.shortener,
    }


def find_links(text: str) -> list[tuple[str, str]]:
    """Return the short links in a text, each with its code."""
    return [(match[0], match[1]) for match in _URL.finditer(text)]


def waits_until(draft: LinkedDraft, current_time: datetime) -> datetime | None:
    """Return until when a message waits for a service that shortens its links, or None."""
    is_waiting = any(link.shortener for link in draft.links)
    return current_time + WAIT if is_waiting else None


def end_links(request_id: str, *, signer_ids: Collection[str] | None = None) -> None:
    """End the links of a request at once, inside a transaction. `signer_ids`: by default, all."""
    query = (
        select(Link.id)
        .join(Message, Message.id == Link.message_id)
        .where(Message.request_id == request_id, Link.ended_at.is_(None))
    )
    if signer_ids is not None:
        query = query.where(Link.signer_id.in_(signer_ids))
    end_by_ids(list(db.session.scalars(query)))


def end_by_ids(link_ids: Sequence[str]) -> None:
    """End links and delete their targets. When and how often they were opened stays."""
    if not link_ids:
        return
    rows = [
        {
            "link": link_id,
            "at": now(),
            "nothing": keyring().seal_json(LINK_URL, link_id.partition("_")[2], ""),
        }
        for link_id in link_ids
    ]
    db.session.connection().execute(_END, rows)


_END = (
    update(_links)
    .where(_links.c.id == bindparam("link"))
    .values(ended_at=bindparam("at"), url=bindparam("nothing"))
)


def _config() -> Config:
    config: Config = current_app.extensions["hub.config"]
    return config
