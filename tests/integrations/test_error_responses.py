"""The scope of provider errors: responses that all providers may return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    RecipientRefused,
    Scope,
    SendError,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Integration, Outbound
from hub.integrations.slack.integration import Slack
from hub.integrations.teams.integration import Teams
from hub.integrations.telegram.integration import Telegram
from hub.integrations.twilio.sms import TwilioSms
from hub.integrations.twilio.whatsapp import WhatsApp
from hub.lib import provider_http
from tests.integrations.http_recorder import HttpRecorder

CREDENTIALS = SimulatorCredentials(
    "AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32, "+15005550006", "MG" + "3" * 32
)
HOOK = {
    "webhook_url": "https://hooks.slack.com/services/T0123456789/B0123456789/" + "x" * 24,
    "bot_token": "",
    "channel": "",
}
PROVIDERS: dict[str, tuple[type[Integration], dict[str, Any]]] = {
    "twilio": (TwilioSms, {}),
    "whatsapp": (WhatsApp, {}),
    "slack": (Slack, {}),
    "slack webhook": (Slack, HOOK),
    "telegram": (Telegram, {}),
    "teams": (Teams, {}),
}
HTML = "<html><head><title>403 Forbidden</title></head><body>nginx</body></html>"

SendAndFail = Callable[..., SendError]


@pytest.fixture
def send_error(http_recorder: HttpRecorder) -> SendAndFail:
    """Return a function that sets a provider's response and returns the error of sending."""

    def send(name: str, status: int, content: Any, **headers: str) -> SendError:
        http_recorder.answer(status, content, **headers)
        with pytest.raises(SendError) as problem:
            make_instance(http_recorder, name).send(outbound(name))
        return problem.value

    return send


def make_instance(http_recorder: HttpRecorder, name: str) -> Integration:
    cls, default_settings = PROVIDERS[name]
    settings = {**(cls.demo_settings(CREDENTIALS) or {}), **default_settings}
    return cls(
        settings,
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"]),
        dict.fromkeys(cls.api, http_recorder.url),
    )


def outbound(name: str) -> Outbound:
    cls, default_settings = PROVIDERS[name]
    settings = {**(cls.demo_settings(CREDENTIALS) or {}), **default_settings}
    return Outbound(
        id="msg_1", attempt=1, to=cls.destination_of(settings) or "+13175551234", text="Hello"
    )


every = pytest.mark.parametrize("name", PROVIDERS)


# ── Answers that are not the provider's ───────────────────────────────────────────────────────────
# the test of the contract sends the pages of a proxy to every integration
@every
def test_response_of_a_gateway_means_unreachable(send_error: SendAndFail, name: str) -> None:
    for content in (HTML, "", "{}", "[]", "null", "upstream connect error"):
        for status in (401, 403, 404, 405, 407, 410, 451):
            error = send_error(name, status, content)
            assert type(error) is Unreachable, "the message waits, surely not accepted"
            assert error.code == f"http_{status}"
            assert "proxy or gateway" in str(error)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_gateway_error_in_json_means_unreachable(send_error: SendAndFail, status: int) -> None:
    for code in (403, "403", "FORBIDDEN", True, [20003], {"is": 20003}, -20003, 2000300, 20003.5):
        error = send_error("twilio", status, {"code": code, "message": "Forbidden"})
        assert (type(error), error.code) == (Unreachable, f"http_{status}")


def test_gateway_of_an_incoming_webhook_is_not_the_provider(send_error: SendAndFail) -> None:
    for status in (400, 413, 414, 431):
        assert type(send_error("slack webhook", status, HTML)) is PermanentError
    for status in (302, 307, 408, 425, 500, 502, 503, 504, 520):
        error = send_error("slack webhook", status, HTML)
        assert type(error) is OutcomeUnknown, "it may have been accepted"


@every
def test_unreadable_success_is_an_unknown_outcome(send_error: SendAndFail, name: str) -> None:
    # a workflow says nothing but its status
    for content in (HTML,) if name == "teams" else (HTML, "", "[]", '{"ok": "maybe"}'):
        assert type(send_error(name, 200, content)) is OutcomeUnknown


