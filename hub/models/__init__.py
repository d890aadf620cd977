"""The tables: one file per noun. No provider's name, and nothing here sends."""

from hub.models.action import Action
from hub.models.attempt import Attempt
from hub.models.audit import Audit
from hub.models.chat import Chat
from hub.models.connection import Connection
from hub.models.consent import Consent, Suppression, Window
from hub.models.contact import Contact
from hub.models.contact_link import ContactLink
from hub.models.destination import PausedDestination
from hub.models.event import Event
from hub.models.idempotency import Idempotency
from hub.models.inbound import Conversation, Inbound, Thread
from hub.models.link import Link
from hub.models.media import MediaFile
from hub.models.message import Body, Message
from hub.models.platform_event import PlatformEvent
from hub.models.receipt import Receipt
from hub.models.request import Signer, SigningRequest
from hub.models.route import Route, RouteStep
from hub.models.set_aside import SetAside
from hub.models.setting import Setting
from hub.models.source import ApiKey, Source
from hub.models.status_event import StatusEvent
from hub.models.template import ProviderTemplate, Template, TemplateMapping, TemplateVersion
from hub.models.throttle import Counter, Pace, Throttle, Usage
from hub.models.user import SignIn, User

__all__ = [
    "Action",
    "ApiKey",
    "Attempt",
    "Audit",
    "Body",
    "Chat",
    "Connection",
    "Consent",
    "Contact",
    "ContactLink",
    "Conversation",
    "Counter",
    "Event",
    "Idempotency",
    "Inbound",
    "Link",
    "MediaFile",
    "Message",
    "Pace",
    "PausedDestination",
    "PlatformEvent",
    "ProviderTemplate",
    "Receipt",
    "Route",
    "RouteStep",
    "SetAside",
    "Setting",
    "SignIn",
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
    "Usage",
    "User",
    "Window",
]
