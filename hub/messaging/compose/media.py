"""Files attached to messages: uploaded to the hub, kept sealed, lent to a provider for a
quarter of an hour, removed.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

from flask import current_app
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer
from sqlalchemy import delete, select

from hub import integrations
from hub.core.bind_address import is_loopback
from hub.core.config import Config
from hub.core.errors import NotFound, Refused
from hub.db.encrypted_fields import MEDIA_CONTENT
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, keyring, new_id, now
from hub.integrations.base import Integration
from hub.lib import times
from hub.lib.provider_http import host_port
from hub.lib.text import web_address
from hub.models import MediaFile
from hub.shared import clock_check

LENT_FOR = 900  # seconds that a link lives
FORGET_AT_ONCE = 100
LONGEST_ADDRESS = 2000  # characters
NAME = re.compile(r"[^\w.() -]+")


@dataclass(frozen=True)
class StoredFile:
    """A file that the hub has."""

    id: str
    name: str
    content_type: str
    size: int
    expires_at: datetime


# ── Given to us ───────────────────────────────────────────────────────────────────────────────────
def largest_file() -> int:
    """Return how many bytes a file may have at most."""
    return _settings().media_limit


def type_of(name: str, declared: str) -> str:
    """Return the content type of a file, by what is declared, else by its name."""
    said = declared.partition(";")[0].strip().lower()
    return (
        said
        if said not in ("", "application/octet-stream")
        else (mimetypes.guess_type(name)[0] or "application/octet-stream")
    )


def store_file(
    name: str, declared: str, content: bytes, *, source_id: str | None, test: bool
) -> StoredFile:
    """Seal a file and keep it for the days of HUB_MEDIA_DAYS.

    Raises Refused: empty, too large, or of a type nobody passes on.
    """
    content_type = type_of(name, declared)
    name = _file_name(name)
    if not content:
        raise Refused("empty_file", "The file is empty.", field="file")
    most = _limit(passed_on_files().get(content_type, 0), content_type)
    if not most:
        raise Refused(
            "media_type",
            f"No channel supports {content_type}. Send one of"
            f" {', '.join(sorted(passed_on_files()))}.",
            field="file",
        )
    if len(content) > most:
        raise Refused("media_too_large", too_large(content_type, most), field="file")
    return _keep(name, content_type, content, source_id, test)


def _file_name(given: str) -> str:
    """Return the last part of a file's name, of characters that an address can end in."""
    last = given.replace("\\", "/").rpartition("/")[2]
    return NAME.sub("_", last)[-100:].strip(" .") or "file"


@transaction
def _keep(
    name: str, content_type: str, content: bytes, source_id: str | None, test: bool
) -> StoredFile:
    file_id = new_id("med")
    row = MediaFile(
        id=file_id,
        source_id=source_id,
        test=test,
        name=name,
        content_type=content_type,
        size=len(content),
        content=keyring().seal(MEDIA_CONTENT, file_id.partition("_")[2], content),
        expires_at=now() + times.days(_settings().media_days),
    )
    db.session.add(row)
    db.session.flush()
    return _kept(row)


def find_files(file_id: str, *, source_id: str | None, test: bool | None) -> StoredFile:
    """Return a file that this source may send. Raises NotFound that names the field."""
    # not its content: a megabyte is not read to learn a name
    columns = (
        MediaFile.id,
        MediaFile.name,
        MediaFile.content_type,
        MediaFile.size,
        MediaFile.expires_at,
    )
    mine = select(*columns).where(
        MediaFile.id == file_id, MediaFile.source_id == source_id, MediaFile.expires_at > now()
    )
    if test is not None:
        mine = mine.where(MediaFile.test == test)
    found = db.session.execute(mine).first() if is_id("med", file_id) else None
    if found is None:
        why = (
            f"This key has access to no file {file_id!r}, or the file was deleted at the"
            " end of its retention period. Upload it to POST /api/v1/media again."
        )
        raise NotFound("no_such_media", why, field="media")
    return StoredFile(*found)


def delete_expired() -> int:
    """Remove some files whose time of keeping has ended; return how many."""
    if not clock_check.is_right():
        return 0
    gone = (
        select(MediaFile.id)
        .where(MediaFile.expires_at <= now())
        .order_by(MediaFile.expires_at)
        .limit(FORGET_AT_ONCE)
    )
    ids = list(db.session.scalars(gone))
    db.session.rollback()
    if ids:
        _remove(ids)
    return len(ids)


@transaction
def _remove(ids: list[str]) -> None:
    db.session.execute(
        delete(MediaFile).where(MediaFile.id.in_(ids)).execution_options(synchronize_session=False)
    )


