"""People, steps and connections for the tests of planning, and short forms of its results."""

from __future__ import annotations

from hub.core.vocabulary import Audience, ConnectionState, EventType
from hub.messaging.compose.plan import (
    Candidate,
    Person,
    PlannedEvent,
    PlannedMessage,
    Route,
    SkippedStep,
    Step,
    plan_messages,
)
from hub.models import ConnectionInfo


def clean_address(address: str) -> str:
    if address == "nonsense":
        raise ValueError("This is no address.")
    return address.strip()


def make_candidate(
    name: str,
    channel: str,
    address_kind: str,
    *,
    integration: str = "fake_chat",
    state: ConnectionState = ConnectionState.ENABLED,
    destination: str = "",
    direct: str = "",
) -> Candidate:
    connection = ConnectionInfo(
        id=f"con_{name}",
        integration=integration,
        channel=channel,
        sender="",
        account="",
        destination=destination,
        rules="",
        test=False,
        state=state.value,
        archived=False,
        settings_version=1,
    )
    return Candidate(connection, address_kind, clean_address, direct)


SMS = make_candidate("sms", "sms", "phone")
SMS_TWO = make_candidate("sms_2", "sms", "phone")
WHATSAPP = make_candidate("wa", "whatsapp", "phone")
WHATSAPP_BROKEN = make_candidate("wa", "whatsapp", "phone", state=ConnectionState.BROKEN)
SMS_BROKEN = make_candidate("sms_3", "sms", "phone", state=ConnectionState.BROKEN)
EMAIL = make_candidate("mail", "email", "email")
CHAT = make_candidate(
    "chat", "chat", "chat", integration="birds", direct="chat", destination="-100"
)
DESK = make_candidate("desk", "chat", "chat", integration="desks", direct="email", destination="C1")
WALL = make_candidate("wall", "chat", "chat", integration="walls", destination="W1")
BY_SMS = Step("stp_1", "sms", "request_sent")
BY_EMAIL = Step("stp_2", "email", "request_sent")
PHONE = {"phone": "+13175551234"}
MAIL = {"email": "eric@example.com"}


def make_person(
    name: str = "eric",
    *,
    has_not_signed: bool = True,
    addresses: dict[str, str] | None = None,
    **fields: object,
) -> Person:
    return Person(
        f"sgn_{name}", name, has_not_signed, PHONE if addresses is None else addresses, **fields
    )  # type: ignore[arg-type]


def plan(
    routes: list[Route],
    people: list[Person],
    candidates: list[Candidate],
    event_type: EventType = EventType.COMPLETED,
    **facts: object,
) -> tuple[list[PlannedMessage], list[SkippedStep]]:
    event = PlannedEvent(event_type, **facts)  # type: ignore[arg-type]
    ladders = plan_messages(routes, people, candidates, event)
    return (
        [ladder.message(ladder.possible_rungs[0]) for ladder in ladders if ladder.possible_rungs],
        [step for ladder in ladders for step in ladder.skipped_steps()],
    )


def planned_messages(
    planned: tuple[list[PlannedMessage], list[SkippedStep]],
) -> list[tuple[str, str, str]]:
    return [
        (message.person.external_id, message.candidate.connection.id, message.to)
        for message in planned[0]
    ]


def skipped_steps(
    planned: tuple[list[PlannedMessage], list[SkippedStep]],
) -> list[tuple[str, str, str]]:
    return [(step.signer, step.step, step.reason) for step in planned[1]]


def make_route(audience: Audience, *steps: Step) -> Route:
    return Route(audience.value, steps or (BY_SMS,))
