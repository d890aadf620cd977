"""Setting up Telegram: the form, the connection test, the webhook actions, the links."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from hub.connections import settings_form
from hub.core.data_dir import SimulatorCredentials
from hub.core.errors import ConnectionBroken, PermanentError
from hub.integrations.telegram.integration import Telegram
from hub.lib import provider_http
from tests.integrations.http_recorder import HttpRecorder

SETTINGS = (
    Telegram.demo_settings(
        SimulatorCredentials("AC" + "1" * 32, "t" * 32, "SK" + "2" * 32, "s" * 32)
    )
    or {}
)
TOKEN = SETTINGS["token"]
HERE = "https://hub.example/api/rpc/webhooks/telegram/team"
ME = {
    "ok": True,
    "result": {"id": 1, "is_bot": True, "username": "signpostDemoBot", "can_join_groups": True},
}
CHAT = {"ok": True, "result": {"id": int(SETTINGS["team_chat"]), "type": "supergroup"}}
GOOD = {
    "url": HERE,
    "pending_update_count": 0,
    "allowed_updates": ["message", "callback_query", "my_chat_member"],
}


@pytest.fixture
def telegram(http_recorder: HttpRecorder) -> Telegram:
    return Telegram(
        SETTINGS,
        provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"]),
        dict.fromkeys(Telegram.api, http_recorder.url),
    )


def webhook_info(**fields: Any) -> dict[str, Any]:
    return {"ok": True, "result": {**GOOD, **fields}}


def form_errors(**values: str) -> dict[str, Any]:
    form = Telegram.Form(MultiDict({**SETTINGS, **values}))
    form.validate()
    return {name: str(errors[0]) for name, errors in form.errors.items()}


# ── The form ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("written", ["SignpostDemoBot", "@SignpostDemoBot", " @SignpostDemoBot "])
def test_username_may_be_entered_with_or_without_an_at_sign(written: str) -> None:
    settings = settings_form.get_settings(
        settings_form.read_form(Telegram, {**SETTINGS, "bot_username": written}, {})
    )
    assert (settings["bot_username"], Telegram.senders_of(settings).default) == (
        "SignpostDemoBot",
        "@signpostdemobot",
    )


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("token", "123:abc", "35 more"),
        ("token", TOKEN + "x", "35 more"),
        ("bot_username", "acme", "ends in bot"),
        ("bot_username", "bot", "ends in bot"),
        ("team_chat", "12345", "starts with a minus"),
        ("team_chat", "Acme signing", "@name"),
        ("team_chat", "0", "@name"),
    ],
)
def test_invalid_setting_is_reported_in_a_sentence(field: str, value: str, error: str) -> None:
    errors = form_errors(**{field: value})
    assert list(errors) == [field]
    assert error in errors[field]
    assert errors[field].endswith(".")


@pytest.mark.parametrize(
    ("team", "destination"),
    [("-1001234567890", "-1001234567890"), ("@AcmeSigning", "@acmesigning"), ("", "")],
)
def test_team_chat_is_a_destination_that_supports_edits(team: str, destination: str) -> None:
    assert form_errors(team_chat=team) == {}
    assert Telegram.destination_of({**SETTINGS, "team_chat": team}) == destination
    assert Telegram.edits_posts(destination)
    assert not Telegram.keeps_threads(destination)


@pytest.mark.parametrize(
    ("written", "normal"),
    [(" 4711 ", "4711"), ("-0012", "-12"), ("@Acme_Signing", "@acme_signing")],
)
def test_chat_id_has_one_normal_form(written: str, normal: str) -> None:
    assert Telegram.clean_address(written) == normal


@pytest.mark.parametrize(
    "written", ["", "0", "+13175551234", "eric@example.com", "@ab", "12.5", "٣٤", "9" * 40]
)
def test_invalid_chat_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"-100"):
        Telegram.clean_address(written)


def test_blank_token_keeps_the_stored_one_of_the_same_account() -> None:
    form = settings_form.read_form(Telegram, {**SETTINGS, "token": "", "team_chat": ""}, SETTINGS)
    assert settings_form.get_settings(form)["token"] == TOKEN


# ── The test of the settings ──────────────────────────────────────────────────────────────────────
def test_valid_token_passes_the_test(telegram: Telegram, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(200, ME)
    http_recorder.answer(200, webhook_info())
    http_recorder.answer(200, CHAT)
    result = telegram.check()
    assert (result.ok, result.title, result.warnings) == (True, "Telegram is ready.", ())
    assert http_recorder.paths == [
        f"/bot{TOKEN}/{method}" for method in ("getMe", "getWebhookInfo", "getChat")
    ]


def test_token_of_another_bot_is_reported_with_its_name(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, {"ok": True, "result": {"username": "OtherBot"}})
    result = telegram.check()
    assert (result.ok, result.field) == (False, "bot_username")
    assert "@OtherBot" in result.title


@pytest.mark.parametrize(("status", "description"), [(401, "Unauthorized"), (404, "Not Found")])
def test_refused_token_is_reported_at_its_field_without_quoting_it(
    telegram: Telegram, http_recorder: HttpRecorder, status: int, description: str
) -> None:
    http_recorder.answer(status, {"ok": False, "error_code": status, "description": description})
    result = telegram.check()
    assert (result.ok, result.field) == (False, "token")
    assert f"HTTP {status}" in result.response
    assert "/bot" in result.response
    assert TOKEN.partition(":")[2] not in str(result)


def test_unreachable_telegram_is_reported(telegram: Telegram, http_recorder: HttpRecorder) -> None:
    result = telegram.check()
    assert (result.ok, result.field, result.code) == (False, "", "no_answer")


@pytest.mark.parametrize(
    ("webhook", "warning"),
    [
        ({"url": ""}, "No webhook is set"),
        ({"allowed_updates": ["message"]}, "callback_query, my_chat_member"),
        (
            {
                "last_error_message": "Wrong response from the webhook: 403 Forbidden",
                "last_error_date": 1795253400,
            },
            "does not match this connection",
        ),
    ],
)
def test_webhook_problem_is_a_warning_that_names_the_button(
    telegram: Telegram, http_recorder: HttpRecorder, webhook: dict[str, Any], warning: str
) -> None:
    http_recorder.answer(200, ME)
    http_recorder.answer(200, webhook_info(**webhook))
    http_recorder.answer(200, CHAT)
    result = telegram.check()
    assert result.ok
    assert len(result.warnings) == 1
    assert warning in result.warnings[0]
    assert "**Set webhook**" in result.warnings[0]


def test_bot_that_cannot_join_groups_cannot_post_to_a_team(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    bot = {**ME["result"], "can_join_groups": False}  # type: ignore[dict-item]
    http_recorder.answer(200, {"ok": True, "result": bot})
    http_recorder.answer(200, webhook_info())
    assert "/setjoingroups" in telegram.check().warnings[0]


@pytest.mark.parametrize(
    ("status", "description", "text"),
    [
        (400, "Bad Request: chat not found", "Add the bot to the group"),
        (403, "Forbidden: bot was kicked from the supergroup chat", "no longer in this group"),
        (403, "Forbidden: something new", "Telegram does not allow the bot to post there"),
        (400, "Bad Request: NEW_WORDS", "a reason that Signpost does not know"),
    ],
)
def test_unavailable_team_chat_fails_the_test(
    telegram: Telegram, http_recorder: HttpRecorder, status: int, description: str, text: str
) -> None:
    http_recorder.answer(200, ME)
    http_recorder.answer(200, webhook_info())
    http_recorder.answer(status, {"ok": False, "error_code": status, "description": description})
    result = telegram.check()
    assert (result.ok, result.field) == (False, "team_chat")
    assert SETTINGS["team_chat"] in result.title
    assert text in result.text + result.steps[0]
    assert "Test connection" in result.steps[-1]


def test_moved_team_chat_is_a_warning(telegram: Telegram, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(200, ME)
    http_recorder.answer(200, webhook_info())
    description = "Bad Request: group chat was upgraded to a supergroup chat"
    http_recorder.answer(
        400,
        {
            "ok": False,
            "error_code": 400,
            "description": description,
            "parameters": {"migrate_to_chat_id": -1009876543210},
        },
    )
    result = telegram.check()
    assert result.ok
    assert "`-1009876543210`" in result.warnings[0]


@pytest.mark.parametrize(
    ("member", "code"),
    [
        ({"status": "member"}, ""),
        ({"status": "administrator", "can_post_messages": True}, ""),
        ({"status": "creator"}, ""),
        ({"status": "left"}, "bot_removed"),
        ({"status": "kicked"}, "bot_removed"),
        ({"status": "administrator", "can_post_messages": False}, "no_rights"),
        ({"status": "restricted", "can_send_messages": False}, "no_rights"),
    ],
)
def test_bot_must_be_allowed_to_post_in_a_public_chat(
    http_recorder: HttpRecorder, member: dict[str, Any], code: str
) -> None:
    client = provider_http.ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    telegram = Telegram(
        {**SETTINGS, "team_chat": "@acmesigning"},
        client,
        dict.fromkeys(Telegram.api, http_recorder.url),
    )
    for answer in (ME, webhook_info(), CHAT, {"ok": True, "result": member}):
        http_recorder.answer(200, answer)
    result = telegram.check()
    assert (result.ok, result.code) == (not code, code)


# ── The webhook ───────────────────────────────────────────────────────────────────────────────────
def test_webhook_is_set_with_a_secret_and_the_supported_updates(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, {"ok": True, "result": True})
    result = telegram.subscribe(HERE)
    (body,) = http_recorder.bodies
    assert http_recorder.paths == [f"/bot{TOKEN}/setWebhook"]
    assert (body["url"], body["allowed_updates"]) == (
        HERE,
        ["message", "callback_query", "my_chat_member", "edited_message", "message_reaction"],
    )
    assert body["secret_token"].isalnum()
    assert len(body["secret_token"]) == 64
    assert body["secret_token"] not in result
    assert HERE in result


@pytest.mark.parametrize(
    "address",
    [
        "http://hub.example/x",
        "https://hub.example:8000/x",
        "https://127.0.0.1/x",
        "https://localhost:8443/x",
        "x",
        "https://a:b/",
    ],
)
def test_unsupported_webhook_address_is_refused_without_a_call(address: str) -> None:
    with pytest.raises(PermanentError, match="HUB_PUBLIC_URL"):
        Telegram(SETTINGS, provider_http.ProviderHttpClient()).subscribe(address)


@pytest.mark.parametrize("port", [443, 80, 88, 8443])
def test_ports_that_telegram_supports_are_accepted(
    telegram: Telegram, http_recorder: HttpRecorder, port: int
) -> None:
    http_recorder.answer(200, {"ok": True, "result": True})
    telegram.subscribe(f"https://hub.example:{port}/x")
    assert len(http_recorder.seen) == 1


def test_simulator_may_call_a_loopback_address(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, {"ok": True, "result": True})
    telegram.subscribe("http://127.0.0.1:8000/api/rpc/webhooks/telegram/demo")
    with pytest.raises(PermanentError):
        telegram.subscribe("http://hub.example/x")


def test_webhook_address_that_telegram_refuses_is_explained(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(
        400,
        {
            "ok": False,
            "error_code": 400,
            "description": "Bad Request: bad webhook: Failed to resolve host",
        },
    )
    with pytest.raises(PermanentError, match="HUB_PUBLIC_URL") as problem:
        telegram.subscribe(HERE)
    assert problem.value.code == "bad_webhook"


@pytest.mark.parametrize(
    ("webhook", "expected_texts"),
    [
        ({}, ("to https://hub.example", "No delivery failed.")),
        ({"url": ""}, ("No webhook is set", "Choose Set webhook")),
        (
            {"url": "https://old.example/x"},
            ("another URL, https://old.example/x", "Choose Set webhook"),
        ),
        ({"pending_update_count": 1}, ("1 update is waiting to be delivered.",)),
        (
            {
                "pending_update_count": 2100,
                "last_error_message": "Connection timed out",
                "last_error_date": 1795253400,
            },
            (
                "2,100 updates are waiting",
                "on November 21 at 09:30 UTC: Connection timed out.",
                "reached from the internet",
                "Set webhook to repair it",
            ),
        ),
    ],
)
def test_webhook_check_explains_the_problem_and_the_fix(
    telegram: Telegram,
    http_recorder: HttpRecorder,
    webhook: dict[str, Any],
    expected_texts: tuple[str, ...],
) -> None:
    http_recorder.answer(200, webhook_info(**webhook))
    result = telegram.check_webhook(HERE)
    for expected in expected_texts:
        assert expected in result
    assert result.endswith(".")


def test_webhook_is_removed(telegram: Telegram, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(200, {"ok": True, "result": True})
    assert "no longer sends updates" in telegram.remove_webhook(HERE)
    assert http_recorder.paths == [f"/bot{TOKEN}/deleteWebhook"]


def test_refused_webhook_action_explains_why(
    telegram: Telegram, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(401, {"ok": False, "error_code": 401, "description": "Unauthorized"})
    with pytest.raises(ConnectionBroken, match="BotFather"):
        telegram.check_webhook(HERE)


# ── Links for people ──────────────────────────────────────────────────────────────────────────────
def test_people_and_groups_are_invited_by_a_link_to_the_bot() -> None:
    bot = Telegram(SETTINGS, provider_http.ProviderHttpClient())
    assert bot.invite("aZ_-9") == "https://t.me/SignpostDemoBot?start=aZ_-9"
    assert bot.invite("aZ_-9", team=True) == "https://t.me/SignpostDemoBot?startgroup=aZ_-9"


def test_account_is_the_id_of_the_bot_and_not_a_secret() -> None:
    assert Telegram.account_of(SETTINGS) == TOKEN.partition(":")[0]
    assert (
        Telegram.account_of({})
        == Telegram.senders_of({}).default
        == Telegram.destination_of({})
        == ""
    )
