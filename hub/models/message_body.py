"""Message bodies: the encrypted content of messages."""

from __future__ import annotations

from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.engine import Base
from hub.db.types import (
    EncryptedJson,
    Id,
)


class MessageBody(Base):
    """The content of a message, in a separate table so that it can be deleted first."""

    __tablename__ = "message_bodies"
    __seal_by__ = "owner_id"

    owner_id: Mapped[str] = mapped_column(Id("*"), primary_key=True)
    _content: Mapped[bytes] = mapped_column("content")

    content = EncryptedJson(MESSAGE_CONTENT)  # {"subject", "text"}
