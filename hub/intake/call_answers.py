"""Answer calls within the webhook: read the text from the database, and change nothing.

Nothing about a call is kept in memory, so any web server can answer any key, also after a restart.
"""

from __future__ import annotations

from hub.core.errors import DecryptionError, HubError
from hub.core.vocabulary import Address
from hub.db.engine import db
from hub.db.types import is_id
from hub.intake.provider_callbacks import VerificationProof
from hub.integrations.base import Outbound, WebhookRequest
from hub.integrations.call_events import CallInProgress
from hub.integrations.webhook_receiver import WebhookReceiver
from hub.messaging.compose import render
from hub.messaging.contacts import contacts, languages
from hub.messaging.inbox.calls import find_called_connection
from hub.messaging.send.outbound import build_outbound
from hub.models import Connection, Message, MessageBody
from hub.shared import integration_instances


def answer_call(
    call: CallInProgress, request: WebhookRequest, proof: VerificationProof
) -> tuple[str, str] | None:
    """Return the response to a call: content type and text, or None if there is nothing to say.

    Only connections that verified the webhook speak.
    """
    try:
        found = _find_message(call, proof)
        connection = found[0].connection if found else _find_connection(call, proof)
        if connection is None:
            return None
        instance = integration_instances.instance(connection)
        if not isinstance(instance, WebhookReceiver) or not _can_speak(instance):
            return None  # such as a key for the message of an SMS connection
        outbound = _outbound(*found, call.attempt, instance) if found else None
        locale = outbound.locale if outbound else _language(call.address, connection)
        return instance.speak(request, outbound, locale)
    except HubError:  # such as settings that cannot be decrypted
        return None
    finally:
        db.session.rollback()


def _find_message(
    call: CallInProgress, proof: VerificationProof
) -> tuple[Message, MessageBody] | None:
    """Return the message of a call with its text, unless the text was deleted."""
    if not is_id("msg", call.message_id):
        return None
    message = db.session.get(Message, call.message_id)
    if message is None or message.connection_id not in proof.connection_ids:
        return None
    body = db.session.get(MessageBody, message.id.partition("_")[2])
    return (message, body) if body is not None and message.contact.erased_at is None else None


def _find_connection(call: CallInProgress, proof: VerificationProof) -> Connection | None:
    found = find_called_connection(call.senders, proof.connection_ids)
    connection = db.session.get(Connection, found.id) if found else None
    if connection is None:
        return None
    return connection if _can_speak(integration_instances.instance(connection)) else None


def _can_speak(instance: object) -> bool:
    """Return whether the integration of an instance answers calls."""
    return getattr(type(instance), "speak", None) not in (None, WebhookReceiver.speak)


def _outbound(
    message: Message, body: MessageBody, attempt: int, instance: WebhookReceiver
) -> Outbound | None:
    try:
        return build_outbound(message, message.contact.address, body._content, instance, attempt)
    except DecryptionError:
        return None


def _language(address: str, connection: Connection) -> str:
    """Return the language of the last text to a number, or that of the hub."""
    if not address:
        return render.default_locale()
    known = contacts.find_contacts([(Address.PHONE, address)], test=connection.test)
    found = [languages.find_language(contact.id) for contact in known.values()]
    return next(filter(None, found), None) or render.default_locale()
