"""Put the content of uploaded files into messages of integrations that send files themselves."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select

from hub.db.encrypted_fields import MEDIA_CONTENT
from hub.db.engine import db
from hub.db.types import keyring
from hub.integrations.base import AttachedFile, Integration, Outbound
from hub.models import MediaFile


def attach_files(outbound: Outbound, integration: Integration) -> Outbound:
    """Return a message with the content of its stored files, if its integration attaches files.

    A file that was deleted is left out: `media.is_file_missing` reports it. Raises DecryptionError.
    """
    if not outbound.files or not integration.attaches_files:
        return outbound
    columns = (MediaFile.id, MediaFile.name, MediaFile.content_type, MediaFile.content)
    rows = db.session.execute(select(*columns).where(MediaFile.id.in_(outbound.files))).all()
    contents = {
        file_id: AttachedFile(
            name, content_type, keyring().open(MEDIA_CONTENT, file_id.partition("_")[2], sealed)
        )
        for file_id, name, content_type, sealed in rows
    }
    found = tuple(contents[file_id] for file_id in outbound.files if file_id in contents)
    return replace(outbound, attachments=found)
