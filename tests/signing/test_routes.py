"""An admin saves routes: versions, checks of steps, and routes of single sources."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.core.errors import Conflict, HubError, Refused
from hub.core.vocabulary import Audience, Channel, Connective, EventType, Goal
from hub.db.engine import db
from hub.models import Connection, Route
from hub.signing import routes
from hub.signing.routes import RouteIn, StepIn
from tests.hub_fixtures import source_id

SENT = EventType.SENT.value
SIGNER = Audience.SIGNER.value
LADDER = RouteIn(
    [
        StepIn("whatsapp", consented_only=True),
        StepIn("sms", connective="otherwise", goal="delivered", wait_minutes=30),
        StepIn("email", connective="otherwise", goal="opened", wait_minutes=24 * 60),
    ]
)
pytestmark = pytest.mark.usefixtures("connection")


def in_force(source: str | None = None) -> Route:
    db.session.expire_all()
    return routes.read_routes_in_force(source)[SENT, SIGNER]


def save(entered: RouteIn, source: str | None = None) -> Route:
    before = routes.read_routes_in_force(source).get((SENT, SIGNER))
    routes.save_route(SENT, SIGNER, source, entered, replaces=before.id if before else None)
    return in_force(source)


def problem_codes(entered: RouteIn, event_type: str = SENT, audience: str = SIGNER) -> list[str]:
    return [problem.code for problem in routes.find_problems(event_type, audience, entered)]


def condition_codes(step: StepIn, *before: StepIn) -> list[str]:
    return problem_codes(RouteIn([*(before or [StepIn("sms")]), step]))


def otherwise(goal: str, minutes: int | None = 30) -> StepIn:
    return StepIn("sms", connective="otherwise", goal=goal, wait_minutes=minutes)


def test_saved_route_is_a_new_version_with_all_its_steps() -> None:
    before = in_force()
    route = save(LADDER)
    assert routes.read_entry(route) == LADDER
    assert route.version == before.version + 1
    assert [version.id for version in routes.read_versions(SENT, SIGNER, None)] == [
        route.id,
        before.id,
    ]
    assert before.replaced_at is not None
    assert before.steps  # messages refer to them


def test_second_admin_does_not_overwrite_a_route_that_was_saved_meanwhile() -> None:
    seen = in_force().id
    saved = save(LADDER)
    with pytest.raises(Conflict, match="in the meantime"):
        routes.save_route(SENT, SIGNER, None, RouteIn([StepIn("sms")]), replaces=seen)
    assert in_force().id == saved.id


def test_route_without_steps_notifies_nobody() -> None:
    route = save(RouteIn([]))
    assert not route.enabled
    assert routes.read_entry(route).steps == []


def test_source_has_its_own_route_until_it_follows_the_general_one_again() -> None:
    general = in_force()
    own = save(LADDER, source_id())
    assert in_force().id == general.id
    routes.follow_general_route(SENT, SIGNER, source_id())
    assert own.replaced_at is not None
    assert (SENT, SIGNER) not in routes.read_routes_in_force(source_id())
    again = save(RouteIn([StepIn("email")]), source_id())
    assert again.version == 2


@pytest.mark.parametrize(
    ("codes", "step"),
    [
        ([], otherwise("delivered")),
        (["never_reported"], otherwise("read")),
        (["bad_wait"], otherwise("delivered", 0)),
        (["bad_wait"], otherwise("delivered", 30 * 24 * 60 + 1)),
        ([], otherwise("read", None)),
        ([], otherwise("opened", 30 * 24 * 60)),
        (["no_such_channel"], StepIn("webhook")),
        (["no_such_channel"], StepIn("sms", connection_id="con_gone")),
    ],
)
def test_step_that_can_never_act_is_refused(codes: Sequence[str], step: StepIn) -> None:
    assert condition_codes(step) == codes


@pytest.mark.parametrize(
    ("codes", "steps"),
    [
        (["repeated_step"], [StepIn("sms"), StepIn("sms")]),
        (["repeated_step"] * 2, [StepIn("sms"), StepIn("email"), StepIn("sms"), StepIn("sms")]),
        (["repeated_step"], [StepIn("sms"), StepIn("sms", consented_only=True)]),
        ([], [StepIn("sms", consented_only=True), StepIn("sms")]),
        ([], [StepIn("sms"), StepIn("whatsapp")]),
        ([], [StepIn("sms"), otherwise("delivered")]),
        (["repeated_step"], [StepIn("sms"), otherwise("delivered"), StepIn("sms")]),
        ([], [StepIn("whatsapp"), otherwise("delivered"), StepIn("sms")]),
    ],
)
def test_step_that_always_repeats_another_is_refused(
    codes: Sequence[str], steps: list[StepIn]
) -> None:
    assert problem_codes(RouteIn(steps)) == codes


def test_first_step_needs_no_step_before() -> None:
    assert problem_codes(RouteIn([otherwise("delivered")])) == ["nothing_before"]


def test_connection_of_another_channel_is_refused(connection: Connection) -> None:
    wrong = StepIn("email", connection_id=connection.id)
    assert problem_codes(RouteIn([wrong])) == ["no_such_channel"]


def test_goal_opened_needs_an_event_that_asks_to_sign() -> None:
    entered = RouteIn([StepIn("sms"), otherwise("opened")])
    assert problem_codes(entered, EventType.COMPLETED) == ["never_opened"]


def test_team_has_no_route_of_this_kind() -> None:
    with pytest.raises(Refused, match="no route"):
        problem_codes(LADDER, SENT, Audience.TEAM)


@given(
    st.lists(
        st.builds(
            StepIn,
            st.sampled_from([*Channel]),
            st.none() | st.text(max_size=5),
            st.sampled_from([*Connective]),
            st.none() | st.sampled_from([*Goal]),
            st.none() | st.integers(-10, 10**6),
        ),
        max_size=12,
    )
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_steps_are_saved_as_entered_or_refused_with_a_field(steps: list[StepIn]) -> None:
    entered = RouteIn(steps)
    problems = list(routes.find_problems(SENT, SIGNER, entered))
    if problems:
        assert all(problem.field.startswith("steps") for problem in problems)
        with pytest.raises(HubError):
            save(entered)
    else:
        stored = routes.read_entry(save(entered))
        assert [step.channel for step in stored.steps] == [step.channel for step in steps]
