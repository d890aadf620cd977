"""The index is written by cron, and rebuilt by a command."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from hub.db.engine import db
from hub.jobs import search_index
from hub.lib.shutdown import ShutdownSignal
from hub.messaging.state import job_failures
from hub.models import RequestWord
from hub.search import indexing, word_keys
from tests.hub_fixtures import SigningApp
from tests.search.index_steps import index_all, person, post_request, requests


def run_cron_once() -> None:
    search_index.index_for(5, ShutdownSignal(float("inf")))


def test_cron_indexes_what_is_due(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric"))
    assert indexing.is_due()
    run_cron_once()
    assert not indexing.is_due()
    assert requests("lease eric") == ["Lease"]


@pytest.mark.parametrize(
    ("error", "is_recorded"),
    [(ArithmeticError(), True), (OperationalError("", {}, Exception()), False)],
)
def test_failing_index_is_reported_and_does_not_stop_cron(
    signing_app: SigningApp, monkeypatch: pytest.MonkeyPatch, error: Exception, is_recorded: bool
) -> None:
    def fail() -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(indexing, "index_next", fail)
        run_cron_once()
    assert ("search_index" in job_failures.recent_failures()) == is_recorded
    post_request(signing_app, "Lease")
    run_cron_once()
    assert job_failures.recent_failures() == {}


def test_rebuild_writes_all_entries_under_a_new_key(signing_app: SigningApp) -> None:
    post_request(signing_app, "Lease", person("Eric"))
    index_all()
    before = set(db.session.scalars(select(RequestWord.word)))
    key = word_keys.read_key()
    db.session.rollback()
    reported: list[int] = []
    indexing.rebuild(reported.append)
    assert reported == sorted(reported)
    assert reported
    assert word_keys.read_key() != key
    assert before.isdisjoint(db.session.scalars(select(RequestWord.word)))
    assert requests("lease") == ["Lease"]
