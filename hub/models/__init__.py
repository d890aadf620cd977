"""Tables: one module per noun, without names of providers."""

from hub.models.action_token import ActionToken
from hub.models.attempt import Attempt
from hub.models.audit_entry import AuditEntry
from hub.models.connection import Connection, ConnectionInfo
from hub.models.consent import Consent
from hub.models.contact import Contact, Recipient
from hub.models.contact_link import ContactLink
from hub.models.event import Event
from hub.models.evidence import EvidenceHold, EvidenceKey, EvidenceRow
from hub.models.idempotency_key import IdempotencyKey
from hub.models.inbound_message import Conversation, InboundMessage, Thread
from hub.models.link import Link
from hub.models.linked_chat import LinkedChat
from hub.models.media_file import MediaFile
from hub.models.message import Message
from hub.models.message_body import MessageBody
from hub.models.paused_destination import PausedDestination
from hub.models.platform_event import PlatformEvent
from hub.models.provider_callback import ProviderCallback
from hub.models.quarantined_row import QuarantinedRow
from hub.models.recipient_pace import RecipientPace
from hub.models.request import Signer, SigningRequest
from hub.models.route import Route, RouteStep
from hub.models.search_index import (
    AddressPart,
    ContactWord,
    RequestWord,
    SearchPrefix,
    UnindexedRow,
)
from hub.models.session_window import SessionWindow
from hub.models.setting import Setting
from hub.models.source import ApiKey, Source
from hub.models.status_event import StatusEvent
from hub.models.suppression import Suppression
from hub.models.template import ProviderTemplate, Template, TemplateMapping, TemplateVersion
from hub.models.throttle import Throttle
from hub.models.usage import Usage
from hub.models.user import User, UserSession
from hub.models.webhook_delivery import WebhookAttempt, WebhookDelivery
from hub.models.webhook_endpoint import WebhookEndpoint, WebhookSecret
from hub.models.withdrawal import Withdrawal

__all__ = [
    "ActionToken",
    "AddressPart",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Connection",
    "ConnectionInfo",
    "Consent",
    "Contact",
    "ContactLink",
    "ContactWord",
    "Conversation",
    "Event",
    "EvidenceHold",
    "EvidenceKey",
    "EvidenceRow",
    "IdempotencyKey",
    "InboundMessage",
    "Link",
    "LinkedChat",
    "MediaFile",
    "Message",
    "MessageBody",
    "PausedDestination",
    "PlatformEvent",
    "ProviderCallback",
    "ProviderTemplate",
    "QuarantinedRow",
    "RecipientPace",
    "Recipient",
    "RequestWord",
    "Route",
    "RouteStep",
    "SearchPrefix",
    "SessionWindow",
    "Setting",
    "Signer",
    "SigningRequest",
    "Source",
    "StatusEvent",
    "Suppression",
    "Template",
    "TemplateMapping",
    "TemplateVersion",
    "Thread",
    "Throttle",
    "UnindexedRow",
    "Usage",
    "User",
    "UserSession",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookSecret",
    "Withdrawal",
]
