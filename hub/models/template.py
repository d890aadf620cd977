"""Templates: the texts of messages."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.db.engine import Base
from hub.db.types import Id, Time, foreign_key, now, primary_key

JINJA = "jinja"  # the syntax of texts that version 0.2.0 stored
SIGNPOST = "signpost"  # the syntax of hub.lib.text_grammar


class Template(Base):
    """A template by name, channel and locale. Its versions contain the published texts.

    The newest version is sent. A draft is a text that an admin saved without publishing it.
    """

    __tablename__ = "templates"
    __table_args__ = (UniqueConstraint("name", "channel", "locale"),)

    id: Mapped[str] = primary_key("tpl")
    name: Mapped[str]  # such as request_sent
    event_type: Mapped[str]
    audience: Mapped[str] = mapped_column(default="")
    channel: Mapped[str]
    locale: Mapped[str]
    # changes with each saved draft and version, so that two admins do not overwrite each other
    revision: Mapped[int] = mapped_column(default=0)
    draft_subject: Mapped[str] = mapped_column(default="")
    draft_text: Mapped[str | None]
    draft_by: Mapped[str] = mapped_column(default="")  # the name of its author
    draft_at: Mapped[datetime | None] = mapped_column(Time)
    withdrawn_at: Mapped[datetime | None] = mapped_column(Time)  # not sent until published again


class TemplateVersion(Base):
    """One version of a template's text; never changed, so that a message can show its origin."""

    __tablename__ = "template_versions"
    __table_args__ = (UniqueConstraint("template_id", "number"),)

    id: Mapped[str] = primary_key("tpv")
    template_id: Mapped[str] = foreign_key("tpl", "templates.id")
    number: Mapped[int]
    subject: Mapped[str] = mapped_column(default="")
    text: Mapped[str]
    syntax: Mapped[str] = mapped_column(default=SIGNPOST)
    shipped: Mapped[bool] = mapped_column(default=False)  # Signpost installed it
    author_id: Mapped[str | None] = mapped_column(Id("usr"))  # a user; None: Signpost
    note: Mapped[str] = mapped_column(default="")  # why it was changed
    created_at: Mapped[datetime] = mapped_column(Time, default=now)


class ProviderTemplate(Base):
    """A provider's template when it was last fetched."""

    __tablename__ = "provider_templates"
    __table_args__ = (UniqueConstraint("connection_id", "external_id"),)

    id: Mapped[str] = primary_key("ptp")
    connection_id: Mapped[str] = foreign_key("con", "connections.id")
    external_id: Mapped[str]
    name: Mapped[str]
    locale: Mapped[str]
    category: Mapped[str] = mapped_column(default="")
    kind: Mapped[str] = mapped_column(default="")  # the provider's name for the format
    # the provider's state; only `approved` may be sent; `gone`: deleted at the provider
    state: Mapped[str]
    reason: Mapped[str] = mapped_column(default="")  # why it was rejected
    text: Mapped[str] = mapped_column(default="")
    variables: Mapped[str] = mapped_column(default="{}")  # JSON: variable to sample
    synced_at: Mapped[datetime] = mapped_column(Time, default=now)


class TemplateMapping(Base):
    """The provider's template to use for a template, in one locale, over one connection."""

    __tablename__ = "template_mappings"
    __table_args__ = (UniqueConstraint("connection_id", "name", "locale"),)

    id: Mapped[str] = primary_key("tpm")
    connection_id: Mapped[str] = foreign_key("con", "connections.id")
    name: Mapped[str]  # of the template, such as request_sent
    locale: Mapped[str]  # lower case, with a hyphen
    provider_template_id: Mapped[str] = foreign_key("ptp", "provider_templates.id")
    variables: Mapped[str] = mapped_column(default="{}")  # JSON: provider's variable to own
