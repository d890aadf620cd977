"""The audiences of an event: whom a route notifies."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.vocabulary import Audience, EventType, PersonRole
from hub.messaging.compose.audiences import members
from hub.messaging.compose.plan import Person


def make_person(name: str, **fields: Any) -> Person:
    return Person(f"sgn_{name}", name, **{"has_not_signed": True, "addresses": {}} | fields)


SIGNERS: dict[str, dict[str, Any]] = {
    "eric": {"has_not_signed": False, "has_signed": True},
    "anna": {},
    "ravi": {"has_turn": False, "was_invited": False},
    "dina": {"has_not_signed": False},
}
ALL = list(SIGNERS)


@pytest.mark.parametrize(
    ("event_type", "actor", "signers", "others"),
    [
        (EventType.SENT, "", ["anna"], []),
        (EventType.REMINDER, "eric", ["anna"], []),
        (EventType.VIEWED, "anna", ["anna"], ["eric", "ravi", "dina"]),
        (EventType.SIGNED, "eric", ["eric"], ["anna", "ravi", "dina"]),
        (EventType.SIGNED, "", [], ALL),
        (EventType.DECLINED, "dina", ["dina"], ["eric"]),
        (EventType.DECLINED, "", [], ["eric"]),
        (EventType.COMPLETED, "anna", ALL, []),
        (EventType.EXPIRED, "", ["anna", "ravi"], ["eric"]),
        (EventType.CANCELED, "", ["eric", "anna", "dina"], []),
    ],
)
def test_audiences_depend_on_the_event(
    event_type: EventType, actor: str, signers: list[str], others: list[str]
) -> None:
    people = [make_person(name, **fields) for name, fields in SIGNERS.items()]
    people += [
        make_person("olga", role=PersonRole.OBSERVER),
        make_person("sam", role=PersonRole.SENDER),
    ]
    found = {
        audience: [
            person.external_id
            for person in members(event_type, audience, people, actor and f"sgn_{actor}")
        ]
        for audience in (*Audience, "unknown")
    }
    assert found == {
        Audience.SIGNER: signers,
        Audience.OTHERS: others,
        Audience.OBSERVERS: ["olga"],
        Audience.SENDER: ["sam"],
        Audience.TEAM: [],
        "unknown": [],
    }
