"""The words of Signpost that are stored or visible outside, each with its meaning."""

from __future__ import annotations

from enum import IntEnum, StrEnum

QUEUES = ("deliver", "settle", "notify", "chores")  # each has a worker, and a job in hub/jobs


class DescribedEnum(StrEnum):
    """A word with its meaning: `Channel.SMS.meaning`."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> DescribedEnum:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


class Channel(DescribedEnum):
    """The medium of a message."""

    SMS = "sms", "a text message to a mobile phone"
    WHATSAPP = "whatsapp", "a WhatsApp message to a phone number"
    VOICE = "voice", "a call that reads the text aloud"
    EMAIL = "email", "an email message"
    CHAT = "chat", "a post to a team's channel or a person's chat"
    WEBHOOK = "webhook", "a signed HTTP request to an application"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The channel's name for people."""
        titles = {Channel.SMS: "SMS", Channel.WHATSAPP: "WhatsApp", Channel.VOICE: "Call"}
        return titles.get(self, self.value.capitalize())


PHONE_CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.VOICE)
TEXT_CHANNELS = (*PHONE_CHANNELS, Channel.EMAIL, Channel.CHAT)  # whose texts admins edit


class Feedback(DescribedEnum):
    """A fact about a sent message beside its status. It is reported as a separate event."""

    BOUNCED = "bounced", "the message was returned after it was accepted"
    COMPLAINED = "complained", "the recipient reported the message as spam"
    UNSUBSCRIBED = "unsubscribed", "the recipient unsubscribed at the provider"


class Scope(DescribedEnum):
    """Permissions of an API key."""

    EVENTS_WRITE = "events:write", "post events"
    MESSAGES_READ = "messages:read", "read messages and signing requests"
    MESSAGES_WRITE = (
        "messages:write",
        "send, cancel and resend messages, upload files, remind signers",
    )
    CONTACTS_READ = "contacts:read", "read opt-outs"
    CONTACTS_WRITE = (
        "contacts:write",
        "add and remove opt-outs, record consents, invite signers to chats",
    )
    WEBHOOKS_MANAGE = "webhooks:manage", "manage the webhooks that receive platform events"
    EVIDENCE_READ = "evidence:read", "read the evidence of requests and of consents"


class Address(DescribedEnum):
    """The kind of address of a contact. SMS, WhatsApp and voice share one phone contact."""

    PHONE = "phone", "a number in E.164 form"
    EMAIL = "email", "an email address"
    CHAT = "chat", "a chat's or channel's id at its provider"
    EXTERNAL = "external", "a person known only by a provider's own id"


class ContentKind(DescribedEnum):
    """Kinds of content other than text and files. The meaning names the fields."""

    LOCATION = "location", "a location: `latitude` and `longitude` in degrees, `label`, `address`"
    CONTACT = "contact", "a contact card: `name`, `phones` and `emails`, which are lists"
    REACTION = (
        "reaction",
        "an emoji reaction to a message: `emoji`, empty if it was removed, and `message`",
    )
    STICKER = "sticker", "a sticker: `emoji`, if the provider names one"
    FORM = "form", "a completed form, such as a WhatsApp flow: `answers` by field"
    POLL = "poll", "a poll: `question` and `options`, a list"
    DICE = "dice", "an animated emoji with a random result, such as a die: `emoji` and `value`"
    REFERRAL = (
        "referral",
        "the ad or post that the contact came from: `headline`, `text`, `url`, `source`, `id`",
    )
    EDIT = "edit", "an edit: the text replaces that of the earlier message `message`"
    OTHER = "other", "content that Signpost cannot show: `type`, as the provider calls it"


class Status(DescribedEnum):
    """The delivery status of a message."""

    QUEUED = "queued", "waiting to be sent"
    SENDING = "sending", "a call to the provider is in progress"
    UNKNOWN = "unknown", "Signpost does not know whether the provider accepted it"
    SUPPRESSED = "suppressed", "not sent, because of a rule or an opt-out"
    CANCELED = "canceled", "canceled before it was sent"
    EXPIRED = "expired", "it expired before it could be sent"
    ACCEPTED = "accepted", "the provider accepted it"
    SENT = "sent", "the provider sent it"
    FAILED = "failed", "rejected, and will not be sent"
    UNDELIVERED = "undelivered", "sent, but not delivered"
    DELIVERED = "delivered", "delivered to the recipient"
    READ = "read", "delivered, and opened by the recipient"

    @classmethod
    def read(cls, stored: str) -> Status:
        """Return a stored status. An unknown one is UNKNOWN, which any report raises."""
        return cls(stored) if stored in cls._value2member_map_ else cls.UNKNOWN

    @property
    def rank(self) -> int:
        """The order of the reports of a provider: a report can only raise it."""
        return _RANK[self]

    @property
    def final(self) -> bool:
        """True if no change is expected, except that `undelivered` may become delivered."""
        return self.rank in (3, 6, 7, 8)

    @property
    def awaits_report(self) -> bool:
        """True if the provider accepted the message and may report more. Some never do."""
        return self in (Status.ACCEPTED, Status.SENT)

    @property
    def is_delivered(self) -> bool:
        return self in (Status.DELIVERED, Status.READ)


