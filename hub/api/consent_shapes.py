"""Request and response shapes of opt-outs and consents."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StrictBool, StringConstraints

from hub.api.fields import Address, cursor
from hub.core.vocabulary import Channel
from hub.lib import times
from hub.signing.events import Moment, Strict

MAX_PAGE_SIZE = 100
EVERY_CHANNEL = "Omit for every channel."


class SuppressionIn(Strict):
    """An address to opt out."""

    address: Address = Field(
        description=(
            "A phone number such as +13175551234, or an email address. Phone numbers are"
            " stored in E.164 form."
        )
    )
    channel: Channel | None = Field(default=None, description=EVERY_CHANNEL)
    why: Annotated[str, StringConstraints(max_length=500)] = ""


class LiftIn(Strict):
    """The reason for removing an opt-out."""

    why: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class SuppressionQuery(Strict):
    """Filters for the list of opt-outs."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 25
    after: str | None = cursor("sup")
    address: Address | None = None
    opened: bool = Field(
        default=False, description="True lists removed opt-outs instead of active ones."
    )


class SuppressionOut(BaseModel):
    """An opt-out of an address, active or removed."""

    id: str
    address: str | None = Field(description="Null if the person was erased.")
    channel: Channel | None = Field(description="Null for every channel.")
    reason: str = Field(description="keyword, provider, admin, complaint, import or api.")
    code: str | None = Field(description="The provider's error code.")
    why: str
    message: str | None
    since: AwareDatetime
    lifted_at: AwareDatetime | None
    lifted_why: str
    test: bool


class BlockOut(BaseModel):
    """An opt-out or a refusal that blocks messages of your source to an address now."""

    channel: Channel | None = Field(description="Null for every channel.")
    code: str = Field(description="The code that a message would get: keyword, admin, api…")


class SuppressionsOut(BaseModel):
    """A page of your source's own opt-outs, newest first. `next` is null on the last page."""

    suppressions: list[SuppressionOut]
    blocked: list[BlockOut] | None = Field(
        description=(
            "With `address`: what blocks your messages to it now. This includes opt-outs"
            " that apply to every source, which are not listed and which only an admin"
            " removes. Null without `address`."
        )
    )
    next: str | None


class ConsentIn(Strict):
    """A consent or a refusal of a person."""

    address: Address = Field(
        description=(
            "A phone number such as +13175551234, or an email address. Phone numbers are"
            " stored in E.164 form."
        )
    )
    yes: StrictBool = Field(
        alias="given", description=("True if the person consents, false if the person refuses.")
    )
    channel: Channel | None = Field(default=None, description=EVERY_CHANNEL)
    purpose: Annotated[str, StringConstraints(max_length=100)] = Field(
        default="",
        description=(
            "The purpose of the consent. Only entries without a purpose or with `signing`"
            " decide whether a message is allowed. Others are stored."
        ),
    )
    at: Moment | None = Field(
        default=None,
        description=(
            "The time of the decision. Default: now. A time up to 10 minutes ahead is"
            f" stored as now, and a later one is rejected. {times.RANGE}"
        ),
    )
    ip: Annotated[str, StringConstraints(max_length=45)] = ""
    agent: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="The browser's User-Agent."
    )
    proof: Annotated[str, StringConstraints(max_length=5000)] = Field(
        default="", description="The words that the person agreed to. Stored encrypted."
    )


class ConsentQuery(Strict):
    """Filters for the list of consents."""

    address: Address
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE)] = 25
    after: str | None = cursor("cns")


class ConsentOut(BaseModel):
    """A recorded consent or refusal."""

    id: str
    address: str
    channel: Channel | None = Field(description="Null for every channel.")
    purpose: str
    given: bool
    source: str = Field(description="api, import, keyword, admin or provider.")
    at: AwareDatetime
    ip: str
    agent: str
    proof: str


class ConsentsOut(BaseModel):
    """A page of consents and refusals, newest first. `next` is null on the last page."""

    consents: list[ConsentOut]
    next: str | None
