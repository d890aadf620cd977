"""Signers whose invitation is only scheduled are not reminded before it is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from hub.core.errors import Conflict
from hub.db.engine import db
from hub.db.types import now
from hub.models import ActionToken, Message, Signer
from hub.signing import (
    button_actions,
    cards,
    reminders,
    scheduled_events,
    team_subscriptions,
)
from hub.signing.scheduled_invitations import ScheduledInvitation, describe_invitation
from tests.fake_provider import FakeProvider
from tests.hub_fixtures import ANNA, SigningApp, count, json_of, signer_body
from tests.signing.post_steps import ConnectTeam, button_token, deliver_posts, post_event
from tests.signing.reminder_steps import check, let_pass
from tests.signing.test_scheduled_events import IN_TWO_DAYS, event, make_due, plan, post, schedule

PATH = "/requests/agr-1001/remind"


def remind(app: SigningApp, body: dict[str, Any] | None = None) -> tuple[int, str, str]:
    answer = app.post(PATH, body or {})
    problem = json_of(answer)
    return answer.status_code, problem.get("code", ""), problem.get("detail", "")


@pytest.mark.parametrize("body", [{}, {"signer": "eric"}])
def test_signer_is_not_reminded_before_the_scheduled_invitation(
    signing_app: SigningApp, body: dict[str, Any]
) -> None:
    event_id = schedule(signing_app)
    time = cards.card_time(event(event_id).due_at or now())
    sentence = f"Eric has not been invited yet. The invitation is scheduled for {time}."
    assert remind(signing_app, body) == (409, "not_invited", sentence)
    assert count(Message) == 0
    make_due(event_id)
    assert plan() == 1
    assert remind(signing_app, body)[0] == 202


def test_several_signers_are_not_reminded_before_the_scheduled_invitation(
    signing_app: SigningApp,
) -> None:
    schedule(signing_app, signers=[signer_body("Eric"), signer_body("Anna", ANNA)])
    status, code, detail = remind(signing_app)
    assert (status, code) == (409, "not_invited")
    assert detail.startswith("The pending signers have not been invited yet. The invitation is")
    assert remind(signing_app, {"signer": "anna"})[2].startswith("Anna has not been invited yet.")


def test_signer_of_a_later_turn_is_not_invited_either(signing_app: SigningApp) -> None:
    signers = [signer_body("Eric", order=1), signer_body("Anna", ANNA, order=2)]
    schedule(signing_app, signers=signers)
    assert remind(signing_app, {"signer": "anna"})[1] == "not_invited"


def test_nobody_is_reminded_after_the_scheduled_invitation_was_canceled(
    signing_app: SigningApp,
) -> None:
    scheduled_events.cancel(schedule(signing_app))
    detail = "Eric has not been invited. The scheduled signing request was canceled."
    assert remind(signing_app) == (409, "not_invited", detail)
    post(signing_app, signers=[signer_body("Eric")])
    assert remind(signing_app)[0] == 202


def test_signers_who_were_invited_before_are_reminded(signing_app: SigningApp) -> None:
    post(signing_app, signers=[signer_body("Eric")])
    schedule(signing_app, signers=[signer_body("Anna", ANNA)])
    answer = json_of(signing_app.post(PATH, {}))
    assert [message["signer"] for message in answer["messages"]] == ["eric"]
    assert remind(signing_app, {"signer": "anna"})[1] == "not_invited"


def test_reminder_of_the_app_waits_for_the_scheduled_invitation(signing_app: SigningApp) -> None:
    schedule(signing_app)
    answer = post(signing_app, "request.reminder")
    assert answer["messages"] == []
    assert {(item["signer"], item["reason"]) for item in answer["skipped"]} == {
        ("eric", "not_invited")
    }


def test_automatic_reminders_wait_for_the_scheduled_invitation(signing_app: SigningApp) -> None:
    schedule(signing_app)
    let_pass(timedelta(days=30))
    assert check() == 0
    assert db.session.scalars(select(Signer.remind_at)).one() is None
    assert count(Message) == 0


def test_button_of_a_post_reminds_nobody_before_the_scheduled_invitation(
    connect_team: ConnectTeam, fake_provider: FakeProvider
) -> None:
    connection = connect_team("E1")
    team_subscriptions.save_subscriptions(connection.id, ["request.viewed"])
    post_event(send_at=(now() + IN_TWO_DAYS).isoformat())
    post_event("request.viewed", signer="eric", id="v1")
    [posted] = deliver_posts(fake_provider, "E1")
    button_actions.perform_action(button_token(posted, "Remind Eric"), "Dana")
    assert "not_invited" in db.session.scalars(select(ActionToken.outcome)).all()
    edit = deliver_posts(fake_provider, "E1")[-1]
    assert edit.card is not None
    assert edit.card.notes[0].startswith(
        "Dana tried to remind Eric, but the invitation has not been sent yet · "
    )
    request = db.session.scalars(select(Signer.request_id).limit(1)).one()
    with pytest.raises(Conflict, match="not been invited yet"):
        reminders.remind(request, "eric")


@given(
    names=st.lists(st.text("abcdefgh", min_size=1, max_size=8), min_size=1, max_size=4),
    is_canceled=st.booleans(),
)
def test_reason_names_one_signer_and_the_time(names: list[str], is_canceled: bool) -> None:
    invitation = ScheduledInvitation(None if is_canceled else now())
    sentence = describe_invitation(invitation, names, "Dec 3, 10:00")
    assert sentence.startswith(f"{names[0]} has not been invited") == (len(names) == 1)
    assert ("Dec 3, 10:00" in sentence) != is_canceled
    assert ("canceled" in sentence) == is_canceled
