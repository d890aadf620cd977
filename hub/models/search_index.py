"""The search index: keyed hashes of words, and parts of addresses.

Names and titles are encrypted, so the index has no words of them in clear (hub/search).
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, Integer, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Id, foreign_key

# rows consist of their key, so SQLite needs no second copy of it
KEY_ONLY = {"sqlite_with_rowid": False}


class SearchPrefix(Base):
    """A beginning of a word, and the word. Both are hashes."""

    __tablename__ = "search_prefixes"
    __table_args__ = (Index(None, "word"), KEY_ONLY)

    prefix: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    word: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class ContactWord(Base):
    """A word of a contact's name, as a hash."""

    __tablename__ = "contact_words"
    __table_args__ = (Index(None, "contact_id", "word"), KEY_ONLY)

    word: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id", primary_key=True)


class RequestWord(Base):
    """A word of a request's title, or of the names of its sender and signers, as a hash."""

    __tablename__ = "request_words"
    __table_args__ = (Index(None, "request_id", "word"), KEY_ONLY)

    word: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    request_id: Mapped[str] = foreign_key("req", "requests.id", primary_key=True)


class AddressPart(Base):
    """The end of a contact's address from one of its characters on, in clear as the address is."""

    __tablename__ = "address_parts"
    __table_args__ = (Index(None, "contact_id"), KEY_ONLY)

    part: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    contact_id: Mapped[str] = foreign_key("ctc", "contacts.id", primary_key=True)


class UnindexedRow(Base):
    """A contact or a request whose names or title changed since they were last indexed.

    Each change adds a row, so that a change during indexing is not lost.
    """

    __tablename__ = "unindexed_rows"

    # a number, because each accepted event stores marks
    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True
    )
    kind: Mapped[str]  # contact or request
    subject_id: Mapped[str] = mapped_column(Id("*"))
