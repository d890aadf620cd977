"""Slack: its settings, addresses, requests, and the errors made of its answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from flask import Flask

from hub.connections import settings_form
from hub.connections.connection_tests import try_settings
from hub.connections.settings_form import InvalidSettings
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
from hub.core.vocabulary import Address, Status
from hub.integrations.base import Accepted, Button, Card, Outbound
from hub.integrations.slack.errors import CODES, METHODS, WEBHOOKS
from hub.integrations.slack.integration import Slack
from hub.lib.provider_http import ProviderHttpClient, record_exchanges
from hub.shared import integration_instances
from tests.conftest import free_port, serving
from tests.hub_fixtures import credentials

# the test of the contract reads these two
SAMPLE_CODES = ["channel_not_found", "token_revoked", "is_archived"]
SAMPLE_WEBHOOKS = [
    (
        "slack/interactions",
        {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": "1796000000",
            "x-slack-signature": "v0=00",
        },
        b"payload=%7B%22type%22%3A%22block_actions%22%2C%22api_app_id%22%3A%22A0123456789%22%2C"
        b"%22user%22%3A%7B%22id%22%3A%22U1%22%2C%22name%22%3A%22tom%22%7D%2C"
        b"%22actions%22%3A%5B%7B%22type%22%3A%22button%22%2C%22value%22%3A%22tok%22%7D%5D%7D",
    )
]

SECRET = "aSecretPartOfTheAddress1"
HOOK = f"https://hooks.slack.com/services/T0123ABCD/B0123ABCD/{SECRET}"
PLACE = "T0123ABCD/B0123ABCD"
CHANNEL = "C0123456789"
BY_HOOK = {"webhook_url": HOOK}
BY_BOT = {"bot_token": "xoxb-1234-5678-abcd", "channel": CHANNEL}
BUTTONS = {"app_id": "A0123456789", "signing_secret": "0123456789abcdef" * 2}


def outbound(to: str = CHANNEL, text: str = "Hello", **more: Any) -> Outbound:
    return Outbound("msg_1", 1, to, text, **more)


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
def read(typed: dict[str, str], stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return settings_form.settings_of(settings_form.read_form(Slack, typed, stored or {}))


@pytest.mark.parametrize("typed", [BY_HOOK, BY_BOT, {**BY_HOOK, **BUTTONS}, {**BY_BOT, **BUTTONS}])
def test_either_way_will_do_with_buttons_or_without(typed: dict[str, str]) -> None:
    assert {name: value for name, value in read(typed).items() if value} == typed


@pytest.mark.parametrize(
    ("typed", "field", "says"),
    [
        ({}, "webhook_url", "Enter the Webhook URL, or a bot token"),
        ({**BY_HOOK, **BY_BOT}, "webhook_url", "not both"),
        ({"bot_token": BY_BOT["bot_token"]}, "channel", "Channel ID"),
        ({"channel": CHANNEL}, "bot_token", "bot token"),
        ({**BY_BOT, "channel": "#signing"}, "channel", "copy the Channel ID"),
        ({**BY_BOT, "channel": "signing"}, "channel", "C or G"),
        ({**BY_BOT, "channel": "U0123456789"}, "channel", "C or G"),
        ({**BY_BOT, "bot_token": "xoxp-1234-5678-abcd"}, "bot_token", "starts with xoxb-"),
        ({**BY_HOOK, "app_id": "A0123456789"}, "signing_secret", "both"),
        ({**BY_HOOK, "signing_secret": "0" * 32}, "app_id", "both"),
        ({**BY_HOOK, **BUTTONS, "app_id": "T0123456789"}, "app_id", "App ID is A"),
    ],
)
def test_what_does_not_fit_is_said_where_it_stands(
    typed: dict[str, str], field: str, says: str
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        read(typed)
    assert (refused.value.field, says in str(refused.value)) == (field, True)


@pytest.mark.parametrize(
    "url",
    [
        HOOK.replace("https", "http"),
        HOOK.replace("hooks.slack.com", "hooks.slack.com.evil.example"),
        HOOK.replace("hooks.", ""),
        HOOK.replace("hooks.slack.com", "hooks.slack.com:8443"),
        HOOK.replace("hooks.slack.com", "x@hooks.slack.com"),
        HOOK.replace("hooks.slack.com", "hooks.slack.com@evil.example"),
        HOOK.replace("services/", "workflows/"),
        HOOK + "?x=1",
        HOOK + "#x",
        HOOK.rpartition("/")[0],
        HOOK.replace("/services/", "/services/../services/"),
        "https://[",
        "hello",
        HOOK + "/",
        HOOK.replace("/B0", "/%42"),
        "https://hooks.slack.com:port/services/T0123ABCD/B0123ABCD/x",
    ],
)
def test_an_address_that_is_no_webhook_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        read({"webhook_url": url})
    assert refused.value.field == "webhook_url"
    assert SECRET not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_webhook_with_its_port_is_the_same_place() -> None:
    assert Slack.destination_of(read({"webhook_url": HOOK.replace(".com/", ".com:443/")})) == PLACE


def test_buttons_are_added_and_given_up_without_asking_for_the_other_secret_again() -> None:
    assert read(BUTTONS, BY_HOOK)["webhook_url"] == HOOK
    assert read({**BUTTONS, "channel": CHANNEL}, BY_BOT)["bot_token"] == BY_BOT["bot_token"]
    without = read({}, {**BY_HOOK, **BUTTONS})
    assert (without["webhook_url"], without["app_id"], without["signing_secret"]) == (HOOK, "", "")


def test_another_app_has_other_secrets() -> None:
    with pytest.raises(InvalidSettings) as refused:
        read({"app_id": "A9876543210", "channel": CHANNEL}, {**BY_BOT, **BUTTONS})
    assert "changed" in str(refused.value)


def test_who_types_the_other_way_gives_up_the_stored_one() -> None:
    assert {k: v for k, v in read(BY_BOT, BY_HOOK).items() if v} == BY_BOT
    assert {k: v for k, v in read({**BY_HOOK, "channel": CHANNEL}, BY_BOT).items() if v} == BY_HOOK


def test_nothing_secret_is_stored_in_the_clear() -> None:
    for made in (read(BY_HOOK), read({**BY_HOOK, **BUTTONS}), read(BY_BOT)):
        plain = " ".join(
            (Slack.account_of(made), Slack.senders_of(made).default, Slack.destination_of(made))
        )
        assert not [
            value
            for name, value in made.items()
            if value in plain and value and name != "app_id" and name != "channel"
        ]
        assert SECRET not in plain
    assert (
        Slack.destination_of(BY_HOOK),
        Slack.destination_of(BY_BOT),
        Slack.account_of(BUTTONS),
    ) == (
        PLACE,
        CHANNEL,
        "A0123456789",
    )


def test_a_bot_keeps_threads_and_changes_its_posts_and_a_webhook_does_neither() -> None:
    assert [Slack.keeps_threads(place) for place in (PLACE, CHANNEL)] == [False, True]
    assert [Slack.edits_posts(place) for place in (PLACE, CHANNEL)] == [False, True]


# ── Addresses ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("typed", "clean", "kind"),
    [
        (f" {CHANNEL} ", CHANNEL, Address.CHAT),
        ("U0123456789", "U0123456789", Address.CHAT),
        (PLACE, PLACE, Address.CHAT),
        (" Eric.Smith@Example.com", "eric.smith@example.com", Address.EMAIL),
    ],
)
def test_channels_members_webhooks_and_mail_addresses_are_addresses(
    typed: str, clean: str, kind: Address
) -> None:
    assert Slack.clean_address(typed) == clean
    assert Slack.kind_of(clean) is kind


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "#signing",
        "@eric",
        "GENERAL",
        "c0123456789",
        "a@b",
        "a b@c.d",
        "a@@c.d",
        "+13175551234",
        HOOK,
        "x" * 400 + "@a.example",
    ],
)
def test_names_and_numbers_are_none(typed: str) -> None:
    with pytest.raises(ValueError, match="Channel ID"):
        Slack.clean_address(typed)


# ── A desk that answers as it is told ─────────────────────────────────────────────────────────────
class Desk:
    """Stands where Slack would: keeps what it is asked, and answers the same until it is told
    otherwise.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.answers: dict[str, tuple[int, str, dict[str, str]]] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        headers = {
            name: str(environ.get(name, "")) for name in ("CONTENT_TYPE", "HTTP_AUTHORIZATION")
        }
        self.asked.append((environ["PATH_INFO"], body, headers))
        status, text, more = self.answers[
            max((path for path in self.answers if environ["PATH_INFO"].endswith(path)), key=len)
        ]
        start_response(f"{status} So", [*more.items(), ("Content-Length", str(len(text.encode())))])
        return [text.encode()]

    def says(self, what: Any, status: int = 200, at: str = "", **headers: str) -> None:
        text = what if isinstance(what, str) else json.dumps(what)
        self.answers[at] = (
            status,
            text,
            {name.replace("_", "-"): value for name, value in headers.items()},
        )


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(port: int) -> Iterator[Desk]:
    found = Desk()
    with serving(found, port):
        yield found


