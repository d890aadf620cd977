"""Request and response shapes of opt-outs and consents."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field, StrictBool, StringConstraints

from hub.api.fields import Address, cursor
from hub.core.vocabulary import Channel
from hub.lib import times
from hub.signing.events import Moment, Strict

MOST = 100
EVERY = "Left out: every channel."


class SuppressionIn(Strict):
    """An address that nothing may be sent to."""

    address: Address = Field(
        description=(
            "A number such as +13175551234, or an e-mail address. A number is stored in its normal"
            " form."
        )
    )
    channel: Channel | None = Field(default=None, description=EVERY)
    why: Annotated[str, StringConstraints(max_length=500)] = ""


class LiftIn(Strict):
    """The reason for removing an opt-out."""

    why: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class SuppressionQuery(Strict):
    """Filters for the list of opt-outs."""

    limit: Annotated[int, Field(ge=1, le=MOST)] = 25
    after: str | None = cursor("sup")
    address: Address | None = None
    opened: bool = Field(
        default=False, description="True: those that were lifted, instead of those that hold."
    )


class SuppressionOut(BaseModel):
    """An address that nothing may be sent to, or might not until it was lifted."""

    id: str
    address: str | None = Field(description="Null when the person was erased.")
    channel: Channel | None = Field(description="Null for every channel.")
    reason: str = Field(description="keyword, provider, admin, complaint, import or api.")
    code: str | None = Field(description="The provider's code.")
    why: str
    message: str | None
    since: AwareDatetime
    lifted_at: AwareDatetime | None
    lifted_why: str
    test: bool


class BlockOut(BaseModel):
    """A reason why messages of your source to an address are not sent now."""

    channel: Channel | None = Field(description="Null for every channel.")
    code: str = Field(description="The code that a message would get: keyword, admin, api…")


class SuppressionsOut(BaseModel):
    """A page of your source's own opt-outs, newest first; `next` is null on the last."""

    suppressions: list[SuppressionOut]
    blocked: list[BlockOut] | None = Field(
        description=(
            "With `address`: what blocks your messages to it now, including opt-outs that "
            "hold for every source. Those are not listed, and only an admin lifts them. "
            "Null without `address`."
        )
    )
    next: str | None


class ConsentIn(Strict):
    """A yes or a no of a person."""

    address: Address = Field(
        description=(
            "A number such as +13175551234, or an e-mail address. A number is stored in its normal"
            " form."
        )
    )
    yes: StrictBool = Field(alias="given", description="True for yes.")
    channel: Channel | None = Field(default=None, description=EVERY)
    purpose: Annotated[str, StringConstraints(max_length=100)] = Field(
        default="",
        description=(
            "What it is for. Whether a message may go, lines without one and with `signing` decide;"
            " others are kept."
        ),
    )
    at: Moment | None = Field(
        default=None,
        description=(
            "When it was said. Left out: now. Up to 10 minutes ahead is stored as now, "
            f"later is refused. {times.RANGE}"
        ),
    )
    ip: Annotated[str, StringConstraints(max_length=45)] = ""
    agent: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="The browser's User-Agent."
    )
    proof: Annotated[str, StringConstraints(max_length=5000)] = Field(
        default="", description="The words that were agreed to. Kept sealed."
    )


class ConsentQuery(Strict):
    """The address whose consents to list."""

    address: Address
    limit: Annotated[int, Field(ge=1, le=MOST)] = 25
    after: str | None = cursor("cns")


class ConsentOut(BaseModel):
    """A line of the ledger."""

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
    """A page of the ledger, newest first. `next` is null on the last."""

    consents: list[ConsentOut]
    next: str | None
