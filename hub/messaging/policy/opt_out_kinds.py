"""Distinguish opt-outs by a person from addresses that cannot be reached."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import select

from hub import integrations
from hub.core.vocabulary import Channel
from hub.db.engine import db
from hub.integrations.base import Integration
from hub.models import Connection, Message, Suppression

BY_PROVIDER = "provider"  # reasons of suppressions
BY_COMPLAINT = "complaint"
# the code of calls that an opt-out from texts blocks
OPTED_OUT_OF_SMS = "opted_out_of_sms"


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


def covered_channels(channel: str, kind: OptOutKind) -> tuple[str, ...]:
    """Return the channels that an opt-out of a channel blocks: one from texts covers calls.

    A number that receives no texts, such as a landline, can still be called.
    """
    if channel == Channel.SMS and kind != OptOutKind.UNREACHABLE:
        return (channel, Channel.VOICE.value)
    return (channel,)


def _integrations_of(channel: str) -> list[type[Integration]]:
    return [item for item in integrations.registry().values() if item.channel == channel]


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


def with_kinds(
    suppressions: Collection[Suppression],
) -> list[tuple[Suppression, OptOutKind, str]]:
    """Return suppressions, each with its kind and the integration that reported it, or ''."""
    reporters = find_integrations(suppressions)
    return [
        (row, kind_of(row.reason, row.code, row.channel, reporter), reporter)
        for row in suppressions
        for reporter in [reporters.get(row.id, "")]
    ]