@pytest.fixture
def desk(served: Desk) -> Desk:
    served.asked = []
    served.answers = {}
    return served


@pytest.fixture
def at_desk(desk: Desk, port: int) -> Any:
    door = ProviderHttpClient(allow={f"127.0.0.1:{port}"})
    return lambda given: Slack(given, door, dict.fromkeys(Slack.api, f"http://127.0.0.1:{port}"))


POSTED = {"ok": True, "channel": CHANNEL, "ts": "1700000000.000100"}


def test_a_webhook_takes_the_post_at_its_own_path(desk: Desk, at_desk: Any) -> None:
    desk.says("ok")
    assert at_desk(BY_HOOK).send(outbound(PLACE)) == Accepted("", Status.DELIVERED)
    [(path, body, headers)] = desk.asked
    assert path == f"/services/{PLACE}/{SECRET}"
    assert headers == {"CONTENT_TYPE": "application/json; charset=utf-8", "HTTP_AUTHORIZATION": ""}
    assert (json.loads(body)["text"], json.loads(body)["unfurl_links"]) == ("Hello", False)


def test_a_bots_first_message_begins_the_thread_and_the_next_ones_go_on_with_it(
    desk: Desk, at_desk: Any
) -> None:
    desk.says(POSTED)
    ts = POSTED["ts"]
    name = f"{CHANNEL}/{POSTED['ts']}"
    assert at_desk(BY_BOT).send(outbound()) == Accepted(name, Status.DELIVERED, thread=str(ts))
    assert at_desk(BY_BOT).send(outbound(thread="1.2")) == Accepted(name, Status.DELIVERED)
    (path, first, headers), (_, second, _) = desk.asked
    assert (path, headers["HTTP_AUTHORIZATION"]) == (
        "/api/chat.postMessage",
        f"Bearer {BY_BOT['bot_token']}",
    )
    assert ("thread_ts" in json.loads(first), json.loads(second)["thread_ts"]) == (False, "1.2")


