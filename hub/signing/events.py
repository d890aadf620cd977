"""Define the schema of an event as a signing app posts it.

An absent field stays unchanged. A field that is null is cleared.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StringConstraints,
    Tag,
    WithJsonSchema,
    model_validator,
)

from hub import integrations
from hub.core.vocabulary import PHONE_CHANNELS, Channel, EventType
from hub.lib import phones, times
from hub.lib.text import clean_line, validate_url
from hub.signing import identifiers
from hub.signing.reminder_schedule import MAX_DAYS, MAX_REMINDERS, MAX_TIMES


def _phone(text: str) -> str:
    return phones.parse_strict(text)


@lru_cache(maxsize=4096)  # every event repeats the sender's address
def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ValueError(f"This is not an email address: {error}") from None


_zones = cache(available_timezones)  # reading the time zone files is slow


def _zone(text: str) -> str:
    if text not in _zones():
        raise ValueError("Send an IANA time zone, such as America/Indiana/Indianapolis.")
    return text


def _preferences() -> list[str]:
    """Return the values of a preference: channels, and integrations with direct messages."""
    channels = [
        channel.value
        for channel in (Channel.WHATSAPP, Channel.SMS, Channel.VOICE, Channel.EMAIL, Channel.CHAT)
    ]
    return channels + [
        name
        for name, integration_class in integrations.registry().items()
        if integration_class.direct_address_kind is not None
    ]


def _preference(text: str) -> str:
    if text not in _preferences():
        raise ValueError(f"Send one of {', '.join(_preferences())}.")
    return text


def _url(text: str) -> str:
    AnyHttpUrl(validate_url(text))  # raises ValueError
    return text


def _in_range(time: datetime) -> datetime:
    if not times.in_range(time):
        raise ValueError(times.OUT_OF_RANGE)
    return time


def _without_repeats(days: list[int]) -> list[int]:
    if len({*days}) < len(days):
        raise ValueError("Send each day once.")
    return days


def _refuse_number(value: Any) -> Any:
    """Refuse a number as a time, also as text, because its unit is ambiguous."""
    number = isinstance(value, int | float | Decimal) or (
        isinstance(value, str) and not _STARTS_WITH_YEAR.match(value)
    )
    if number and not isinstance(value, bool):
        raise ValueError(
            "Send the time as a string with a UTC offset, such as 2026-11-21T09:30:00Z."
        )
    return value


def _whole_number(value: Any) -> Any:
    """Accept what JSON Schema calls an integer, such as 3 and 3.0, and no text or boolean."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("Send a whole number without quotation marks.")
    return value


def _limit_ahead(value: datetime) -> datetime:
    return times.limit_ahead(value, datetime.now(UTC))


_STARTS_WITH_YEAR = re.compile(r"[0-9]{4}-")
# the type of every time in the API; its range is part of the OpenAPI document
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_refuse_number),
    AfterValidator(_in_range),
    Field(description=times.RANGE),
]
WHOLE = BeforeValidator(_whole_number)  # stands after the range, which it would hide otherwise
# one line of text without control characters, which a JSON Schema pattern cannot express
_id_length = Field(
    min_length=1, max_length=identifiers.MAX_LENGTH, json_schema_extra={"format": "external-id"}
)
EventId = Annotated[str, _id_length, AfterValidator(identifiers.external_id)]
SignerId = Annotated[str, _id_length, AfterValidator(identifiers.signer_id)]
RequestId = Annotated[str, _id_length, AfterValidator(identifiers.request_id)]
Short = Annotated[str, StringConstraints(max_length=500), AfterValidator(clean_line)]
Phone = Annotated[str, AfterValidator(_phone), Field(json_schema_extra={"format": "phone"})]
Email = Annotated[
    str,
    StringConstraints(max_length=320),
    AfterValidator(_email),
    Field(json_schema_extra={"format": "email"}),
]
Url = Annotated[
    str,
    StringConstraints(max_length=2000),
    AfterValidator(_url),
    Field(json_schema_extra={"format": "uri"}),
]
Zone = Annotated[str, AfterValidator(_zone), Field(json_schema_extra={"format": "time-zone"})]
Preference = Annotated[
    str,
    AfterValidator(_preference),
    Field(json_schema_extra=lambda schema: schema.update(enum=_preferences())),
]
Locale = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$")]