_RANK = {
    Status.QUEUED: 0,
    Status.SENDING: 1,
    Status.UNKNOWN: 2,
    Status.SUPPRESSED: 3,
    Status.CANCELED: 3,
    Status.EXPIRED: 3,
    Status.ACCEPTED: 4,
    Status.SENT: 5,
    Status.FAILED: 6,
    Status.UNDELIVERED: 6,
    Status.DELIVERED: 7,
    Status.READ: 8,
}


class EventType(DescribedEnum):
    """The type of an event that a signing app posts."""

    SENT = "request.sent", "a document was sent out for signature"
    VIEWED = "request.viewed", "a signer opened the document"
    SIGNED = "request.signed", "a signer signed"
    DECLINED = "request.declined", "a signer declined to sign"
    COMPLETED = "request.completed", "everyone signed, and the document is ready"
    REMINDER = "request.reminder", "a reminder is due"
    EXPIRED = "request.expired", "the request expired before everyone signed"
    CANCELED = "request.canceled", "the sender canceled the request"

    @property
    def asks_to_sign(self) -> bool:
        """True if its messages are useless when nothing is left to sign, or signing has ended."""
        return self in (EventType.SENT, EventType.REMINDER)


class Audience(DescribedEnum):
    """The recipients that a route notifies. Who belongs to an audience depends on the event."""

    SIGNER = "signer", "the signer whom the event is about, or the signers it asks to sign"
    OTHERS = "others", "the other signers"
    SENDER = "sender", "the sender of the document"
    OBSERVERS = "observers", "the observers of the request, who receive copies"
    TEAM = "team", "the team that reads the destination of a connection"


class PersonRole(DescribedEnum):
    """The part of a person in a signing request."""

    SIGNER = "signer", "is asked to sign"
    OBSERVER = "observer", "receives copies"
    SENDER = "sender", "sent the document"

    @classmethod
    def read(cls, stored: str) -> PersonRole:
        """Return a stored role. A person with an unknown role is never asked to sign."""
        return cls(stored) if stored in cls._value2member_map_ else cls.OBSERVER


class Connective(DescribedEnum):
    """The relation of a step of a route to the steps before it."""

    ALSO = "also", "always, beside the steps before it"
    OTHERWISE = "otherwise", "only if the step before it does not reach its goal"


class Goal(DescribedEnum):
    """The goal of a message. If it is not reached, the next step follows."""

    SENT = "sent", "the provider accepted the message"
    DELIVERED = "delivered", "the message was delivered"
    READ = "read", "the recipient opened the message"
    OPENED = "opened", "the recipient opened the document"


class RequestState(DescribedEnum):
    """The state of a signing request."""

    OPEN = "open", "signatures are missing"
    COMPLETED = "completed", "everyone signed"
    DECLINED = "declined", "a signer declined to sign"
    EXPIRED = "expired", "the request expired before everyone signed"
    CANCELED = "canceled", "the sender canceled it"


class SignerState(DescribedEnum):
    """The state of a signer."""

    PENDING = "pending", "has not signed"
    VIEWED = "viewed", "opened the document, has not signed"
    SIGNED = "signed", "signed"
    DECLINED = "declined", "declined to sign"

    @classmethod
    def read(cls, stored: str) -> SignerState:
        """Return a stored state. A signer with an unknown state is not asked to sign."""
        return cls(stored) if stored in cls._value2member_map_ else cls.DECLINED

    @property
    def has_not_signed(self) -> bool:
        """True until the signer has signed."""
        return self in (SignerState.PENDING, SignerState.VIEWED)


class RemindedBy(DescribedEnum):
    """The sender of the reminders to the signers of a source."""

    HUB = "hub", "Signpost, by the schedule of reminders"
    APP = "app", "the signing app, with its own events"


class ConnectionState(DescribedEnum):
    """The state of a connection, which decides whether it sends."""

    NEW = "new", "saved, never enabled"
    ENABLED = "enabled", "sends"
    DISABLED = "disabled", "disabled by an admin, and its messages stay queued"
    BROKEN = (
        "broken",
        "the provider rejects every message until an admin fixes it, and its messages stay queued",
    )


class EndpointState(DescribedEnum):
    """The state of a webhook endpoint."""

    ENABLED = "enabled", "events are sent to it"
    DISABLED = "disabled", "events are kept as missed, and are not sent to it"


class DeliveryState(DescribedEnum):
    """The state of a platform event for one webhook endpoint."""

    PENDING = "pending", "waiting for the first or the next attempt"
    DELIVERED = "delivered", "the endpoint accepted it"
    FAILED = "failed", "the last attempt failed"
    MISSED = "missed", "it happened while the endpoint was off"
    SKIPPED = "skipped", "an operator skipped it, so that the handler does not receive it"


class Lane(DescribedEnum):
    """The queue of a connection in which a message waits."""

    NOW = "now", "urgent: someone is waiting for it"
    BULK = "bulk", "bulk messages such as reminders, which never delay urgent ones"


class Role(IntEnum):
    """The role of a user; each role includes those below it."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def title(self) -> str:
        return self.name.capitalize()

    @property
    def meaning(self) -> str:
        return {
            Role.VIEWER: "Can view everything, but cannot change anything.",
            Role.OPERATOR: "Can also send, resend, cancel and remind.",
            Role.ADMIN: "Can also manage routing, texts, connections, users and API keys.",
        }[self]
