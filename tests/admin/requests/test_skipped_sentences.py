"""The page of a request shows once for each person why messages were not sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.admin.requests.skipped_sentences import NOT_IN_TURN, OF_ALL_CHANNELS, describe_items
from hub.connections import demo
from hub.core.vocabulary import Channel, EventType, PersonRole, RequestState, Role, SignerState
from hub.db.engine import db
from hub.messaging.compose.plan import REASONS
from hub.models import Signer, SigningRequest
from hub.signing import accept
from hub.signing.events import EventIn
from tests.admin.connections.team_pages import RunInApp, text_of
from tests.admin.connections.team_pages import run_in_app as run_in_app
from tests.conftest import Browser
from tests.effort import examples
from tests.hub_fixtures import ANNA, event_body, signer_body, source_id
from tests.signing.ladder_steps import set_route

ERIC = (PersonRole.SIGNER, "eric")


def post(kind: str, **fields: Any) -> None:
    accept.accept_event(EventIn.model_validate(event_body(kind, **fields)), source_id(), test=True)


def request_path() -> str:
    return f"/requests/{db.session.scalars(select(SigningRequest.id)).one()}"


def test_ended_request_shows_its_state_once(
    app: Flask, demo_data: None, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def send() -> str:
        post("request.sent", signers=[signer_body("Eric", email="eric@example.com")])
        post("request.signed", signer="eric", id="s1")
        post("request.completed", id="c1")
        for name in ("a", "b", "c"):
            post("request.sent", id=f"sent-{name}")
            post("request.reminder", id=f"reminder-{name}")
        return request_path()

    page = text_of(browser_for(Role.VIEWER).get(run_in_app(send)))
    assert page.count("not sent") == 1, page
    assert "Signing request and reminder not sent. The request is completed." in page
    assert "declined, expired" not in page


@pytest.mark.parametrize(
    ("event", "state"),
    [("request.expired", "expired"), ("request.canceled", "canceled")],
)
def test_state_that_is_true_is_named(
    app: Flask,
    demo_data: None,
    run_in_app: RunInApp[Any],
    browser_for: Callable[..., Browser],
    event: str,
    state: str,
) -> None:
    def send() -> str:
        post("request.sent", signers=[signer_body("Eric")])
        post(event, id="end")
        post("request.reminder", id="late")
        return request_path()

    page = text_of(browser_for(Role.VIEWER).get(run_in_app(send)))
    assert f"Reminder not sent. The request is {state}." in page


def test_recent_reminder_names_no_other_channel(
    app: Flask, demo_data: None, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def send() -> str:
        steps = (("sms", None, None), ("email", "delivered", 30))
        set_route(*steps, event_type="request.reminder")
        post("request.sent", signers=[signer_body("Eric", email="eric@example.com")])
        for name in ("a", "b"):
            post("request.reminder", id=name)
        return request_path()

    page = text_of(browser_for(Role.VIEWER).get(run_in_app(send)))
    assert "Reminder not sent. The signer was reminded within the last hour." in page


def test_reminder_names_the_only_signer_who_gets_none(
    app: Flask, demo_data: None, run_in_app: RunInApp[Any], browser_for: Callable[..., Browser]
) -> None:
    def send() -> str:
        set_route(("sms", None, None), event_type="request.reminder")
        signers = [signer_body("Eric"), signer_body("Anna", None, email="anna@example.com")]
        post("request.sent", signers=signers)
        return request_path()

    path = run_in_app(send)
    operator = browser_for(Role.OPERATOR)
    operator.post(f"{path}/remind")
    assert (
        "1 reminder queued. Anna could not be notified. Reminder not sent by SMS: the signer has no"
        " mobile number. Add one in the signing app."
    ) in text_of(operator.get(path))


# ── Any skipped steps ─────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def row(app: Flask) -> Iterator[SigningRequest]:
    """Send a document to Eric and Anna, and return its request."""
    with app.app_context():
        demo.prepare()
        post("request.sent", signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
        yield db.session.scalars(select(SigningRequest)).one()


steps = st.tuples(
    st.sampled_from([kind.value for kind in EventType]),
    st.fixed_dictionaries(
        {
            "signer": st.just("eric"),
            "role": st.just(PersonRole.SIGNER.value),
            "step": st.sampled_from([channel.value for channel in Channel]),
            "reason": st.sampled_from([*sorted(REASONS), "unknown"]),
        }
    ),
)


@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    items=st.lists(steps, max_size=12),
    state=st.sampled_from([*RequestState]),
    signer_state=st.sampled_from([*SignerState]),
)
def test_each_reason_is_shown_once(
    row: SigningRequest,
    items: list[tuple[str, dict[str, str]]],
    state: RequestState,
    signer_state: SignerState,
) -> None:
    with db.session.no_autoflush:
        row.state = state.value
        eric: Signer = next(person for person in row.signers if person.external_id == "eric")
        eric.state = signer_state.value
        sentences = describe_items(row, items).get(ERIC, [])
        assert describe_items(row, items + items).get(ERIC, []) == sentences
        db.session.rollback()
    assert max(Counter(sentences).values(), default=1) == 1
    shown = {item["reason"] for _, item in items if item["reason"] in REASONS} - {NOT_IN_TURN}
    assert bool(sentences) == bool(shown)
    if shown <= OF_ALL_CHANNELS:
        assert len(sentences) == len(shown)
        assert not any("(" in sentence for sentence in sentences)
    assert not any("completed, declined, expired or" in sentence for sentence in sentences)
