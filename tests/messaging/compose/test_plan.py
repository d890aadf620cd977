"""Planning: the recipients of an event and their connections. The plan is a pure function."""

from __future__ import annotations

import pytest

from hub.core.vocabulary import Audience, EventType, PersonRole
from hub.messaging.compose.plan import (
    REASONS,
    Candidate,
    Person,
    PlannedEvent,
    Route,
    SkippedStep,
    Step,
    plan_posts,
)
from tests.messaging.compose.plan_factories import (
    BY_EMAIL,
    BY_SMS,
    CHAT,
    DESK,
    EMAIL,
    MAIL,
    PHONE,
    SMS,
    SMS_BROKEN,
    SMS_TWO,
    WALL,
    WHATSAPP,
    WHATSAPP_BROKEN,
    make_person,
    make_route,
    plan,
    planned_messages,
    skipped_steps,
)


@pytest.mark.parametrize(
    ("signer", "candidates", "step", "reason"),
    [
        (make_person(addresses={}), [SMS], BY_SMS, "no_address"),
        (make_person(addresses=MAIL), [SMS], BY_SMS, "no_address"),
        (make_person(), [EMAIL], BY_EMAIL, "no_address"),
        (make_person(), [], BY_SMS, "no_connection"),
        (make_person(addresses={}), [], BY_SMS, "no_address"),
        (make_person(), [EMAIL], BY_SMS, "no_connection"),
        (make_person(send_to={"phone": False}), [SMS], BY_SMS, "not_wanted"),
        (make_person(addresses={"phone": "nonsense"}), [SMS], BY_SMS, "bad_address"),
        (make_person(), [SMS], Step("stp_3", "sms", "t", "con_gone"), "no_connection"),
        (make_person(), [SMS], Step("stp_4", "chat", "t"), "no_address"),
    ],
)
def test_impossible_action_is_listed_with_its_reason(
    signer: Person, candidates: list[Candidate], step: Step, reason: str
) -> None:
    planned = plan([make_route(Audience.SIGNER, step)], [signer], candidates)
    assert planned_messages(planned) == []
    assert skipped_steps(planned) == [("eric", step.channel, reason)]
    assert planned[1][0].as_json()["text"] == REASONS[reason]


@pytest.mark.parametrize(
    ("preference", "candidates", "expected"),
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
    preference: tuple[str, ...], candidates: list[Candidate], expected: str
) -> None:
    planned = plan([make_route(Audience.SIGNER)], [make_person(preference=preference)], candidates)
    assert planned_messages(planned) == [("eric", expected, "+13175551234")]


def test_step_with_a_connection_uses_no_other() -> None:
    step = Step("stp_3", "sms", "t", "con_sms_2")
    planned = plan(
        [make_route(Audience.SIGNER, step)],
        [make_person(preference=("whatsapp",))],
        [SMS, SMS_TWO, WHATSAPP],
    )
    assert planned_messages(planned) == [("eric", "con_sms_2", "+13175551234")]


def test_phone_preference_does_not_affect_email() -> None:
    person = make_person(addresses={**PHONE, **MAIL}, preference=("whatsapp",))
    planned = plan([make_route(Audience.SIGNER, BY_SMS, BY_EMAIL)], [person], [SMS, EMAIL])
    assert planned_messages(planned) == [
        ("eric", "con_sms", "+13175551234"),
        ("eric", "con_mail", "eric@example.com"),
    ]


def test_address_is_used_in_its_normal_form() -> None:
    assert (
        planned_messages(
            plan(
                [make_route(Audience.SIGNER)],
                [make_person(addresses={"phone": " +13175551234 "})],
                [SMS],
            )
        )[0][2]
        == "+13175551234"
    )


@pytest.mark.parametrize("event_type", [EventType.SENT, EventType.REMINDER])
def test_only_signers_whose_turn_it_is_are_asked_to_sign(event_type: EventType) -> None:
    people = [
        make_person("eric", has_not_signed=False),
        make_person("anna"),
        make_person("ravi", has_turn=False),
        make_person("olga", role=PersonRole.OBSERVER),
    ]
    planned = plan([make_route(Audience.SIGNER)], people, [SMS], event_type)
    assert [planned_message[0] for planned_message in planned_messages(planned)] == ["anna"]
    assert skipped_steps(planned) == [
        ("eric", "sms", "already_signed"),
        ("ravi", "sms", "not_their_turn"),
    ]


def test_closed_request_sends_news_but_no_reminders() -> None:
    people = [make_person("eric"), make_person("anna")]
    reminders = plan([make_route(Audience.SIGNER)], people, [SMS], EventType.SENT, closed=True)
    assert (
        planned_messages(reminders),
        {skipped_step[2] for skipped_step in skipped_steps(reminders)},
    ) == (
        [],
        {"request_closed"},
    )
    assert len(plan([make_route(Audience.SIGNER)], people, [SMS], closed=True)[0]) == 2


# ── Chats ─────────────────────────────────────────────────────────────────────────────────────────
def test_preferred_chat_is_used_only_after_the_person_linked_it() -> None:
    linked = make_person("eric", chats={"con_chat": "77"}, preference=["birds", "sms"])
    stranger = make_person("anna", preference=["birds", "sms"])
    planned = plan([make_route(Audience.SIGNER)], [linked, stranger], [SMS, CHAT])
    assert planned_messages(planned) == [
        ("eric", "con_chat", "77"),
        ("anna", "con_sms", "+13175551234"),
    ]


def test_email_chat_needs_no_link_and_respects_the_source() -> None:
    addresses = {**PHONE, **MAIL}
    eric = make_person("eric", addresses=addresses, preference=["desks"])
    anna = make_person("anna", addresses=addresses, preference=["desks"], send_to={"email": False})
    planned = plan([make_route(Audience.SIGNER)], [eric, anna], [SMS, DESK])
    assert planned_messages(planned) == [
        ("eric", "con_desk", "eric@example.com"),
        ("anna", "con_sms", "+13175551234"),
    ]
    assert skipped_steps(planned) == []


def test_team_only_chat_is_never_used_for_a_signer() -> None:
    planned = plan(
        [make_route(Audience.SIGNER, Step("stp_3", "chat", "t"))],
        [make_person(preference=["walls", "chat"])],
        [WALL],
    )
    assert (planned_messages(planned), skipped_steps(planned)) == (
        [],
        [("eric", "chat", "no_address")],
    )


def test_team_step_uses_its_own_connection() -> None:
    route = Route(
        Audience.TEAM.value,
        [Step("stp_5", "chat", "team", "con_wall"), Step("stp_6", "chat", "team", "con_gone")],
    )
    posts, skipped = plan_posts(
        [route, make_route(Audience.SIGNER)], [SMS, WALL], PlannedEvent(EventType.SENT)
    )
    assert [(post.connection.id, post.step.id) for post in posts] == [("con_wall", "stp_5")]
    assert [(skipped_step.signer, skipped_step.reason) for skipped_step in skipped] == [
        ("", "connection_off")
    ]
    assert plan([route], [make_person()], [SMS, WALL]) == ([], [])


def test_team_is_not_notified_about_a_closed_request() -> None:
    route = Route(Audience.TEAM.value, [Step("stp_5", "chat", "team", "con_wall")])
    assert plan_posts([route], [WALL], PlannedEvent(EventType.SENT, closed=True)) == (
        [],
        [SkippedStep("", "chat", "request_closed")],
    )
