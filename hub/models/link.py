"""Short links: codes that stand for the links of signing apps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.encrypted_fields import LINK_URL
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, foreign_key, now, partial_index, primary_key


class Link(Base):
    """A short link in a message to a person; only the digest of its code is stored.

    Its validity depends on its request too: see `messaging/track/link_opens.py`.
    """

    __tablename__ = "links"
    __table_args__ = (
        partial_index("ix_links_message_id", "message_id", where=text("message_id IS NOT NULL")),
        partial_index("ix_links_shortener", "shortener", "id", where=text("shortener <> ''")),
    )

    id: Mapped[str] = primary_key("lnk")
    digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    signer_id: Mapped[str | None] = foreign_key("sgn", "signers.id")
    # the message that it was made for; a resent message contains the same link
    message_id: Mapped[str | None] = foreign_key("msg", "messages.id")
    _url: Mapped[bytes] = mapped_column("url")  # the target; '' after the link has ended
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    # when the signing app's own link expires, if that is known
    expires_at: Mapped[datetime | None] = mapped_column(Time)
    ended_at: Mapped[datetime | None] = mapped_column(Time)  # and its target was deleted
    # how often people opened it; known robots do not count
    opens: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    opened_at: Mapped[datetime | None] = mapped_column(Time)  # first
    # the service that is to replace it in the text of its waiting message; '': none
    shortener: Mapped[str] = mapped_column(default="", server_default="")
    last_opened_at: Mapped[datetime | None] = mapped_column(Time)

    url = EncryptedJson(LINK_URL)
