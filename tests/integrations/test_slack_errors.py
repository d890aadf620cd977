"""Slack's responses and errors are mapped to errors of the contract."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    RecipientRefused,
    SendError,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.integrations.slack.errors import ERRORS, METHODS
from hub.integrations.slack.integration import Slack
from hub.lib.provider_http import ProviderHttpClient, record_exchanges
from tests.conftest import free_port
from tests.integrations.slack_server import (
    BY_BOT,
    BY_HOOK,
    CHANNEL,
    HOOK,
    PLACE,
    SECRET,
    SlackServer,
    outbound,
    send_error,
)
from tests.integrations.slack_server import port as port
from tests.integrations.slack_server import running_slack_server as running_slack_server
from tests.integrations.slack_server import slack_for as slack_for
from tests.integrations.slack_server import slack_server as slack_server

WEBHOOKS = "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        ("invalid_payload", 400, PermanentError),
        ("no_text", 400, PermanentError),
        ("invalid_blocks", 400, PermanentError),
        ("too_many_attachments", 400, PermanentError),
        ("missing_text_or_fallback_or_attachments", 400, PermanentError),
        ("user_not_found", 400, DestinationUnavailable),
        ("invalid_token", 400, ConnectionBroken),
        ("action_prohibited", 403, ConnectionBroken),
        ("posting_to_general_channel_denied", 403, DestinationUnavailable),
        ("channel_not_found", 404, DestinationUnavailable),
        ("no_service", 404, DestinationUnavailable),
        ("no_service", 200, DestinationUnavailable),
        ("no_active_hooks", 404, ConnectionBroken),
        ("no_team", 404, ConnectionBroken),
        ("team_disabled", 404, ConnectionBroken),
        ("channel_is_archived", 410, DestinationUnavailable),
        ("rollup_error", 500, TransientError),
        ("rate_limited", 429, SlowDown),
        ("", 429, SlowDown),
        ("", 500, OutcomeUnknown),
        ("<html>", 502, OutcomeUnknown),
        ("never_heard_of", 500, OutcomeUnknown),
        ("", 200, OutcomeUnknown),
        ("<html>", 200, OutcomeUnknown),
        ("", 301, OutcomeUnknown),
        ("", 408, OutcomeUnknown),
        ("<html>", 404, Unreachable),
        ("", 410, Unreachable),
        ("", 403, Unreachable),
        ("<html>", 401, Unreachable),
        ("never_heard_of", 400, DestinationUnavailable),
        ("never_heard_of", 404, DestinationUnavailable),
        ("<html>", 407, Unreachable),
        ("", 413, PermanentError),
    ],
)
def test_webhook_response_decides_the_outcome(
    slack_server: SlackServer, slack_for: Any, body: str, status: int, error: type[SendError]
) -> None:
    slack_server.respond(
        body, status, **({"Location": "https://slack.com/"} if status == 301 else {})
    )
    problem = send_error(slack_for(BY_HOOK), outbound(PLACE))
    assert type(problem) is error
    assert problem.code
    assert len(slack_server.requests) == 1, "nothing is followed, nothing is tried twice"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        *dict.fromkeys(
            [
                (code, ConnectionBroken)
                for code in (
                    "invalid_auth",
                    "token_revoked",
                    "account_inactive",
                    "missing_scope",
                    "no_permission",
                    "org_login_required",
                    "ekm_access_denied",
                    "team_access_not_granted",
                    "not_authed",
                    "token_expired",
                )
            ]
        ),
        *[
            (code, DestinationUnavailable)
            for code in (
                "not_in_channel",
                "channel_not_found",
                "is_archived",
                "restricted_action",
                "never_heard_of",
            )
        ],
        *[
            (code, PermanentError)
            for code in (
                "no_text",
                "msg_too_long",
                "invalid_blocks",
                "invalid_blocks_format",
                "invalid_arguments",
                "too_many_attachments",
                "msg_blocks_too_long",
            )
        ],
        ("ratelimited", SlowDown),
        ("rate_limited", SlowDown),
        ("service_unavailable", TransientError),
        ("request_timeout", TransientError),
        ("internal_error", OutcomeUnknown),
        ("fatal_error", OutcomeUnknown),
    ],
)
def test_web_api_response_decides_the_outcome(
    slack_server: SlackServer, slack_for: Any, code: str, error: type[SendError]
) -> None:
    slack_server.respond({"ok": False, "error": code})
    problem = send_error(slack_for(BY_BOT), outbound())
    assert (type(problem), problem.code) == (error, code)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"ok": "true"}',
        '{"ok": true}',
        '{"ok": true, "channel": 5, "ts": []}',
        "[" * 9999,
    ],
)
def test_unreadable_response_is_an_unknown_outcome(
    slack_server: SlackServer, slack_for: Any, body: str
) -> None:
    slack_server.respond(body)
    assert type(send_error(slack_for(BY_BOT), outbound())) is OutcomeUnknown


def test_retry_after_of_slack_is_used(slack_server: SlackServer, slack_for: Any) -> None:
    slack_server.respond({"ok": False, "error": "ratelimited"}, 429, Retry_After="7")
    problem = send_error(slack_for(BY_BOT), outbound())
    assert isinstance(problem, SlowDown)
    assert problem.retry_after == 7
    slack_server.respond({"ok": False, "error": "ratelimited"}, 429)
    assert getattr(send_error(slack_for(BY_BOT), outbound()), "retry_after", 0) == 10


@pytest.mark.parametrize("edits", ["", f"{CHANNEL}/1.2"])
def test_unknown_error_may_concern_only_the_post(
    slack_server: SlackServer, slack_for: Any, edits: str
) -> None:
    slack_server.respond({"ok": False, "error": "never_heard_of"})
    problem = send_error(slack_for(BY_BOT), outbound(edits=edits))
    assert isinstance(problem, DestinationUnavailable)
    assert not problem.sure


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("users_not_found", 200, RecipientRefused),
        ("missing_scope", 200, PermanentError),
        ("invalid_auth", 200, ConnectionBroken),
        ("internal_error", 500, TransientError),
        ("", 502, TransientError),
        ("ratelimited", 429, SlowDown),
    ],
)
def test_failed_lookup_sends_nothing(
    slack_server: SlackServer, slack_for: Any, code: str, status: int, error: type[SendError]
) -> None:
    slack_server.respond({"ok": False, "error": code}, status)
    assert type(send_error(slack_for(BY_BOT), outbound("eric@example.com"))) is error
    assert len(slack_server.requests) == 1


def test_refused_connection_is_unreachable_and_a_timeout_is_unknown(port: int) -> None:
    closed_port = free_port()
    slack = Slack(
        BY_BOT,
        ProviderHttpClient(allow={f"127.0.0.1:{closed_port}"}),
        dict.fromkeys(Slack.api, f"http://127.0.0.1:{closed_port}"),
    )
    assert type(send_error(slack, outbound())) is Unreachable


@pytest.mark.parametrize("code", sorted(ERRORS.codes))
def test_every_code_has_an_explanation(code: str) -> None:
    problem = Slack.explain(code)
    assert problem is not None
    for sentence in (problem.text, problem.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not [
            fragment for fragment in ("!", "  ", "'", "please", "—") if fragment in sentence.lower()
        ]
    assert problem.url in ("", METHODS, WEBHOOKS)


def test_code_of_signpost_has_no_page_of_slack() -> None:
    problem = Slack.explain("one_channel")
    assert problem is not None
    assert problem.url == ""


def test_secret_in_the_url_is_never_revealed(
    slack_server: SlackServer, slack_for: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    slack = slack_for(BY_HOOK)
    error_texts = []
    for body, status in (("ok", 200), ("no_service", 404), ("", 500), ("<html>", 404), (HOOK, 400)):
        slack_server.respond(body, status)
        with record_exchanges() as exchanges:
            try:
                error_texts.append(slack.send(outbound(PLACE)))
            except SendError as problem:
                error_texts += [problem, vars(problem), problem.__cause__, problem.__context__]
            error_texts += [exchanges, slack.check(), slack.render(outbound(PLACE))]
    closed_port = free_port()
    unreachable = Slack(
        BY_HOOK,
        ProviderHttpClient(allow={f"127.0.0.1:{closed_port}"}),
        dict.fromkeys(Slack.api, f"http://127.0.0.1:{closed_port}"),
    )
    error_texts += [send_error(unreachable, outbound(PLACE)), unreachable.check()]
    assert SECRET not in repr(error_texts)
    assert not [
        line for line in caplog.records if SECRET in line.getMessage() and line.name != "werkzeug"
    ]  # that one is the desk's