class Strict(BaseModel):
    """Refuse unknown fields instead of dropping them silently."""

    model_config = ConfigDict(extra="forbid")

    def sent_fields(self) -> dict[str, Any]:
        """Return the fields that the signing app sent, including those that are null."""
        return self.model_dump(exclude_unset=True, mode="json")


class SendTo(Strict):
    """The addresses of a person to use. All are used by default."""

    mobile_number: StrictBool = True
    email: StrictBool = True


# a chat has no address that events report
CONSENT_CHANNELS = (*PHONE_CHANNELS, Channel.EMAIL)
ConsentChannel = Annotated[
    Channel, WithJsonSchema({"type": "string", "enum": [str(name) for name in CONSENT_CHANNELS]})
]


class PersonConsentIn(Strict):
    """A person's consent to messages, with its evidence.

    It is recorded for the addresses of the person that the channel uses.
    """

    channel: ConsentChannel | None = Field(default=None, description="Omit for every channel.")
    at: Moment | None = Field(
        default=None, description="The time of the consent. Default: the time of the event."
    )
    ip: Annotated[str, StringConstraints(max_length=45), AfterValidator(clean_line)] = ""
    agent: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="The browser's User-Agent."
    )
    proof: Annotated[str, StringConstraints(max_length=5000)] = Field(
        default="", description="The words that the person agreed to. Stored encrypted."
    )


class PersonIn(Strict):
    """A person whom events notify."""

    name: Short | None = None
    email: Email | None = None
    mobile_number: Phone | None = Field(
        default=None,
        description="E.164: + and the country code, followed by digits only.",
        examples=["+13175551234"],
    )
    locale: Locale | None = None
    time_zone: Zone | None = None
    send_to: SendTo | None = None
    preference: Annotated[list[Preference], Field(max_length=20)] | None = Field(
        default=None,
        description=(
            "The person's channels, in order of preference. For a chat, use the name of its"
            " integration."
        ),
    )
    consent: PersonConsentIn | None = Field(
        default=None,
        description=(
            "A consent of the person to messages. It is added to the consent history once, even"
            " if it is repeated. `POST /api/v1/consents` records others, and refusals."
        ),
    )


class SenderIn(PersonIn):
    """The sender of a document."""


Days = Annotated[
    list[Annotated[int, Field(ge=1, le=MAX_DAYS), WHOLE]],
    Field(max_length=MAX_TIMES, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_without_repeats),
]


class RemindersIn(Strict):
    """The automatic reminders of a request. A field that you leave out is as in the source."""

    enabled: StrictBool = Field(default=True, description="False switches them off.")
    days: Days = Field(default=[3, 7, 14], description="Days after the invitation.")
    days_before_expiry: Days = Field(default=[1], description="Days before `expires_at`.")
    most: Annotated[int, Field(ge=1, le=MAX_REMINDERS), WHOLE] = Field(
        default=5, description="The most reminders to one signer, of any kind."
    )
    working_days: StrictBool = Field(
        default=False,
        description=(
            "Remind on working days only: from Monday to Friday, or from Sunday to Thursday in"
            " countries where these are usual. The phone number decides the country."
        ),
    )


class RequestIn(Strict):
    """The signing request that an event is about."""

    id: RequestId = Field(description="The request's ID in your app. Percent-encode it in URLs.")
    title: Short | None = None
    sender: SenderIn | None = None
    expires_at: Moment | None = Field(
        default=None,
        description=(
            "The deadline for signing. After it, signers receive no requests and no reminders."
        ),
    )
    reminders: RemindersIn | None = Field(
        default=None,
        description="The automatic reminders. Null: those of the source.",
    )
    url: Url | None = Field(
        default=None,
        description="The URL where the sender's team sees the document, never a signing link.",
    )


