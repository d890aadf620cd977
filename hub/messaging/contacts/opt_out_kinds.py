"""Distinguish opt-outs by a person from addresses that cannot be reached."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import select

from hub import integrations
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.integrations.base import Integration
from hub.messaging.contacts.suppressions import BY_COMPLAINT, BY_PROVIDER
from hub.models import Connection, Message, Suppression


class OptOutKind(StrEnum):
    """The kind of an opt-out: by a person, or by a provider."""

    OPTED_OUT = "opted_out"  # the person wants no messages
    REFUSED = "refused"  # the person refused consent
    COMPLAINED = "complained"  # the person reported a message as spam
    BLOCKED = "blocked"  # the provider refuses messages to the person, often at their wish
    UNREACHABLE = "unreachable"  # nobody can be reached at the address on this channel


def kind_of(reason: str, code: str, channel: str, integration: str) -> OptOutKind:
    """Return the kind of a suppression. `integration`: the one that reported it, or ''."""
    if reason == BY_COMPLAINT:
        return OptOutKind.COMPLAINED
    if reason != BY_PROVIDER:
        return OptOutKind.OPTED_OUT
    known = integrations.registry()
    reporters = [known[integration]] if integration in known else _integrations_of(channel)
    if any(code in reporter.stop_codes for reporter in reporters):
        return OptOutKind.OPTED_OUT
    if channel == Channel.EMAIL or any(
        code in reporter.unreachable_codes for reporter in reporters
    ):
        return OptOutKind.UNREACHABLE
    return OptOutKind.BLOCKED


def _integrations_of(channel: str) -> list[type[Integration]]:
    return [item for item in integrations.registry().values() if item.channel == channel]


def is_unreachable(code: str, integration: str) -> bool:
    """Return whether a code of an integration says that an address cannot be reached."""
    integration_class = integrations.registry().get(integration)
    return integration_class is not None and code in integration_class.unreachable_codes


def find_integrations(suppressions: Collection[Suppression]) -> dict[str, str]:
    """Return the integration that reported each suppression, by its ID, as far as it is known."""
    message_ids = {row.message_id for row in suppressions if row.reason == BY_PROVIDER}
    message_ids.discard(None)
    if not message_ids:
        return {}
    query = (
        select(Message.id, Connection.integration)
        .join(Connection, Connection.id == Message.connection_id)
        .where(Message.id.in_(message_ids))
    )
    by_message = {row.id: row.integration for row in db.session.execute(query)}
    return {
        row.id: by_message[row.message_id]
        for row in suppressions
        if row.message_id and row.message_id in by_message
    }
