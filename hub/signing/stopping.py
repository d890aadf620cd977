"""Stop the messages that ask a signer to sign, because a user decided so."""

from __future__ import annotations

from sqlalchemy import update

from hub.db.engine import db
from hub.db.store import transaction
from hub.messaging.compose import cancellation
from hub.models import Signer
from hub.shared import audit
from hub.signing import reminders
from hub.signing.requests import ASKS_TO_SIGN


@transaction
def stop_signer(request_id: str, signer: str) -> None:
    """Cancel the waiting messages that ask a signer to sign, and the steps that would follow.

    Automatic reminders end. A later event of the app or a reminder by a user is sent as usual.
    Raises NotFound; Conflict when the signer has signed or the request is closed.
    """
    request, owing = reminders.find_owing(request_id, signer)
    for row in owing:
        cancellation.stop_request(
            f"stopped by {audit.actor().name}",
            event_types=ASKS_TO_SIGN,
            request_id=request.id,
            signer_id=row.id,
        )
    db.session.execute(
        update(Signer)
        .where(Signer.id.in_([row.id for row in owing]))
        .values(remind_at=None)
        .execution_options(synchronize_session=False)
    )
    audit.record("request.stopped", request.id, request.title or "", signers=len(owing))