def test_an_edit_changes_the_message_that_stands_there(desk: Desk, at_desk: Any) -> None:
    desk.says(POSTED)
    assert at_desk(BY_BOT).send(outbound(edits=f"{CHANNEL}/1.2")) == Accepted(
        f"{CHANNEL}/1.2", Status.DELIVERED
    )
    [(path, body, _)] = desk.asked
    said = json.loads(body)
    assert (path, said["channel"], said["ts"]) == ("/api/chat.update", CHANNEL, "1.2")


def test_a_bot_answers_a_press_by_an_edit_which_is_never_too_late(desk: Desk, at_desk: Any) -> None:
    desk.says(POSTED)
    at_desk(BY_BOT).send(
        outbound(edits=f"{CHANNEL}/1.2", reply_to="https://hooks.slack.com/actions/T/1/x")
    )
    assert [path for path, _, _ in desk.asked] == ["/api/chat.update"]


def test_a_mail_address_is_looked_up_first(desk: Desk, at_desk: Any) -> None:
    desk.says({"ok": True, "user": {"id": "U0123456789"}}, at="users.lookupByEmail")
    desk.says({**POSTED, "channel": "D0123456789"})
    assert (
        at_desk(BY_BOT).send(outbound("eric@example.com")).provider_id
        == "D0123456789/1700000000.000100"
    )
    (path, body, headers), (_, posted, _) = desk.asked
    assert (path, parse_qs(body)) == ("/api/users.lookupByEmail", {"email": ["eric@example.com"]})
    assert headers["CONTENT_TYPE"] == "application/x-www-form-urlencoded", "it reads no JSON"
    assert json.loads(posted)["channel"] == "U0123456789"


