"""Media files attached to messages.

They are uploaded to the hub, stored encrypted, served to a provider for 15 minutes, and deleted
after some days.
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
from hub.core.quotes import quoted
from hub.db.encrypted_fields import MEDIA_CONTENT
from hub.db.engine import db
from hub.db.store import transaction
from hub.db.types import is_id, keyring, new_id, now
from hub.integrations.base import Integration
from hub.lib import times
from hub.lib.provider_http import host_port
from hub.lib.text import validate_url
from hub.models import MediaFile
from hub.shared import clock_check

LINK_SECONDS = 900
DELETED_AT_ONCE = 100
MAX_URL_LENGTH = 2000  # characters
NAME = re.compile(r"[^\w.() -]+")


@dataclass(frozen=True)
class StoredFile:
    """A file that was uploaded to the hub, without its content."""

    id: str
    name: str
    content_type: str
    size: int
    expires_at: datetime


# ── Uploads ───────────────────────────────────────────────────────────────────────────────────────
def max_file_size() -> int:
    """Return the size limit of a file in bytes."""
    return _settings().media_limit


def guess_content_type(name: str, declared: str) -> str:
    """Return the declared content type of a file, or else the type of its name's extension."""
    content_type = declared.partition(";")[0].strip().lower()
    if content_type not in ("", "application/octet-stream"):
        return content_type
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def store_file(
    name: str, declared: str, content: bytes, *, source_id: str | None, test: bool
) -> StoredFile:
    """Store a file encrypted for HUB_MEDIA_DAYS days.

    Raises Refused for a file that is empty, too large, or of a type that no integration supports.
    """
    content_type = guess_content_type(name, declared)
    name = _file_name(name)
    if not content:
        raise Refused("empty_file", "The file is empty.", field="file")
    limit = _own_limit(supported_types().get(content_type, 0), content_type)
    if not limit:
        raise Refused(
            "media_type",
            f"No channel supports {content_type}. Send one of"
            f" {', '.join(sorted(supported_types()))}.",
            field="file",
        )
    if len(content) > limit:
        raise Refused("media_too_large", file_too_large_message(content_type, limit), field="file")
    return _store(name, content_type, content, source_id, test)


def _file_name(uploaded: str) -> str:
    """Return the last part of a file's path, with characters that are safe in a URL."""
    file_name = uploaded.replace("\\", "/").rpartition("/")[2]
    return NAME.sub("_", file_name)[-100:].strip(" .") or "file"


