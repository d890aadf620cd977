"""Templates: what messages say."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from hub.extensions import Base
from hub.models.types import Time, key, now, ref


class Template(Base):
    """A text's place: name × channel × locale. Its versions hold the words."""

    __tablename__ = "templates"
    __table_args__ = (UniqueConstraint("name", "channel", "locale"),)

    id: Mapped[str] = key("tpl")
    name: Mapped[str]  # such as request_sent
    event_type: Mapped[str]
    channel: Mapped[str]
    locale: Mapped[str]


class TemplateVersion(Base):
    """One wording; never changed, so that a message can show what it was made from."""

    __tablename__ = "template_versions"
    __table_args__ = (UniqueConstraint("template_id", "number"),)

    id: Mapped[str] = key("tpv")
    template_id: Mapped[str] = ref("tpl", "templates.id")
    number: Mapped[int]
    subject: Mapped[str] = mapped_column(default="")
    text: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Time, default=now)


class ProviderTemplate(Base):
    """A provider's approved template, mapped to one of ours."""

    __tablename__ = "provider_templates"
    __table_args__ = (UniqueConstraint("connection_id", "external_id"),)

    id: Mapped[str] = key("ptp")
    connection_id: Mapped[str] = ref("con", "connections.id")
    template_id: Mapped[str | None] = ref("tpl", "templates.id")
    external_id: Mapped[str]
    name: Mapped[str]
    locale: Mapped[str]
    category: Mapped[str] = mapped_column(default="")
    state: Mapped[str]
    variables: Mapped[str] = mapped_column(default="{}")  # JSON: the provider's variable to ours
    synced_at: Mapped[datetime] = mapped_column(Time, default=now)
