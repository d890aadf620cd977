"""Replace messages that their provider rejected; each message has at most one successor."""

from __future__ import annotations

from sqlalchemy import select

from hub.core.vocabulary import Lane
from hub.db.engine import db
from hub.messaging.compose import outbox, resend
from hub.messaging.compose.content import read_template
from hub.messaging.policy import session_windows
from hub.messaging.policy.connection_info import read_connections
from hub.messaging.policy.policy import sender_key
from hub.messaging.state.message_batch import MessageBatch, MessageRow
from hub.models import Attempt, Contact, Message, MessageBody


def resend_as_template(row: MessageRow, n: int, batch: MessageBatch) -> None:
    """Resend as its approved template, if any, a message whose try `n` was rejected as free text.

    The provider rejects free text outside the session window.
    """
    [connection] = read_connections([row.connection_id])
    attempt = db.session.get(Attempt, (row.id, n))
    # a rejected template does not concern the window
    if attempt is not None and not attempt.template:
        session_windows.close_window(sender_key(connection), row.contact_id, attempt.started_at)
    if row.stop_reason or _was_resent(row.id):
        return
    message = db.session.get_one(Message, row.id)
    contact = db.session.get(Contact, row.contact_id)
    body = db.session.get(MessageBody, row.id.partition("_")[2])
    if contact is None or body is None:
        return
    content = body.content
    # one that was mapped since is used too
    template = resend.current_template(connection, content) or read_template(content)
    if template is None:
        return
    successor_id = outbox.add_message(
        outbox.Draft(
            connection=connection,
            recipient=contact.recipient,
            text=content["text"],
            subject=content["subject"],
            source_id=message.source_id,
            event_id=message.event_id,
            request_id=message.request_id,
            signer_id=message.signer_id,
            step_id=message.step_id,
            template_version_id=message.template_version_id,
            template=template,
            template_values=content.get("says"),
            lane=Lane(message.lane),
            manual=message.manual,
            after_id=message.id,
            after_failure=True,
            fallback_goal=message.fallback_goal,
            fallback_minutes=message.fallback_minutes,
            expires_at=message.expires_at,
            night=message.night,
            link_expires_at=message.link_expires_at,
        )
    )
    batch.record_fact(row, "taken over", reason=f"by {successor_id}")


def _was_resent(message_id: str) -> bool:
    """Return whether a message has a successor, or was tried as its template."""
    successor = select(Message.id).where(Message.after_id == message_id)
    tried = select(Attempt.number).where(Attempt.message_id == message_id, Attempt.template != "")
    return any(db.session.scalar(query.limit(1)) is not None for query in (successor, tried))
