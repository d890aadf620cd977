"""A user stops the automatic reminders of a signer, until they are resumed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hub.db.engine import db
from hub.db.types import now
from hub.signing import reminder_rechecks, reminders, stopping
from tests.hub_fixtures import ANNA, SigningApp, source_id
from tests.signing.reminder_steps import daytime, post, reminders_after, send, signer
from tests.signing.test_reminder_settings import save_reminders


def stop(name: str = "eric") -> None:
    stopping.stop_signer(signer(name).request_id, name)
    db.session.rollback()


def resume(name: str = "eric") -> None:
    reminders.unsnooze(signer(name).request_id, name)
    db.session.rollback()


def change_settings() -> None:
    save_reminders(days=[1, 2, 3, 4, 5])


def check_all() -> None:
    reminder_rechecks.begin(source_id())
    db.session.rollback()


def prolong(app: SigningApp) -> None:
    expiry = (now() + timedelta(days=60)).isoformat()
    post(app, "sent", request={"id": "agr-1001", "expires_at": expiry})


LATER: dict[str, Any] = {
    "opened": lambda app: post(app, "viewed", signer="eric"),
    "sent again": lambda app: post(app, "sent"),
    "prolonged": prolong,
    "other schedule": lambda app: post(
        app, "sent", request={"id": "agr-1001", "reminders": {"days": [1, 2, 3]}}
    ),
    "snoozed": lambda app: reminders.snooze(signer().request_id, "eric"),
    "others resumed": lambda app: reminders.snooze(signer().request_id, "anna") and resume("anna"),
    "settings changed": lambda app: change_settings(),
    "checked": lambda app: check_all(),
}


@pytest.mark.parametrize("later", [*([name] for name in LATER), [*LATER], [*reversed(LATER)]])
def test_stopped_reminders_do_not_begin_again_by_themselves(
    signing_app: SigningApp, later: list[str]
) -> None:
    send(signing_app, daytime("Eric"), daytime("Anna", ANNA))
    stop()
    for name in later:
        LATER[name](signing_app)
        db.session.rollback()
    reminders_after(10)
    assert (signer().remind_at, signer().reminders) == (None, 0)
    assert signer("anna").reminders == 1


def test_resumed_reminders_continue_their_schedule(signing_app: SigningApp) -> None:
    send(signing_app)
    stop()
    resume()
    assert [days for days in range(1, 31) if reminders_after(1)] == [3, 7, 14]
    assert signer().reminders_stopped_at is None


def test_reopened_request_begins_its_reminders_again(signing_app: SigningApp) -> None:
    send(signing_app)
    stop()
    post(signing_app, "canceled")
    post(signing_app, "sent")
    assert signer().reminders_stopped_at is None
    assert signer().remind_at is not None


def test_user_can_remind_once_after_a_stop(signing_app: SigningApp) -> None:
    send(signing_app)
    stop()
    assert reminders.remind(signer().request_id, "eric")["messages"]
    assert signer().remind_at is None


@pytest.mark.parametrize("times", [1, 2])
def test_stop_twice_is_one_stop(signing_app: SigningApp, times: int) -> None:
    send(signing_app)
    for _ in range(times):
        stop()
    assert signer().reminders_stopped_at is not None
    assert reminders_after(4) == 0
