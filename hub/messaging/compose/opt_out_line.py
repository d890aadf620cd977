"""Add the opt-out line that ends the first SMS to a contact."""

from __future__ import annotations

from hub import integrations
from hub.core.errors import NotFound
from hub.core.vocabulary import Channel
from hub.messaging.policy.policy import get_rules
from hub.models import ConnectionInfo, Recipient


def add_opt_out_line(
    text: str, connection: ConnectionInfo, recipient: Recipient, locale: str
) -> str:
    """Return a text in a language with the opt-out line of its connection, or unchanged.

    It stays unchanged if the contact got the line before, the connection has none for the number,
    or the provider would not accept the longer text.
    """
    if connection.channel != Channel.SMS or recipient.has_opt_out_line:
        return text
    line = get_rules(connection).opt_out_line_for(recipient.address, locale)
    longer = f"{text}\n{line}"
    return longer if line and _is_accepted(longer, connection) else text


def remove_opt_out_line(text: str, connection: ConnectionInfo, address: str) -> str:
    """Return a text to an address without its opt-out line, to send it to another address."""
    if connection.channel != Channel.SMS:
        return text
    lines = get_rules(connection).opt_out_lines_for(address)
    ending = next((line for line in lines if text.endswith(f"\n{line}")), None)
    return text if ending is None else text.removesuffix(f"\n{ending}")


def _is_accepted(text: str, connection: ConnectionInfo) -> bool:
    try:
        integration_class = integrations.get(connection.integration)
    except NotFound:  # no longer installed; the claim of the message reports it
        return False
    return integration_class.length_of(text) <= integration_class.max_length
