"""Store an email that this machine received for a connection, as a webhook is stored."""

from __future__ import annotations

from sqlalchemy import select

from hub import integrations
from hub.core.errors import NotFound, Refused
from hub.core.quotes import quoted
from hub.db.engine import db
from hub.intake import provider_callbacks
from hub.intake.provider_callbacks import VerificationProof
from hub.integrations.base import WebhookRequest
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.models import Connection
from hub.shared import integration_instances

MAX_SIZE = 10 * 1024 * 1024  # bytes
TOO_LARGE = "too_large"  # the code of an email that will never be stored


def store(slug: str, content: bytes) -> bool:
    """Store an email for the connection with this slug; return False if it was stored before.

    A worker processes it later. Raises NotFound, Refused, and WriteFailed.
    """
    query = select(Connection).where(Connection.slug == slug)
    connection = db.session.scalar(query)
    integration_class = integrations.get(connection.integration) if connection else None
    if (
        connection is None
        or integration_class is None
        or not issubclass(integration_class, WebhookReceiver)
    ):
        raise NotFound(
            "no_such_connection", f"There is no connection {quoted(slug)} that receives email."
        )
    if not integration_class.supports("read_mailbox"):
        raise NotFound("no_such_connection", f"The connection {quoted(slug)} receives no email.")
    if len(content) > MAX_SIZE:
        raise Refused(TOO_LARGE, f"The email is larger than {MAX_SIZE // 1024**2} MB.")
    reader = integration_instances.instances().webhook_reader(connection)
    if not isinstance(reader, WebhookReceiver):
        raise NotFound("no_such_connection", f"The connection {quoted(slug)} receives no email.")
    path = next(iter(integration_class.webhooks))
    request = WebhookRequest(
        "POST", f"mail:{slug}", path, {"content-type": "message/rfc822"}, content, slug
    )
    # this machine received it, so no token is needed
    return provider_callbacks.store(request, VerificationProof(reader, (connection.id,)))
