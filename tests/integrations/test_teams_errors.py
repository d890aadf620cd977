"""Refusals of a Teams workflow are mapped to errors of the contract."""

from __future__ import annotations

import pytest

from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    SendError,
    SlowDown,
    Unreachable,
)
from hub.integrations.teams.errors import CODES
from hub.integrations.teams.integration import Teams
from hub.lib import provider_http
from tests.integrations.http_recorder import HttpRecorder
from tests.integrations.teams_cards import SETTINGS, SIG, URL, WORKFLOW, outbound
from tests.integrations.teams_cards import teams as teams


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "named", "error", "code"),
    [
        (400, "TriggerInputSchemaMismatch", PermanentError, "card_refused"),
        (400, "WorkflowTriggerIsNotEnabled", DestinationUnavailable, "workflow_off"),
        (409, "WorkflowTriggerIsNotEnabled", DestinationUnavailable, "workflow_off"),
        (401, "DirectApiAuthorizationRequired", ConnectionBroken, "url_refused"),
        (403, "", ConnectionBroken, "url_refused"),
        (404, "WorkflowNotFound", DestinationUnavailable, "workflow_gone"),
        (410, "", DestinationUnavailable, "workflow_gone"),
        (413, "", PermanentError, "card_too_large"),
        (418, "", DestinationUnavailable, "http_418"),
        (407, "", Unreachable, "http_407"),
        (302, "", OutcomeUnknown, "http_302"),
        (429, "", SlowDown, "too_many"),
        (408, "", OutcomeUnknown, "http_408"),
        (500, "", OutcomeUnknown, "http_500"),
        (502, "", OutcomeUnknown, "http_502"),
        (503, "", OutcomeUnknown, "http_503"),
        (504, "", OutcomeUnknown, "http_504"),
    ],
)
def test_refusal_is_classified_by_its_status(
    teams: Teams,
    http_recorder: HttpRecorder,
    status: int,
    named: str,
    error: type[SendError],
    code: str,
) -> None:
    http_recorder.answer(status, {"error": {"code": named, "message": f"{URL} Anna has signed."}})
    with pytest.raises(SendError) as problem, provider_http.record_exchanges() as exchanges:
        teams.send(outbound())
    assert (type(problem.value), problem.value.code) == (error, code)
    error_text = f"{problem.value} {vars(problem.value)} {problem.value.__cause__!r} {exchanges}"
    assert not [secret for secret in (SIG, WORKFLOW, "has signed") if secret in error_text]


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [(429, {"Retry-After": "7"}, 7), (429, {}, 10), (503, {"Retry-After": "3"}, 3)],
)
def test_retry_after_of_a_workflow_is_used(
    teams: Teams, http_recorder: HttpRecorder, status: int, headers: dict[str, str], pause: float
) -> None:
    http_recorder.answer(status, "", **headers)
    with pytest.raises(SlowDown) as problem:
        teams.send(outbound())
    assert problem.value.retry_after == pause


def test_timeout_is_an_unknown_outcome_and_a_refused_connection_is_not(teams: Teams) -> None:
    with pytest.raises(OutcomeUnknown, match="closed the connection"):
        teams.send(outbound())
    with pytest.raises(Unreachable):
        Teams(
            SETTINGS,
            provider_http.ProviderHttpClient(allow=["127.0.0.1:1"]),
            {"teams": "http://127.0.0.1:1"},
        ).send(outbound())


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_refusal_is_explained_with_a_remedy(code: str) -> None:
    explanation = Teams.explain(code)
    assert explanation is not None
    for sentence in (explanation.text, explanation.remedy):
        assert sentence.endswith(".")
        assert sentence[0].isupper()
        assert not [
            unwanted for unwanted in ("!", "  ", "'", "please") if unwanted in sentence.lower()
        ]


# ── The test of the settings ──────────────────────────────────────────────────────────────────────
def test_connection_test_posts_a_visible_card(teams: Teams, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(202)
    result = teams.check()
    assert (result.ok, Teams.checks_visibly) == (True, True)
    assert "Check the channel" in result.text
    (payload,) = http_recorder.bodies
    assert "Signpost can post" in payload["attachments"][0]["content"]["body"][0]["text"]


def test_failed_test_shows_a_remedy_and_only_the_host(
    teams: Teams, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(401, {"error": {"code": "DirectApiAuthorizationRequired", "message": URL}})
    result = teams.run_check()
    assert (result.ok, result.field, result.code) == (False, "workflow_url", "url_refused")
    assert "Anyone to trigger" in result.steps[0]
    assert result.response == f"POST {http_recorder.url}/•••\nHTTP 401\ncode url_refused"


def test_temporary_failure_is_not_attributed_to_a_setting(
    teams: Teams, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(502)
    result = teams.run_check()
    assert (result.ok, result.field, result.code) == (False, "", "http_502")