@pytest.mark.parametrize("base", ["https://hooks.slack.com", "here"])
def test_a_press_is_answered_at_its_own_address(
    desk: Desk, at_desk: Any, port: int, base: str
) -> None:
    desk.says("ok")
    url = f"{base.replace('here', f'http://127.0.0.1:{port}')}/actions/T0123ABCD/12/{SECRET}"
    assert at_desk(BY_HOOK).send(outbound(PLACE, reply_to=url)) == Accepted("", Status.DELIVERED)
    [(path, body, _)] = desk.asked
    assert (path, json.loads(body)["replace_original"]) == (f"/actions/T0123ABCD/12/{SECRET}", True)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/actions/T/1/x",
        "https://hooks.slack.com.evil.example/actions/x",
        "https://hooks.slack.com/services/T/B/x",
        "https://hooks.slack.com/actions/../services/T",
        "http://hooks.slack.com/actions/T/1/x",
        "https://x@hooks.slack.com/actions/T/1",
        "https://hooks.slack.com/actions/x?y=1",
        "//evil.example/actions/x",
        "/actions/x",
    ],
)
def test_no_other_address_is_answered_at(desk: Desk, at_desk: Any, url: str) -> None:
    with pytest.raises(PermanentError) as refused:
        at_desk(BY_BOT).send(outbound(reply_to=url))
    assert (refused.value.code, desk.asked) == ("bad_reply_address", [])


@pytest.mark.parametrize(
    "code", ["expired_url", "used_url", "channel_not_found", "invalid_url", "no_service", ""]
)
def test_an_answer_that_comes_too_late_breaks_nothing(desk: Desk, at_desk: Any, code: str) -> None:
    desk.says({"ok": False, "error": code} if code else "<html>", 404)
    with pytest.raises(PermanentError):
        at_desk(BY_HOOK).send(outbound(PLACE, reply_to="https://hooks.slack.com/actions/T/1/x"))


@pytest.mark.parametrize(
    ("given", "message", "code"),
    [
        (BY_HOOK, outbound("eric@example.com"), "no_direct_messages"),
        (BY_HOOK, outbound("U0123456789"), "no_direct_messages"),
        (BY_HOOK, outbound("C0123456789"), "one_channel"),
        (BY_HOOK, outbound("T0123ABCD/B9999ABCD"), "one_channel"),
        (BY_HOOK, outbound(PLACE, edits="C0123456789/1.2"), "no_edits"),
        (BY_BOT, outbound(PLACE), "not_a_channel"),
    ],
)
def test_what_a_way_cannot_do_is_refused_with_the_reason_and_without_a_call(
    desk: Desk, at_desk: Any, given: dict[str, str], message: Outbound, code: str
) -> None:
    with pytest.raises(PermanentError) as refused:
        at_desk(given).send(message)
    assert (refused.value.code, desk.asked) == (code, [])


# ── What the answers come to ──────────────────────────────────────────────────────────────────────
def refusal(one: Slack, message: Outbound) -> SendError:
    with pytest.raises(SendError) as caught:
        one.send(message)
    return caught.value


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
        ("no_service", 404, ConnectionBroken),
        ("no_service", 200, ConnectionBroken),
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
def test_what_a_webhook_says_decides(
    desk: Desk, at_desk: Any, body: str, status: int, error: type[SendError]
) -> None:
    desk.says(body, status, **({"Location": "https://slack.com/"} if status == 301 else {}))
    problem = refusal(at_desk(BY_HOOK), outbound(PLACE))
    assert type(problem) is error
    assert problem.code
    assert len(desk.asked) == 1, "nothing is followed, nothing is tried twice"


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
def test_what_the_web_api_says_decides(
    desk: Desk, at_desk: Any, code: str, error: type[SendError]
) -> None:
    desk.says({"ok": False, "error": code})
    problem = refusal(at_desk(BY_BOT), outbound())
    assert (type(problem), problem.code) == (error, code)


