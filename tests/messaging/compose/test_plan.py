"""Planning: the recipients of an event and their connections. The plan is a pure function."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.vocabulary import Audience, ConnectionState
from hub.messaging.compose.plan import (
    REASONS,
    Candidate,
    Person,
    PlannedMessage,
    Route,
    SkippedStep,
    Step,
    plan_messages,
    plan_posts,
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
    **more: object,
) -> Person:
    return Person(
        f"sgn_{name}", name, has_not_signed, PHONE if addresses is None else addresses, **more
    )  # type: ignore[arg-type]


def planned_messages(
    found: tuple[list[PlannedMessage], list[SkippedStep]],
) -> list[tuple[str, str, str]]:
    return [(one.person.external_id, one.candidate.connection.id, one.to) for one in found[0]]


def skipped_steps(
    found: tuple[list[PlannedMessage], list[SkippedStep]],
) -> list[tuple[str, str, str]]:
    return [(one.signer, one.step, one.reason) for one in found[1]]


def make_route(audience: Audience, *steps: Step) -> Route:
    return Route(audience.value, steps or (BY_SMS,))


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        (Audience.SIGNERS, ["eric", "anna", "ravi"]),
        (Audience.PENDING, ["anna", "ravi"]),
        (Audience.ACTOR, ["eric"]),
        (Audience.OTHERS, ["anna", "ravi"]),
    ],
)
def test_audience_selects_its_people(audience: Audience, expected: list[str]) -> None:
    people = [make_person("eric", has_not_signed=False), make_person("anna"), make_person("ravi")]
    found = plan_messages([make_route(audience)], people, [SMS], actor="sgn_eric")
    assert [planned_message[0] for planned_message in planned_messages(found)] == expected
    assert found[1] == []


def test_event_without_an_actor_notifies_everybody_as_others() -> None:
    people = [make_person("eric"), make_person("anna")]
    assert plan_messages([make_route(Audience.ACTOR)], people, [SMS]) == ([], [])
    assert len(plan_messages([make_route(Audience.OTHERS)], people, [SMS])[0]) == 2


@pytest.mark.parametrize(
    ("signer", "candidates", "step", "reason"),
    [
        (make_person(addresses={}), [SMS], BY_SMS, "no_address"),
        (make_person(addresses=MAIL), [SMS], BY_SMS, "no_address"),
        (make_person(), [EMAIL], BY_EMAIL, "no_address"),
        (make_person(), [], BY_SMS, "no_connection"),
        (make_person(addresses={}), [], BY_SMS, "no_address"),
        (make_person(), [EMAIL], BY_SMS, "no_connection"),
        (make_person(wants={"phone": False}), [SMS], BY_SMS, "not_wanted"),
        (make_person(addresses={"phone": "nonsense"}), [SMS], BY_SMS, "bad_address"),
        (make_person(), [SMS], Step("stp_3", "sms", "t", "con_gone"), "no_connection"),
        (make_person(), [SMS], Step("stp_4", "chat", "t"), "no_address"),
    ],
)
def test_impossible_action_is_listed_with_its_reason(
    signer: Person, candidates: list[Candidate], step: Step, reason: str
) -> None:
    found = plan_messages([make_route(Audience.SIGNERS, step)], [signer], candidates)
    assert planned_messages(found) == []
    assert skipped_steps(found) == [("eric", step.channel, reason)]
    assert found[1][0].as_json()["text"] == REASONS[reason]


@pytest.mark.parametrize(
    ("preference", "candidates", "taken"),
    [
        ((), [SMS, WHATSAPP], "con_sms"),
        (("whatsapp", "sms"), [SMS, WHATSAPP], "con_wa"),
        (("whatsapp", "sms"), [SMS], "con_sms"),
        (("whatsapp",), [SMS], "con_sms"),
        (("email", "whatsapp"), [SMS, WHATSAPP, EMAIL], "con_wa"),
        (("voice",), [SMS, WHATSAPP], "con_sms"),
        (("whatsapp", "sms"), [SMS, WHATSAPP_BROKEN], "con_sms"),
        (("whatsapp", "sms"), [SMS_BROKEN, WHATSAPP_BROKEN], "con_wa"),
        ((), [SMS_TWO, SMS], "con_sms_2"),
        ((), [SMS_BROKEN, SMS], "con_sms"),
        ((), [SMS_BROKEN], "con_sms_3"),
    ],
)
def test_phone_uses_the_first_enabled_preferred_channel(
    preference: tuple[str, ...], candidates: list[Candidate], taken: str
) -> None:
    found = plan_messages(
        [make_route(Audience.SIGNERS)], [make_person(preference=preference)], candidates
    )
    assert planned_messages(found) == [("eric", taken, "+13175551234")]


def test_step_with_a_connection_uses_no_other() -> None:
    step = Step("stp_3", "sms", "t", "con_sms_2")
    found = plan_messages(
        [make_route(Audience.SIGNERS, step)],
        [make_person(preference=("whatsapp",))],
        [SMS, SMS_TWO, WHATSAPP],
    )
    assert planned_messages(found) == [("eric", "con_sms_2", "+13175551234")]


def test_phone_preference_does_not_affect_email() -> None:
    who = make_person(addresses={**PHONE, **MAIL}, preference=("whatsapp",))
    found = plan_messages([make_route(Audience.SIGNERS, BY_SMS, BY_EMAIL)], [who], [SMS, EMAIL])
    assert planned_messages(found) == [
        ("eric", "con_sms", "+13175551234"),
        ("eric", "con_mail", "eric@example.com"),
    ]


def test_address_is_used_in_its_normal_form() -> None:
    assert (
        planned_messages(
            plan_messages(
                [make_route(Audience.SIGNERS)],
                [make_person(addresses={"phone": " +13175551234 "})],
                [SMS],
            )
        )[0][2]
        == "+13175551234"
    )


def test_signer_without_open_action_is_not_asked_to_sign() -> None:
    people = [make_person("eric", has_not_signed=False), make_person("anna")]
    found = plan_messages([make_route(Audience.SIGNERS)], people, [SMS], asks_to_sign=True)
    assert [planned_message[0] for planned_message in planned_messages(found)] == ["anna"]
    assert skipped_steps(found) == [("eric", "sms", "already_signed")]


def test_closed_request_sends_news_but_no_reminders() -> None:
    people = [make_person("eric"), make_person("anna")]
    asked = plan_messages(
        [make_route(Audience.SIGNERS)], people, [SMS], asks_to_sign=True, closed=True
    )
    assert (
        planned_messages(asked),
        {skipped_step[2] for skipped_step in skipped_steps(asked)},
    ) == (
        [],
        {"request_closed"},
    )
    assert len(plan_messages([make_route(Audience.SIGNERS)], people, [SMS], closed=True)[0]) == 2


# ── Chats ─────────────────────────────────────────────────────────────────────────────────────────
def test_preferred_chat_is_used_only_after_the_person_linked_it() -> None:
    linked = make_person("eric", chats={"con_chat": "77"}, preference=["birds", "sms"])
    stranger = make_person("anna", preference=["birds", "sms"])
    found = plan_messages([make_route(Audience.SIGNERS)], [linked, stranger], [SMS, CHAT])
    assert planned_messages(found) == [
        ("eric", "con_chat", "77"),
        ("anna", "con_sms", "+13175551234"),
    ]


def test_email_chat_needs_no_link_and_respects_the_source() -> None:
    both = {**PHONE, **MAIL}
    eric = make_person("eric", addresses=both, preference=["desks"])
    anna = make_person("anna", addresses=both, preference=["desks"], wants={"email": False})
    found = plan_messages([make_route(Audience.SIGNERS)], [eric, anna], [SMS, DESK])
    assert planned_messages(found) == [
        ("eric", "con_desk", "eric@example.com"),
        ("anna", "con_sms", "+13175551234"),
    ]
    assert skipped_steps(found) == []


def test_team_only_chat_is_never_used_for_a_signer() -> None:
    found = plan_messages(
        [make_route(Audience.SIGNERS, Step("stp_3", "chat", "t"))],
        [make_person(preference=["walls", "chat"])],
        [WALL],
    )
    assert (planned_messages(found), skipped_steps(found)) == ([], [("eric", "chat", "no_address")])


def test_team_step_uses_its_own_connection() -> None:
    route = Route(
        Audience.TEAM.value,
        [Step("stp_5", "chat", "team", "con_wall"), Step("stp_6", "chat", "team", "con_gone")],
    )
    found, left = plan_posts([route, make_route(Audience.SIGNERS)], [SMS, WALL])
    assert [(one.connection.id, one.step.id) for one in found] == [("con_wall", "stp_5")]
    assert [(skipped_step.signer, skipped_step.reason) for skipped_step in left] == [
        ("", "connection_off")
    ]
    assert plan_messages([route], [make_person()], [SMS, WALL]) == ([], [])


def test_team_is_not_notified_about_a_closed_request() -> None:
    route = Route(Audience.TEAM.value, [Step("stp_5", "chat", "team", "con_wall")])
    assert plan_posts([route], [WALL], asks_to_sign=True, closed=True) == (
        [],
        [SkippedStep("", "chat", "request_closed")],
    )


people = st.lists(
    st.builds(
        Person,
        id=st.uuids().map(str),
        external_id=st.text(min_size=1, max_size=5),
        has_not_signed=st.booleans(),
        addresses=st.dictionaries(
            st.sampled_from(["phone", "email", "chat"]), st.sampled_from(["a", "nonsense", " b "])
        ),
        wants=st.dictionaries(st.sampled_from(["phone", "email"]), st.booleans()),
        preference=st.lists(st.sampled_from(["whatsapp", "sms", "voice", "email", "chat"])),
    ),
    max_size=4,
    unique_by=lambda one: one.id,
)
routes = st.lists(
    st.builds(
        Route,
        audience=st.sampled_from([one.value for one in Audience]),
        steps=st.lists(
            st.sampled_from(
                [
                    BY_SMS,
                    BY_EMAIL,
                    Step("stp_3", "chat", "t"),
                    Step("stp_4", "sms", "t", "con_sms_2"),
                ]
            )
        ),
    ),
    max_size=3,
)
candidates = st.lists(
    st.sampled_from([SMS, SMS_TWO, SMS_BROKEN, WHATSAPP, WHATSAPP_BROKEN, EMAIL]),
    unique_by=lambda one: one.connection.id,
)


@given(
    people=people, routes=routes, candidates=candidates, asks=st.booleans(), closed=st.booleans()
)
def test_every_wanted_step_is_planned_or_listed(
    people: list[Person], routes: list[Route], candidates: list[Candidate], asks: bool, closed: bool
) -> None:
    actor = people[0].id if people else ""
    done, left = plan_messages(
        routes, people, candidates, actor=actor, asks_to_sign=asks, closed=closed
    )
    routes = [route for route in routes if route.audience != Audience.TEAM]
    sizes = {
        Audience.SIGNERS: len(people),
        Audience.PENDING: sum(person.has_not_signed for person in people),
        Audience.ACTOR: min(len(people), 1),
        Audience.OTHERS: max(len(people) - 1, 0),
    }
    assert len(done) + len(left) == sum(
        sizes[Audience(route.audience)] * len(route.steps) for route in routes
    )
    for one in done:
        assert one.person.wants.get(one.candidate.address_kind, True)
        assert one.to == one.person.addresses[one.candidate.address_kind].strip()
        assert not (asks and (closed or not one.person.has_not_signed))
        assert one.candidate in candidates
    assert {skipped_step.reason for skipped_step in left} <= set(REASONS)