# ── Going along ───────────────────────────────────────────────────────────────────────────────────
def attached_files(
    cls: type[Integration], *, url: str, file_id: str, source_id: str | None, test: bool | None
) -> list[dict[str, Any]]:
    """Return what a message stores of its attached file, if any: its address, or which of
    ours it is. Raises Refused.
    """
    if not url and not file_id:
        return []
    field = "media_url" if url else "media"
    if url and file_id:
        raise Refused("two_files", "Send either media or media_url.", field=field)
    if not cls.media:
        raise Refused(
            "no_media",
            f"{cls.title} does not support files. Put a link into the text.",
            field=field,
        )
    if url:
        return [{"url": _address(url)}]
    file = find_files(file_id, source_id=source_id, test=test)
    if is_loopback(urlsplit(_settings().public_url).hostname or "") and not _settings().demo:
        raise Refused(
            "not_public",
            "HUB_PUBLIC_URL is an address of this machine only, so providers cannot fetch"
            " files. Set it to the public address of this hub.",
            field=field,
        )
    check_files(cls, file.content_type, file.size, field)
    return [{"file": file.id, "name": file.name}]


def check_files(cls: type[Integration], content_type: str, size: int, field: str = "media") -> None:
    """Refuse a file that an integration does not pass on. Raises Refused."""
    most = limit_of(cls.media, content_type)
    if not most:
        raise Refused(
            "media_type",
            f"{cls.title} does not support {content_type}. Supported types:"
            f" {', '.join(sorted(cls.media))}.",
            field=field,
        )
    if size > most:
        raise Refused("media_too_large", too_large(content_type, most), field=field)


def limit_of(takes: Mapping[str, int], content_type: str) -> int:
    """Return the most bytes of a file of this type: the provider's limit, or ours where that is
    lower; 0: it is not taken.
    """
    return _limit(takes.get(content_type, 0), content_type)


def too_large(content_type: str, most: int) -> str:
    """Say how large a file may be."""
    return f"The file is larger than {most / 1024 / 1024:.3g} MB, the limit for {content_type}."


@cache
def passed_on_files() -> dict[str, int]:
    """Return every type that some integration passes on, with the most bytes of any of them."""
    found: dict[str, int] = {}
    for cls in integrations.registry().values():
        for content_type, most in cls.media.items():
            found[content_type] = max(most, found.get(content_type, 0))
    return found


def reachable(settings: Config) -> frozenset[str]:
    """Return what may be reached though private or plain: nothing, since providers cannot; in the
    demo, what the operator allows.
    """
    return settings.http_allow if settings.demo else frozenset()


def _limit(most: int, content_type: str) -> int:
    settings = _settings()
    return min(
        most,
        settings.media_image_limit if content_type.startswith("image/") else settings.media_limit,
    )


def _address(url: str) -> str:
    try:
        scheme = urlsplit(web_address(url)).scheme
        private = host_port(url) in reachable(_settings())
    except ValueError as problem:
        raise Refused("bad_media_url", str(problem), field="media_url") from None
    if scheme != "https" and not private:
        why = "Send the https address of the file."
        raise Refused("bad_media_url", why, field="media_url")
    if len(url) > LONGEST_ADDRESS:
        why = f"The address is longer than {LONGEST_ADDRESS:,} characters."
        raise Refused("bad_media_url", why, field="media_url")
    return url


def file_is_gone(file_ids: Collection[str]) -> bool:
    """Tell whether one of these files was removed, or is about to be."""
    if not file_ids:
        # as almost always, and this is asked for every message: making the statement alone would
        # cost a sixth of a claim
        return False
    standing = select(MediaFile.id).where(
        MediaFile.id.in_(file_ids), MediaFile.expires_at > now() + timedelta(seconds=LENT_FOR)
    )
    return len(db.session.scalars(standing).all()) < len(set(file_ids))


# ── Lent ──────────────────────────────────────────────────────────────────────────────────────────
def lend_link(file_id: str, name: str) -> str:
    """Return the address under which a provider gets a file of ours, for a quarter of an hour from
    now.
    """
    return f"{_settings().public_url}/api/files/{_signer().dumps(file_id)}/{quote(name)}"


def open_lent_file(token: str) -> tuple[StoredFile, bytes]:
    """Return the file that a link is for, and its content.

    Raises NotFound: never lent, too late, or removed; Unreadable.
    """
    try:
        file_id = str(_signer().loads(token, max_age=LENT_FOR))
    except SignatureExpired:
        why = (
            f"This link was valid for {LENT_FOR // 60} minutes. Each attempt to send the"
            " message creates a new one."
        )
        raise NotFound("link_expired", why) from None
    except BadSignature:
        raise NotFound("no_such_file", "This file does not exist.") from None
    row = db.session.get(MediaFile, file_id) if is_id("med", file_id) else None
    if row is None or row.expires_at <= now():
        raise NotFound("no_such_file", "The file was deleted at the end of its retention period.")
    return _kept(row), keyring().open(MEDIA_CONTENT, row.id.partition("_")[2], row.content)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="media")


def _kept(row: MediaFile) -> StoredFile:
    return StoredFile(row.id, row.name, row.content_type, row.size, row.expires_at)


def _settings() -> Config:
    config: Config = current_app.extensions["hub.config"]
    return config
