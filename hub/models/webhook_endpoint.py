"""Endpoints, which receive the platform events of a source, and the secrets of webhooks."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from hub.core.vocabulary import EndpointState
from hub.db.encrypted_fields import WEBHOOK_SECRET, WEBHOOK_SETTINGS
from hub.db.engine import Base
from hub.db.types import EncryptedJson, Time, foreign_key, now, primary_key

WEBHOOK = "webhook"  # the kind of an endpoint that is called over HTTP
HANDLER = "handler"  # the kind of a Python function of an admin
REMOVED = "removed"  # the reason why a handler is off: its code is gone


class WebhookEndpoint(Base):
    """A URL or a message broker that the signing app of a source chose for platform events.

    A handler is one, too, and its name is the description. An endpoint receives the events of its
    source and of its kind, test or live, from its creation on.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index(None, "source_id"),)

    id: Mapped[str] = primary_key("whk")
    # NULL: a handler, which receives the events of all sources, and live and test ones
    source_id: Mapped[str | None] = foreign_key("src", "sources.id")
    # `webhook`, `handler`, or the name of a kind of message broker
    kind: Mapped[str] = mapped_column(default=WEBHOOK, server_default=WEBHOOK)
    test: Mapped[bool]
    description: Mapped[str] = mapped_column(default="")
    patterns: Mapped[str]  # separated by spaces, such as "sms_* opted_out"
    with_addresses: Mapped[bool] = mapped_column(default=False)
    with_texts: Mapped[bool] = mapped_column(default=False)
    # rises with each change of the settings and the secrets, for processes that cache them
    version: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(default=EndpointState.ENABLED.value)
    state_reason: Mapped[str] = mapped_column(default="")
    state_at: Mapped[datetime] = mapped_column(Time, default=now)
    failing_since: Mapped[datetime | None] = mapped_column(Time)  # without a success since
    announced_at: Mapped[datetime | None] = mapped_column(Time)  # that it will be switched off
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    deleted_at: Mapped[datetime | None] = mapped_column(Time)
    _settings: Mapped[bytes | None] = mapped_column("settings")

    # of a webhook: {"url", "headers": {}, "user", "password"}; of a broker: those of its form;
    # of a handler: {"source", "summary", "problem"}, and "admin" if it stays disabled with new code
    settings = EncryptedJson(WEBHOOK_SETTINGS)


class WebhookSecret(Base):
    """A secret that signs the requests to an endpoint. Several are valid during a rotation."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (Index(None, "endpoint_id"),)

    id: Mapped[str] = primary_key("whs")
    endpoint_id: Mapped[str] = foreign_key("whk", "webhook_endpoints.id")
    created_at: Mapped[datetime] = mapped_column(Time, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(Time)  # NULL: the newest one
    _secret: Mapped[bytes] = mapped_column("secret")

    secret = EncryptedJson(WEBHOOK_SECRET)  # "whsec_…"
