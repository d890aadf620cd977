"""Replace messages that their provider rejected; each message has at most one successor."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from hub.core.vocabulary import Lane
from hub.db.compiled_sql import Statement
from hub.db.encrypted_fields import MESSAGE_CONTENT
from hub.db.store import read
from hub.db.types import keyring
from hub.messaging.compose import outbox
from hub.messaging.compose.content import template_of
from hub.messaging.policy import session_windows
from hub.messaging.policy.connection_info import read_connections
from hub.messaging.policy.policy import sender_key
from hub.messaging.state.message_batch import MessageBatch, MessageRow
from hub.models import Attempt, Contact, Message, MessageBody, Recipient


def resend_as_template(row: MessageRow, n: int, batch: MessageBatch) -> None:
    """Resend as its approved template, if any, a message whose try `n` was rejected as free text.

    The provider rejects free text outside the session window.
    """
    [connection] = read_connections([row.connection_id])
    for template, began in read(_TRY, id=row.id, n=n):
        if not template:  # a rejected template does not concern the window
            session_windows.close_window(sender_key(connection), row.contact_id, began)
    if row.stop_reason or read(_AFTER, id=row.id) or read(_TRIED, id=row.id):
        return
    for (
        *to,
        sealed,
        source,
        event,
        request,
        signer,
        step,
        version,
        lane,
        manual,
        expires_at,
    ) in read(_CONTENT, id=row.id):
        content = keyring().open_json(MESSAGE_CONTENT, row.id.partition("_")[2], sealed)
        template = template_of(content)
        if template is None:
            return
        successor = outbox.add(
            outbox.Draft(
                connection=connection,
                recipient=Recipient(row.contact_id, *to),
                text=content["text"],
                subject=content["subject"],
                source_id=source,
                event_id=event,
                request_id=request,
                signer_id=signer,
                step_id=step,
                template_version_id=version,
                template=template,
                says=content.get("says"),
                lane=Lane(lane),
                manual=manual,
                after_id=row.id,
                expires_at=expires_at,
            )
        )
        batch.record_fact(row, "taken over", reason=f"by {successor.id}")


_TRY = Statement(
    select(Attempt.template, Attempt.started_at).where(
        Attempt.message_id == bindparam("id"), Attempt.number == bindparam("n")
    )
)
_AFTER = Statement(select(Message.id).where(Message.after_id == bindparam("id")))
_TRIED = Statement(
    select(Attempt.number).where(Attempt.message_id == bindparam("id"), Attempt.template != "")
)
_CONTENT = Statement(
    select(
        Contact.address,
        Contact.address_key,
        Contact.time_zone,
        MessageBody._content,
        Message.source_id,
        Message.event_id,
        Message.request_id,
        Message.signer_id,
        Message.step_id,
        Message.template_version_id,
        Message.lane,
        Message.manual,
        Message.expires_at,
    )
    .join(Contact, Contact.id == Message.contact_id)
    .join(MessageBody, MessageBody.owner_id == Message.id)
    .where(Message.id == bindparam("id"))
)