@pytest.mark.parametrize(
    "what",
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
def test_an_answer_that_cannot_be_read_leaves_it_open(desk: Desk, at_desk: Any, what: str) -> None:
    desk.says(what)
    assert type(refusal(at_desk(BY_BOT), outbound())) is OutcomeUnknown


def test_the_pause_is_the_one_slack_asks_for(desk: Desk, at_desk: Any) -> None:
    desk.says({"ok": False, "error": "ratelimited"}, 429, Retry_After="7")
    problem = refusal(at_desk(BY_BOT), outbound())
    assert isinstance(problem, SlowDown)
    assert problem.retry_after == 7
    desk.says({"ok": False, "error": "ratelimited"}, 429)
    assert getattr(refusal(at_desk(BY_BOT), outbound()), "retry_after", 0) == 10


@pytest.mark.parametrize(
    "code",
    ["channel_not_found", "not_in_channel", "is_archived", "restricted_action", "user_not_found"],
)
def test_trouble_with_somebody_else_does_not_pause_the_teams_channel(
    desk: Desk, at_desk: Any, code: str
) -> None:
    desk.says({"ok": False, "error": code})
    assert type(refusal(at_desk(BY_BOT), outbound("U0123456789"))) is PermanentError
    assert type(refusal(at_desk(BY_BOT), outbound())) is DestinationUnavailable


def test_unknown_words_about_an_edit_are_about_the_post(desk: Desk, at_desk: Any) -> None:
    desk.says({"ok": False, "error": "never_heard_of"})
    assert type(refusal(at_desk(BY_BOT), outbound(edits=f"{CHANNEL}/1.2"))) is PermanentError
    assert type(refusal(at_desk(BY_BOT), outbound("U0123456789"))) is PermanentError


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
def test_a_lookup_that_fails_has_sent_nothing(
    desk: Desk, at_desk: Any, code: str, status: int, error: type[SendError]
) -> None:
    desk.says({"ok": False, "error": code}, status)
    assert type(refusal(at_desk(BY_BOT), outbound("eric@example.com"))) is error
    assert len(desk.asked) == 1


def test_nobody_there_is_unreachable_and_no_answer_leaves_it_open(port: int) -> None:
    gone = free_port()
    one = Slack(
        BY_BOT,
        ProviderHttpClient(allow={f"127.0.0.1:{gone}"}),
        dict.fromkeys(Slack.api, f"http://127.0.0.1:{gone}"),
    )
    assert type(refusal(one, outbound())) is Unreachable


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained_in_sentences(code: str) -> None:
    problem = Slack.explain(code)
    assert problem is not None
    for sentence in (problem.text, problem.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not [word for word in ("!", "  ", "'", "please", "—") if word in sentence.lower()]
    assert problem.url in ("", METHODS, WEBHOOKS)


def test_the_secret_in_the_address_is_told_by_nothing(
    desk: Desk, at_desk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = at_desk(BY_HOOK)
    told = []
    for body, status in (("ok", 200), ("no_service", 404), ("", 500), ("<html>", 404), (HOOK, 400)):
        desk.says(body, status)
        with record_exchanges() as exchanges:
            try:
                told.append(one.send(outbound(PLACE)))
            except SendError as problem:
                told += [problem, vars(problem), problem.__cause__, problem.__context__]
            told += [exchanges, one.check(), one.render(outbound(PLACE))]
    gone = free_port()
    away = Slack(
        BY_HOOK,
        ProviderHttpClient(allow={f"127.0.0.1:{gone}"}),
        dict.fromkeys(Slack.api, f"http://127.0.0.1:{gone}"),
    )
    told += [refusal(away, outbound(PLACE)), away.check()]
    assert SECRET not in repr(told)
    assert not [
        line for line in caplog.records if SECRET in line.getMessage() and line.name != "werkzeug"
    ]  # that one is the desk's


# ── Testing ───────────────────────────────────────────────────────────────────────────────────────
SIGNED_IN = {"ok": True, "user": "signpost", "team": "Acme"}


def test_a_webhook_that_wants_a_text_is_alive(desk: Desk, at_desk: Any) -> None:
    desk.says("no_text", 400)
    found = at_desk({**BY_HOOK, **BUTTONS}).check()
    assert (found.ok, found.title, found.warnings) == (True, "Slack is ready.", ())
    assert found.text == f"The webhook {PLACE} accepts posts for its channel. Buttons act in Slack."
    assert [json.loads(body) for _, body, _ in desk.asked] == [{"text": ""}], "nothing is posted"


def test_a_webhook_that_is_gone_says_where_a_new_one_is_had(desk: Desk, at_desk: Any) -> None:
    desk.says("no_service", 404, X_Slack_Req_Id="r-1")
    found = at_desk(BY_HOOK).check()
    assert (found.ok, found.field, found.code) == (False, "webhook_url", "no_service")
    assert "Add New Webhook" in found.steps[0]
    assert "HTTP 404 · x-slack-req-id r-1\ncode no_service" in found.response


def test_a_bot_is_named_with_its_team(desk: Desk, at_desk: Any) -> None:
    desk.says(SIGNED_IN, X_Oauth_Scopes="chat:write,users:read.email")
    found = at_desk({**BY_BOT, **BUTTONS}).check()
    assert (found.ok, found.warnings) == (True, ())
    assert found.text == f"Signed in as signpost in Acme. Posts to {CHANNEL}. Buttons act in Slack."


def test_missing_scopes_and_buttons_that_do_not_act_are_told(desk: Desk, at_desk: Any) -> None:
    desk.says(SIGNED_IN, X_Oauth_Scopes="chat:write")
    found = at_desk(BY_BOT).check()
    assert (found.ok, found.title, len(found.warnings)) == (
        True,
        "Slack is ready, with 2 limits.",
        2,
    )
    assert "users:read.email" in found.warnings[0]
    assert "App ID" in found.warnings[1]
    desk.says(SIGNED_IN, X_Oauth_Scopes="users:read.email")
    found = at_desk(BY_BOT).check()
    assert (found.ok, found.field, found.code) == (False, "bot_token", "missing_scope")
    assert "chat:write" in found.title


@pytest.mark.parametrize(
    ("said", "ok", "tells"),
    [
        (
            {"ok": True, "channel": {"name": "signing", "is_member": True}},
            True,
            "Posts to #signing.",
        ),
        ({"ok": True, "channel": {"name": "signing", "is_member": False}}, False, "not a member"),
        ({"ok": True, "channel": {"name": "signing", "is_archived": True}}, False, "archived"),
        ({"ok": False, "error": "channel_not_found"}, False, "no such channel"),
        ({"ok": False, "error": "missing_scope"}, True, f"Posts to {CHANNEL}."),
        ({"ok": True}, True, f"Posts to {CHANNEL}."),
    ],
)
def test_the_channel_is_looked_at_where_the_token_may(
    desk: Desk, at_desk: Any, said: Any, ok: bool, tells: str
) -> None:
    desk.says(SIGNED_IN, X_Oauth_Scopes="chat:write,users:read.email,channels:read")
    desk.says(said, at="conversations.info")
    found = at_desk({**BY_BOT, **BUTTONS}).check()
    assert (found.ok, tells in found.title + found.text) == (ok, True)
    assert found.ok or found.field == "channel"


def test_an_app_that_may_post_to_public_channels_need_not_be_a_member(
    desk: Desk, at_desk: Any
) -> None:
    desk.says(
        SIGNED_IN, X_Oauth_Scopes="chat:write,chat:write.public,users:read.email,channels:read"
    )
    desk.says(
        {"ok": True, "channel": {"name": "signing", "is_member": False}}, at="conversations.info"
    )
    assert at_desk(BY_BOT).check().ok


@pytest.mark.parametrize("what", [("", 500), ("<html>", 200), ("{}", 200), ("", 404)])
@pytest.mark.parametrize("given", [BY_BOT, BY_HOOK])
def test_whatever_answers_the_test_ends_in_words(
    desk: Desk, at_desk: Any, what: tuple[str, int], given: dict[str, str]
) -> None:
    desk.says(*what)
    found = at_desk(given).check()
    assert not found.ok
    assert found.title.endswith(".")
    assert found.steps


# ── Over HTTP, with the simulator ─────────────────────────────────────────────────────────────────
def demo(app: Flask, **more: Any) -> dict[str, Any]:
    return {**(Slack.demo_settings(credentials(app)) or {}), **more}


def demo_hook(app: Flask) -> dict[str, Any]:
    made_up = credentials(app).made_up
    team = made_up("slack team", 10).upper()
    name = made_up("slack webhook", 10).upper()
    secret = made_up("slack webhook secret", 24)
    return {
        **demo(app, bot_token="", channel=""),
        "webhook_url": f"https://hooks.slack.com/services/T{team}/B{name}/{secret}",
    }


def running(given: dict[str, Any]) -> Any:
    return integration_instances.instances().make("slack", given, test=True)


def posts(simulator: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (
        simulator.test_client().get("/simulator/slack.json").json["messages"]
    )
    return found


def test_the_demos_ways_pass_their_tests_and_post_nothing(in_app: Flask, simulator: Any) -> None:
    for given in (demo(in_app), demo_hook(in_app)):
        tested = try_settings(
            "slack", True, {name: value for name, value in given.items() if value}
        )
        assert tested.check.ok, tested.check
        assert tested.check.warnings == ()
    assert posts(simulator) == []


def test_a_token_that_is_refused_says_so_at_its_field(in_app: Flask, simulator: Any) -> None:
    found = running(demo(in_app, bot_token="xoxb-0-token-revoked")).check()
    assert (found.ok, found.field, found.code) == (False, "bot_token", "token_revoked")
    found = running(demo(in_app, bot_token="xoxb-0-missing-scope")).check()
    assert (found.ok, found.code) == (False, "missing_scope")


def test_a_request_is_told_in_a_thread_and_its_first_post_changes(
    in_app: Flask, simulator: Any
) -> None:
    one = running(demo(in_app))
    channel = one.settings["channel"]
    card = Card("Employment & Co", (("Signers", "0 of 1"),), ("Sent by Acme HR",))
    first = one.send(
        outbound(
            channel,
            "Sent <!channel>",
            card=card,
            buttons=(Button("Open", "https://sign.example/1"),),
        )
    )
    assert first.status is Status.DELIVERED
    reply = one.send(outbound(channel, "Eric signed", thread=first.thread))
    changed = one.send(outbound(channel, "All signed", card=card, edits=first.provider_id))
    assert (reply.thread, changed.provider_id) == ("", first.provider_id)
    shown = posts(simulator)
    assert sorted(one["ts"] for one in shown) == sorted(
        [first.thread, reply.provider_id.partition("/")[2]]
    )
    text = json.dumps(shown)
    assert "All signed" in text
    assert "Eric signed" in text


def test_a_webhook_posts_a_card(in_app: Flask, simulator: Any) -> None:
    one = running(demo_hook(in_app))
    place = one.destination_of(one.settings)
    assert one.send(outbound(place, card=Card("T", (("a", "b"),)))) == Accepted(
        "", Status.DELIVERED
    )
    assert len(posts(simulator)) == 1


@pytest.mark.parametrize(
    ("to", "error"),
    [
        ("eric@example.com", None),
        ("nobody@acme.example", RecipientRefused),
        ("unscoped@acme.example", PermanentError),
    ],
)
def test_people_are_written_to_by_their_mail_address(
    in_app: Flask, simulator: Any, to: str, error: type[SendError] | None
) -> None:
    one = running(demo(in_app))
    if error is None:
        assert one.send(outbound(to)).provider_id.startswith("D")
    else:
        assert type(refusal(one, outbound(to))) is error