LINK_EXPIRY: Any = Field(
    default=None,
    description=(
        "When `download_url` stops working, if it does. A message with the link is not sent"
        " afterwards. Default: it keeps working."
    ),
)


class SignerIn(PersonIn):
    """A person who is asked to sign."""

    id: SignerId = Field(description="The signer's ID in your app.")
    order: Annotated[int, Field(ge=1, le=1000), WHOLE] | None = Field(
        default=None,
        description=(
            "The signer's turn. Signers with a higher number are asked when all those with lower"
            " numbers have signed. Signers with equal numbers are asked together. Default: 1."
        ),
    )
    signing_url: Url | None = None
    download_url: Url | None = None
    download_url_expires_at: Moment | None = LINK_EXPIRY


class ObserverIn(PersonIn):
    """A person who receives copies and does not sign."""

    id: SignerId = Field(description="The observer's ID in your app.")
    download_url: Url | None = None
    download_url_expires_at: Moment | None = LINK_EXPIRY


# the discriminator makes an error refer to the shape that the app sent
Actor = Annotated[
    Annotated[SignerId, Tag("<id>")] | Annotated[SignerIn, Tag("<signer>")],
    Discriminator(lambda value: "<id>" if isinstance(value, str) else "<signer>"),
]


class EventIn(Strict):
    """Something that happened to a document."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"type": {"const": EventType.SIGNED.value}}, "required": ["type"]},
            "then": {"properties": {"signer": {"not": {"type": "null"}}}, "required": ["signer"]},
        }
    )

    type: EventType
    id: EventId | None = Field(default=None, description="The event's ID in your app.")
    occurred_at: Annotated[Moment, AfterValidator(_limit_ahead)] = Field(
        default_factory=lambda: datetime.now(UTC),
        description=(
            "The time of the event. It decides if events arrive out of order. A time more than 10"
            f" minutes ahead is replaced by the current time. {times.RANGE}"
        ),
    )
    send_at: Moment | None = Field(
        default=None,
        description=(
            "The time to send the messages of this event, at most 90 days ahead and before the"
            " request expires. People, routes and texts are those of that time. Default: now."
        ),
    )
    request: RequestIn
    signers: Annotated[list[SignerIn], Field(max_length=500)] = []
    signers_removed: Annotated[list[SignerId], Field(max_length=500)] = Field(
        default=[],
        description=(
            "The IDs of signers who are no longer asked to sign. Their waiting messages are"
            " canceled. A later event that lists a signer in `signers` adds the signer again."
        ),
    )
    observers: Annotated[list[ObserverIn], Field(max_length=100)] = Field(
        default=[],
        description="People who receive copies. One ID can be that of a signer too.",
    )
    signer: Actor | None = Field(
        default=None, description="The signer whom the event is about: an ID, or the signer object."
    )
    download_url: Url | None = Field(
        default=None, description=("The URL of the completed document.")
    )
    download_url_expires_at: Moment | None = LINK_EXPIRY

    @model_validator(mode="after")
    def _consistent(self) -> EventIn:
        if self.type == EventType.SIGNED and self.signer is None:
            raise ValueError("signer: Send the signer who signed.")
        ids = [signer.id for signer in self.signers]
        if len(set(ids)) < len(ids):
            raise ValueError("signers: Two signers have the same ID. Give each signer its own ID.")
        observer_ids = [observer.id for observer in self.observers]
        if len(set(observer_ids)) < len(observer_ids):
            raise ValueError(
                "observers: Two observers have the same ID. Give each observer its own ID."
            )
        if set(ids) & set(self.signers_removed):
            raise ValueError(
                "signers_removed: A removed signer is also in `signers`. Send the signer in one of"
                " them only."
            )
        return self

    @property
    def actor(self) -> SignerIn | None:
        """The signer that the event is about."""
        return SignerIn(id=self.signer) if isinstance(self.signer, str) else self.signer
