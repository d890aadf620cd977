"""Read the provider IDs of attempts, to match new outcomes with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from hub.db.compiled_sql import Statement
from hub.db.store import list_param, read
from hub.messaging.send.calls import Outcome
from hub.models import Attempt


@dataclass
class ProviderIds:
    """Provider IDs of attempts: `attempts_by_id` and `ids_by_attempt`."""

    attempts_by_id: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    ids_by_attempt: dict[tuple[str, int], str] = field(default_factory=dict)


def read_provider_ids(ended: Sequence[Outcome]) -> ProviderIds:
    """Read the provider IDs in these outcomes, and those stored for their attempts."""
    provider_ids = ProviderIds()
    new_ids = {
        outcome.accepted.provider_id
        for outcome in ended
        if outcome.accepted and outcome.accepted.provider_id
    }
    connections = {outcome.claim.connection_id for outcome in ended}
    for query, parameters in (
        (_BY_PROVIDER_ID, {"connections": list(connections), "provider_ids": list(new_ids)}),
        (_BY_MESSAGE, {"messages": list({outcome.claim.message_id for outcome in ended})}),
    ):
        for connection_id, provider_id, message_id, number in (
            read(query, **parameters) if all(parameters.values()) else ()
        ):
            provider_ids.attempts_by_id[connection_id, provider_id or ""] = (message_id, number)
            provider_ids.ids_by_attempt[message_id, number] = provider_id or ""
    return provider_ids


_IDS = select(Attempt.connection_id, Attempt.provider_id, Attempt.message_id, Attempt.number)
# no IS NOT NULL next to the list: SQLite would prefer it as the index condition, and read every
# attempt of the connection
_BY_PROVIDER_ID = Statement(
    _IDS.where(
        Attempt.connection_id.in_(list_param("connections")),
        Attempt.provider_id.in_(list_param("provider_ids")),
    )
)
_BY_MESSAGE = Statement(
    _IDS.where(Attempt.message_id.in_(list_param("messages")), Attempt.provider_id.is_not(None))
)