@transaction
def _store(
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
    return _stored_file(row)


def find_file(file_id: str, *, source_id: str | None, test: bool | None) -> StoredFile:
    """Return a file that this source may send. Raises NotFound that names the field."""
    # without the content, which can be many megabytes
    columns = (
        MediaFile.id,
        MediaFile.name,
        MediaFile.content_type,
        MediaFile.size,
        MediaFile.expires_at,
    )
    query = select(*columns).where(
        MediaFile.id == file_id, MediaFile.source_id == source_id, MediaFile.expires_at > now()
    )
    if test is not None:
        query = query.where(MediaFile.test == test)
    row = db.session.execute(query).first() if is_id("med", file_id) else None
    if row is None:
        reason = (
            f"This key has access to no file {quoted(file_id)}, or the file was deleted at the"
            " end of its retention period. Upload it to POST /api/v1/media again."
        )
        raise NotFound("no_such_media", reason, field="media")
    return StoredFile(*row)


def delete_expired() -> int:
    """Delete some files whose retention has ended; return how many."""
    if not clock_check.is_trusted():
        return 0
    expired = (
        select(MediaFile.id)
        .where(MediaFile.expires_at <= now())
        .order_by(MediaFile.expires_at)
        .limit(DELETED_AT_ONCE)
    )
    ids = list(db.session.scalars(expired))
    db.session.rollback()
    if ids:
        _delete(ids)
    return len(ids)


@transaction
def _delete(ids: list[str]) -> None:
    db.session.execute(
        delete(MediaFile).where(MediaFile.id.in_(ids)).execution_options(synchronize_session=False)
    )


# ── Attachments ───────────────────────────────────────────────────────────────────────────────────
def attached_files(
    integration_class: type[Integration],
    *,
    url: str,
    file_id: str,
    source_id: str | None,
    test: bool | None,
) -> list[dict[str, Any]]:
    """Return the attachment fields that a message stores: a URL or a stored file; empty without an
    attachment.

    Raises Refused, NotFound.
    """
    if not url and not file_id:
        return []
    field = "media_url" if url else "media"
    if url and file_id:
        raise Refused("two_files", "Send either media or media_url.", field=field)
    if not integration_class.media:
        raise Refused(
            "no_media",
            f"{integration_class.title} does not support files. Put a link into the text.",
            field=field,
        )
    if url:
        return [{"url": _checked_url(url)}]
    file = find_file(file_id, source_id=source_id, test=test)
    is_local = is_loopback(urlsplit(_settings().public_url).hostname or "")
    if is_local and not (integration_class.attaches_files or _settings().demo):
        raise Refused(
            "not_public",
            "HUB_PUBLIC_URL is a URL of this machine only, so providers cannot fetch"
            " files. Set it to the public URL of Signpost.",
            field=field,
        )
    check_files(integration_class, file.content_type, file.size, field)
    return [{"file": file.id, "name": file.name}]


def check_files(
    integration_class: type[Integration], content_type: str, size: int, field: str = "media"
) -> None:
    """Raise Refused for a file that an integration does not support."""
    limit = size_limit(integration_class.media, content_type)
    if not limit:
        raise Refused(
            "media_type",
            f"{integration_class.title} does not support {content_type}. Supported types:"
            f" {', '.join(sorted(integration_class.media))}.",
            field=field,
        )
    if size > limit:
        raise Refused("media_too_large", file_too_large_message(content_type, limit), field=field)


def size_limit(supported: Mapping[str, int], content_type: str) -> int:
    """Return the size limit of a content type in bytes; 0 if it is not supported.

    It is the provider's limit or the hub's, whichever is lower.
    """
    return _own_limit(supported.get(content_type, 0), content_type)


def file_too_large_message(content_type: str, limit: int) -> str:
    """Return the sentence for a file that is too large; `limit` in bytes."""
    return f"The file is larger than {limit / 1024 / 1024:.3g} MB, the limit for {content_type}."


@cache
def supported_types() -> dict[str, int]:
    """Return the content types that any integration supports, with the largest limit in bytes."""
    limits: dict[str, int] = {}
    for integration_class in integrations.registry().values():
        for content_type, limit in integration_class.media.items():
            limits[content_type] = max(limit, limits.get(content_type, 0))
    return limits


def allowed_private_hosts(settings: Config) -> frozenset[str]:
    """Return the hosts that may be reached although private or plain HTTP.

    There are none, because providers cannot reach them; the demo may reach those of HUB_HTTP_ALLOW.
    """
    return settings.http_allow if settings.demo else frozenset()


def _own_limit(provider_limit: int, content_type: str) -> int:
    settings = _settings()
    return min(
        provider_limit,
        settings.media_image_limit if content_type.startswith("image/") else settings.media_limit,
    )


def _checked_url(url: str) -> str:
    try:
        scheme = urlsplit(validate_url(url)).scheme
        private = host_port(url) in allowed_private_hosts(_settings())
    except ValueError as error:
        raise Refused("bad_media_url", str(error), field="media_url") from None
    if scheme != "https" and not private:
        reason = "Send the https URL of the file."
        raise Refused("bad_media_url", reason, field="media_url")
    if len(url) > MAX_URL_LENGTH:
        reason = f"The URL is longer than {MAX_URL_LENGTH:,} characters."
        raise Refused("bad_media_url", reason, field="media_url")
    return url


def is_file_missing(file_ids: Collection[str]) -> bool:
    """Return whether one of these files was deleted or will be within LINK_SECONDS."""
    if not file_ids:
        # the usual case; building the statement alone would cost a sixth of a claim
        return False
    available = select(MediaFile.id).where(
        MediaFile.id.in_(file_ids), MediaFile.expires_at > now() + timedelta(seconds=LINK_SECONDS)
    )
    return len(db.session.scalars(available).all()) < len(set(file_ids))


# ── Links for providers ───────────────────────────────────────────────────────────────────────────
def file_link(file_id: str, name: str) -> str:
    """Return the URL at which a provider can fetch a stored file for LINK_SECONDS."""
    return f"{_settings().public_url}/api/files/{_signer().dumps(file_id)}/{quote(name)}"


def open_linked_file(token: str) -> tuple[StoredFile, bytes]:
    """Return the file of a link and its content.

    Raises NotFound for a link that is wrong or expired or whose file was deleted, and
    DecryptionError.
    """
    try:
        file_id = str(_signer().loads(token, max_age=LINK_SECONDS))
    except SignatureExpired:
        reason = (
            f"This link was valid for {LINK_SECONDS // 60} minutes. Each attempt to send the"
            " message creates a new one."
        )
        raise NotFound("link_expired", reason) from None
    except BadSignature:
        raise NotFound("no_such_file", "This file does not exist.") from None
    row = db.session.get(MediaFile, file_id) if is_id("med", file_id) else None
    if row is None or row.expires_at <= now():
        raise NotFound("no_such_file", "The file was deleted at the end of its retention period.")
    return _stored_file(row), keyring().open(MEDIA_CONTENT, row.id.partition("_")[2], row.content)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or "", salt="media")


def _stored_file(row: MediaFile) -> StoredFile:
    return StoredFile(row.id, row.name, row.content_type, row.size, row.expires_at)


def _settings() -> Config:
    config: Config = current_app.extensions["hub.config"]
    return config
