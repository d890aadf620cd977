"""Compute the deduplication keys of notifications."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hub.core.vocabulary import Address, EventType
from hub.lib.crypto import blind_index
from hub.messaging.compose import plan
from hub.shared.index_key import index_key
from hub.signing import requests
from hub.signing.message_texts import EventRecord
from hub.signing.signing_batch import RequestRecord, SignerRecord


@dataclass(frozen=True)
class DedupKeys:
    """Keys that are equal for two messages about the same event to the same person."""

    event: EventRecord
    request: RequestRecord
    actor: SignerRecord | None

    def for_ladder(self, ladder: plan.PlannedLadder) -> bytes:
        """Return the key of the first message of a ladder, by its audience and position.

        It stays the same when the route is edited, or the person's address changes.
        """
        return self._key("ladder", ladder.person.id, ladder.route.audience, str(ladder.position))

    def for_post(self, item: plan.PlannedPost) -> bytes:
        """Return the key of a post to a team."""
        return self._key("once", "", "place", "", item.step.id)

    def legacy(
        self, ladder: plan.PlannedLadder, legacy_step_ids: Collection[str]
    ) -> Iterator[bytes]:
        """Yield the keys under which version 0.2.0 may have stored a message of a ladder."""
        person = ladder.person
        own = {rung.step.id for rung in ladder.rungs if rung.step.legacy}
        addresses = {
            *person.addresses.items(),
            *((Address.CHAT.value, address) for address in person.addresses.values()),
            *((Address.CHAT.value, chat) for chat in person.chats.values()),
        }
        for rung in ladder.possible_rungs:
            if rung.candidate is not None:
                addresses.add((rung.candidate.address_kind, rung.to))
        for step_id in own or legacy_step_ids:
            for kind, address in addresses:
                yield self._key("once", person.id, kind, address, step_id)

    def _key(self, purpose: str, person: str, *parts: str) -> bytes:
        event = self.event
        about = self.actor.id if self.actor else ""
        return blind_index(
            index_key(),
            purpose,
            self.request.id,
            event.type,
            self._occurrence(),
            about,
            person,
            *parts,
        )

    def _occurrence(self) -> str:
        """Return what tells an event from earlier ones of its type in the same request.

        Reminders are repeated, and a request that was reopened is sent and ends once more.
        """
        event = self.event
        if event.type == EventType.REMINDER:
            return event.external_id or event.id
        is_repeated = event.type == EventType.SENT or event.type in requests.CLOSES
        return str(self.request.reopenings or "") if is_repeated else ""