# ── Limits ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("name", "status", "content", "scope"),
    [
        ("twilio", 429, {"code": 20429}, Scope.ACCOUNT),
        ("twilio", 429, HTML, Scope.ACCOUNT),
        ("twilio", 400, {"code": 21611}, Scope.SENDER),
        ("whatsapp", 429, {"code": 20429}, Scope.ACCOUNT),
        ("whatsapp", 400, {"code": 63018}, Scope.SENDER),
        ("whatsapp", 400, {"code": 63038}, Scope.ACCOUNT),
        ("slack", 429, {"ok": False, "error": "ratelimited"}, Scope.RECIPIENT),
        ("slack webhook", 429, "rate_limited", Scope.RECIPIENT),
        ("slack", 200, {"ok": False, "error": "message_limit_exceeded"}, Scope.ACCOUNT),
        (
            "telegram",
            429,
            {"ok": False, "error_code": 429, "description": "Too Many Requests: retry after 7"},
            Scope.RECIPIENT,
        ),
        ("teams", 429, HTML, Scope.SENDER),
    ],
)
def test_rate_limit_names_its_scope(
    send_error: SendAndFail, name: str, status: int, content: Any, scope: Scope
) -> None:
    error = send_error(name, status, content)
    assert isinstance(error, TransientError)
    assert error.scope == scope
    assert error.retry_after


def test_retry_after_of_an_incoming_webhook_is_used(send_error: SendAndFail) -> None:
    for status in (429, 503):
        error = send_error("slack webhook", status, HTML, Retry_After="9")
        assert isinstance(error, SlowDown)
        assert error.retry_after == 9


# ── Errors inside a success ───────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", ["twilio", "whatsapp"])
@pytest.mark.parametrize(
    ("error_status", "code", "status", "refused"),
    [
        ("undelivered", 30003, Status.UNDELIVERED, False),
        ("failed", 30003, Status.FAILED, False),
        ("failed", 21610, Status.FAILED, True),
        ("undelivered", 21610, Status.UNDELIVERED, True),
        ("failed", 63016, Status.FAILED, False),
        ("queued", None, Status.ACCEPTED, False),
    ],
)
def test_message_created_as_failed_has_the_error_of_its_code(
    http_recorder: HttpRecorder,
    name: str,
    error_status: str,
    code: int | None,
    status: Status,
    refused: bool,
) -> None:
    http_recorder.answer(
        201,
        {
            "sid": "SM" + "1" * 32,
            "status": error_status,
            "error_code": code,
            "error_message": None,
            "num_segments": "1",
        },
    )
    accepted = make_instance(http_recorder, name).send(outbound(name))
    assert isinstance(accepted, Accepted)
    assert (accepted.status, accepted.code, isinstance(accepted.error, RecipientRefused)) == (
        status,
        str(code or ""),
        refused,
    )
    assert accepted.outside_window == (code == 63016)


# ── Destinations ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("name", "status", "content"),
    [
        ("slack", 200, {"ok": False, "error": "channel_not_found"}),
        ("slack", 200, {"ok": False, "error": "is_archived"}),
        ("slack", 200, {"ok": False, "error": "not_in_channel"}),
        ("slack", 200, {"ok": False, "error": "brand_new_word"}),
        ("slack webhook", 404, "channel_not_found"),
        ("slack webhook", 410, "channel_is_archived"),
        ("slack webhook", 400, "brand_new_word"),
        ("teams", 404, {"error": {"code": "WorkflowNotFound"}}),
        ("teams", 400, {"error": {"code": "WorkflowTriggerIsNotEnabled"}}),
        ("teams", 451, {"error": {"code": "BrandNew"}}),
        (
            "telegram",
            403,
            {"ok": False, "description": "Forbidden: bot was kicked from the supergroup chat"},
        ),
        ("slack webhook", 404, "no_service"),
        ("telegram", 400, {"ok": False, "description": "Bad Request: TOPIC_CLOSED"}),
        ("telegram", 400, {"ok": False, "description": "Bad Request: message thread not found"}),
        ("telegram", 400, {"ok": False, "description": "Bad Request: BRAND_NEW"}),
    ],
)
def test_error_about_the_team_destination_is_a_destination_error(
    send_error: SendAndFail, name: str, status: int, content: Any
) -> None:
    error = send_error(name, status, content)
    assert type(error) is DestinationUnavailable
    assert error.sure is not ("brand" in str(content).lower())


@pytest.mark.parametrize(
    ("name", "status", "content"),
    [
        ("twilio", 401, {"code": 20003}),
        ("slack", 200, {"ok": False, "error": "token_revoked"}),
        ("slack webhook", 404, "no_team"),
        ("telegram", 401, {"ok": False, "description": "Unauthorized"}),
        ("teams", 401, {"error": {"code": "DirectApiAuthorizationRequired"}}),
    ],
)
def test_error_about_the_account_breaks_the_connection(
    send_error: SendAndFail, name: str, status: int, content: Any
) -> None:
    assert type(send_error(name, status, content)) is ConnectionBroken


def test_refusal_by_a_person_concerns_the_recipient(send_error: SendAndFail) -> None:
    assert type(send_error("twilio", 400, {"code": 21610})) is RecipientRefused
