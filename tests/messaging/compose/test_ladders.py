"""Planning ladders: a step, and the steps that follow if it does not reach its goal."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.vocabulary import Audience, Connective, EventType, Goal, PersonRole
from hub.messaging.compose.audiences import members
from hub.messaging.compose.plan import (
    REASONS,
    Candidate,
    Person,
    PlannedEvent,
    PlannedLadder,
    Route,
    Step,
    plan_messages,
)
from tests.messaging.compose.plan_factories import (
    CHAT,
    DESK,
    EMAIL,
    MAIL,
    PHONE,
    SMS,
    SMS_BROKEN,
    SMS_TWO,
    WHATSAPP,
    WHATSAPP_BROKEN,
    make_candidate,
    make_person,
    make_route,
)

OTHERWISE = Connective.OTHERWISE.value
VOICE = make_candidate("voice", "voice", "phone")
EVERYTHING = [SMS, WHATSAPP, EMAIL]
REACHABLE = {**PHONE, **MAIL}


def step(position: int, channel: str, **fields: object) -> Step:
    step_id = f"stp_{position}"
    return Step(step_id, channel, "t", position=position, **fields)  # type: ignore[arg-type]


BY_WHATSAPP = step(1, "whatsapp")
THEN_SMS = step(2, "sms", connective=OTHERWISE, goal=Goal.DELIVERED.value, wait_minutes=30)
THEN_EMAIL = step(3, "email", connective=OTHERWISE, goal=Goal.OPENED.value, wait_minutes=1440)
LADDER = make_route(Audience.SIGNER, BY_WHATSAPP, THEN_SMS, THEN_EMAIL)


def plan(
    route: Route, person: Person, candidates: list[Candidate], **facts: object
) -> list[PlannedLadder]:
    event_type = facts.pop("event_type", EventType.SENT)
    event = PlannedEvent(event_type, **facts)  # type: ignore[arg-type]
    return plan_messages([route], [person], candidates, event)


def order(ladder: PlannedLadder) -> list[str]:
    return [rung.channel for rung in ladder.possible_rungs]


def reasons(ladder: PlannedLadder) -> dict[str, str]:
    return {rung.step.channel: rung.reason for rung in ladder.rungs if rung.reason}


def test_steps_are_tried_in_their_order_after_their_times() -> None:
    [ladder] = plan(LADDER, make_person(addresses=REACHABLE), EVERYTHING)
    assert order(ladder) == ["whatsapp", "sms", "email"]
    assert [(rung.goal, rung.wait_minutes) for rung in ladder.rungs] == [
        (None, None),
        ("delivered", 30),
        ("opened", 1440),
    ]


def test_message_knows_its_goal_only_while_a_step_follows() -> None:
    [ladder] = plan(LADDER, make_person(addresses=REACHABLE), EVERYTHING)
    assert [ladder.condition_after(rung) for rung in ladder.rungs] == [
        ("delivered", 30),
        ("opened", 1440),
        None,
    ]


def test_step_that_follows_only_failures_has_no_time() -> None:
    route = make_route(Audience.SIGNER, BY_WHATSAPP, step(2, "sms", connective=OTHERWISE))
    [ladder] = plan(route, make_person(), EVERYTHING)
    assert ladder.condition_after(ladder.rungs[0]) == ("delivered", None)


def test_also_step_begins_a_ladder_of_its_own() -> None:
    route = make_route(Audience.SIGNER, BY_WHATSAPP, THEN_SMS, step(3, "email"), step(4, "voice"))
    ladders = plan(route, make_person(addresses=REACHABLE), [*EVERYTHING, VOICE])
    assert [(order(ladder), ladder.position) for ladder in ladders] == [
        (["whatsapp", "sms"], 1),
        (["email"], 3),
        (["voice"], 4),
    ]


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        (["email"], ["email", "whatsapp", "sms"]),
        (["sms", "email"], ["sms", "email", "whatsapp"]),
        (["voice"], ["voice", "whatsapp", "sms", "email"]),
        (["birds"], ["whatsapp", "sms", "email"]),
        (["desks", "sms"], ["chat", "sms", "whatsapp", "email"]),
    ],
)
def test_preferred_channels_come_first_and_the_others_keep_their_order(
    preference: list[str], expected: list[str]
) -> None:
    person = make_person(addresses=REACHABLE, preference=preference)
    [ladder] = plan(LADDER, person, [*EVERYTHING, VOICE, CHAT, DESK])
    assert order(ladder) == expected


def test_times_belong_to_the_places_in_the_order() -> None:
    person = make_person(addresses=REACHABLE, preference=["email"])
    [ladder] = plan(LADDER, person, EVERYTHING)
    assert [(rung.channel, rung.wait_minutes) for rung in ladder.rungs] == [
        ("email", None),
        ("whatsapp", 30),
        ("sms", 1440),
    ]


@pytest.mark.parametrize(
    ("preference", "expected"),
    [
        ([], ["chat", "whatsapp", "sms", "email"]),
        (["sms"], ["sms", "whatsapp", "email"]),
        (["sms", "birds"], ["sms", "chat", "whatsapp", "email"]),
    ],
)
def test_linked_chat_comes_first_unless_the_app_prefers_others(
    preference: list[str], expected: list[str]
) -> None:
    person = make_person(addresses=REACHABLE, preference=preference, chats={"con_chat": "77"})
    [ladder] = plan(LADDER, person, [*EVERYTHING, CHAT, DESK])
    assert order(ladder) == expected


def test_step_without_its_consent_is_skipped() -> None:
    person = make_person(addresses=REACHABLE, without_consent={"con_wa"})
    [ladder] = plan(LADDER, person, EVERYTHING)
    assert (order(ladder), reasons(ladder)) == (["sms", "email"], {"whatsapp": "no_consent"})
    assert ladder.skipped_steps() == []


@pytest.mark.parametrize(
    ("preference", "expected"),
    [([], ["sms", "email"]), (["whatsapp"], ["whatsapp", "sms", "email"])],
)
def test_step_for_consented_people_needs_a_consent_or_a_preference(
    preference: list[str], expected: list[str]
) -> None:
    route = replace(LADDER, steps=[replace(BY_WHATSAPP, consented_only=True), *LADDER.steps[1:]])
    person = make_person(addresses=REACHABLE, unconsented={"con_wa"}, preference=preference)
    [ladder] = plan(route, person, EVERYTHING)
    assert order(ladder) == expected


def test_preference_does_not_replace_a_consent() -> None:
    person = make_person(preference=["whatsapp"], without_consent={"con_wa"})
    route = make_route(Audience.SIGNER, step(1, "sms"), step(2, "email", connective=OTHERWISE))
    [ladder] = plan(route, person, EVERYTHING)
    assert order(ladder) == ["sms"]


def test_person_with_all_addresses_named_receives_emails_too() -> None:
    person = make_person(addresses=REACHABLE, uses_all_addresses=True, preference=["email", "sms"])
    first, second = plan(LADDER, person, EVERYTHING)
    assert (order(first), first.position) == (["sms", "whatsapp"], 1)
    assert (order(second), second.position) == (["email"], 3)
    assert second.condition_after(second.rungs[0]) is None


def test_route_without_emails_sends_none_to_all_addresses() -> None:
    person = make_person(addresses=REACHABLE, uses_all_addresses=True)
    [ladder] = plan(make_route(Audience.SIGNER, BY_WHATSAPP, THEN_SMS), person, EVERYTHING)
    assert order(ladder) == ["whatsapp", "sms"]


def test_person_without_a_phone_receives_one_email_of_two_steps() -> None:
    route = make_route(Audience.SIGNER, step(1, "sms"), step(2, "email"))
    ladders = plan(route, make_person(addresses=MAIL), EVERYTHING)
    assert [order(ladder) for ladder in ladders] == [["email"], []]
    assert [step for ladder in ladders for step in ladder.skipped_steps()] == []


@pytest.mark.parametrize(
    ("missing", "expected"),
    [(0, ["whatsapp", "sms", "email"]), (1, ["whatsapp", "sms", "email"]), (2, ["email"])],
)
def test_paid_channels_are_used_only_while_few_signatures_are_missing(
    missing: int, expected: list[str]
) -> None:
    route = replace(LADDER, audience=Audience.OTHERS.value, paid_when_missing=1)
    person = make_person(addresses=REACHABLE)
    [ladder] = plan(route, person, EVERYTHING, event_type=EventType.SIGNED, missing=missing)
    assert order(ladder) == expected
    assert {*reasons(ladder).values()} <= {"paid_channel"}


def test_paid_single_step_is_listed_with_its_reason() -> None:
    route = replace(make_route(Audience.OTHERS), paid_when_missing=1)
    [ladder] = plan(route, make_person(), EVERYTHING, event_type=EventType.SIGNED, missing=5)
    assert [item.reason for item in ladder.skipped_steps()] == ["paid_channel"]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([SMS, WHATSAPP_BROKEN, EMAIL], ["sms", "email"]),
        ([SMS_BROKEN, WHATSAPP_BROKEN], ["whatsapp", "sms"]),
    ],
)
def test_broken_connection_gives_way_to_one_that_sends(
    candidates: list[Candidate], expected: list[str]
) -> None:
    [ladder] = plan(LADDER, make_person(addresses=REACHABLE), candidates)
    assert order(ladder) == expected


@pytest.mark.parametrize(
    ("reliable", "expected"),
    [
        ((), {"read": "sent", "delivered": "sent", "opened": "opened", "sent": "sent"}),
        (
            ("delivered",),
            {"read": "delivered", "delivered": "delivered", "opened": "opened", "sent": "sent"},
        ),
    ],
)
def test_message_waits_for_no_status_that_its_provider_never_reports(
    reliable: tuple[str, ...], expected: dict[str, str]
) -> None:
    goals = {}
    for goal in Goal:
        following = step(2, "email", connective=OTHERWISE, goal=goal.value, wait_minutes=30)
        route = make_route(Audience.SIGNER, step(1, "sms"), following)
        person = make_person(addresses=REACHABLE)
        [ladder] = plan(route, person, [replace(SMS, reliable_statuses=reliable), EMAIL])
        goals[goal.value] = (ladder.condition_after(ladder.rungs[0]) or ("",))[0]
    assert goals == expected


@pytest.mark.parametrize("role", [PersonRole.SENDER, PersonRole.OBSERVER])
def test_person_who_is_a_signer_too_is_notified_once(role: PersonRole) -> None:
    audience = Audience.SENDER if role == PersonRole.SENDER else Audience.OBSERVERS
    people = [make_person("olga", addresses=MAIL, role=role), make_person(addresses=REACHABLE)]
    routes = [make_route(audience, step(1, "email")), make_route(Audience.SIGNER, step(1, "sms"))]
    ladders = plan_messages(routes, people, EVERYTHING, PlannedEvent(EventType.COMPLETED))
    assert [(ladder.person.external_id, order(ladder)) for ladder in ladders] == [
        ("eric", ["sms"]),
        ("olga", []),
    ]
    assert ladders[1].skipped_steps() == []


def test_signers_who_share_a_number_are_both_notified() -> None:
    people = [make_person("eric"), make_person("anna")]
    ladders = plan_messages([LADDER], people, EVERYTHING, PlannedEvent(EventType.SENT))
    assert [order(ladder) for ladder in ladders] == [["whatsapp", "sms"]] * 2


@pytest.mark.parametrize(
    ("addresses", "candidates", "expected"),
    [
        ({}, EVERYTHING, [("sms", "no_address"), ("email", "no_address")]),
        (PHONE, [EMAIL], [("email", "no_address")]),
        (MAIL, EVERYTHING, [("sms", "no_address")]),
        (MAIL, [EMAIL], []),
        (PHONE, [SMS], []),
        ({}, [], [("sms", "no_address"), ("email", "no_address")]),
        (
            PHONE,
            [],
            [("whatsapp", "no_connection"), ("sms", "no_connection"), ("email", "no_connection")],
        ),
    ],
)
def test_skipped_steps_name_what_the_app_can_correct(
    addresses: dict[str, str], candidates: list[Candidate], expected: list[tuple[str, str]]
) -> None:
    [ladder] = plan(LADDER, make_person(addresses=addresses), candidates)
    assert [(item.step, item.reason) for item in ladder.skipped_steps()] == expected


def test_signer_who_has_signed_is_listed_once() -> None:
    [ladder] = plan(LADDER, make_person(has_not_signed=False), EVERYTHING)
    assert [item.reason for item in ladder.skipped_steps()] == ["already_signed"]


people = st.lists(
    st.builds(
        make_person,
        st.uuids().map(str),
        has_not_signed=st.booleans(),
        addresses=st.dictionaries(
            st.sampled_from(["phone", "email", "chat"]), st.sampled_from(["a", "nonsense", " b "])
        ),
        send_to=st.dictionaries(st.sampled_from(["phone", "email"]), st.booleans()),
        preference=st.lists(st.sampled_from(["whatsapp", "sms", "voice", "email", "chat"])),
        role=st.sampled_from(PersonRole),
        uses_all_addresses=st.booleans(),
        without_consent=st.sets(st.sampled_from(["con_wa", "con_sms"])),
        chats=st.dictionaries(st.just("con_chat"), st.just("77")),
    ),
    max_size=4,
    unique_by=lambda person: person.id,
)
steps = st.lists(
    st.builds(
        Step,
        st.uuids().map(str),
        st.sampled_from(["sms", "whatsapp", "email", "chat", "voice"]),
        st.just("t"),
        st.sampled_from([None, None, "con_sms_2"]),
        connective=st.sampled_from(Connective),
        goal=st.sampled_from(Goal),
        wait_minutes=st.none() | st.integers(1, 60),
    ),
    max_size=4,
)
routes = st.builds(
    lambda audience, steps, missing: replace(
        Route(
            audience,
            [replace(step, position=position) for position, step in enumerate(steps, 1)],
        ),
        paid_when_missing=missing,
    ),
    st.sampled_from(Audience),
    steps,
    st.none() | st.integers(0, 2),
)
candidates = st.lists(
    st.sampled_from([SMS, SMS_TWO, SMS_BROKEN, WHATSAPP, WHATSAPP_BROKEN, EMAIL, CHAT, DESK]),
    unique_by=lambda candidate: candidate.connection.id,
)


@given(
    people=people,
    route=routes,
    candidates=candidates,
    event_type=st.sampled_from(EventType),
    is_closed=st.booleans(),
)
def test_every_step_of_everybody_can_act_or_has_a_reason(
    people: list[Person],
    route: Route,
    candidates: list[Candidate],
    event_type: EventType,
    is_closed: bool,
) -> None:
    actor = people[0].id if people else ""
    event = PlannedEvent(event_type, actor=actor, closed=is_closed, missing=1)
    ladders = plan_messages([route], people, candidates, event)
    expected_people = members(event_type, route.audience, people, actor)
    steps = {step.id for step in route.steps}
    for person in expected_people:
        own = [ladder for ladder in ladders if ladder.person == person]
        assert {rung.step.id for ladder in own for rung in ladder.rungs} == steps
        assert len({ladder.position for ladder in own}) == len(own)
    for ladder in ladders:
        assert {rung.reason for rung in ladder.rungs} <= {*REASONS, ""}
        if ladder.possible_rungs:
            assert ladder.person in expected_people
            assert not (event_type.asks_to_sign and is_closed)
        for rung in ladder.possible_rungs:
            assert rung.candidate in candidates
            assert ladder.person.send_to.get(rung.kind, True)
            assert rung.to in {
                address.strip()
                for address in (*ladder.person.addresses.values(), *ladder.person.chats.values())
            }
