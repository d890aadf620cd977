"""Slack: settings, addresses, requests and errors."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from hub.connections import settings_form
from hub.connections.settings_form import InvalidSettings
from hub.core.vocabulary import Address
from hub.integrations.api import WebhookRequest
from hub.integrations.slack.integration import Slack
from tests.integrations.slack_server import BUTTONS, BY_BOT, BY_HOOK, CHANNEL, HOOK, PLACE, SECRET

# the test of the contract reads these
SAMPLE_ACCEPTED = (200, {"ok": True, "channel": "C0123456789", "ts": "1796000000.000100"})
SAMPLE_REFUSALS = [
    (200, {"ok": False, "error": "channel_not_found"}, "channel_not_found"),
    (200, {"ok": False, "error": "token_revoked"}, "token_revoked"),
    (200, {"ok": False, "error": "is_archived"}, "is_archived"),
]
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


def sign(request: WebhookRequest, settings: Mapping[str, Any]) -> WebhookRequest:
    """Sign a webhook as Slack does. The test of the contract uses it."""
    sent_at = str(int(time.time()))
    signed = f"v0:{sent_at}:".encode() + request.body
    digest = hmac.new(settings["signing_secret"].encode(), signed, "sha256").hexdigest()
    proof = {"x-slack-request-timestamp": sent_at, "x-slack-signature": f"v0={digest}"}
    return replace(request, headers={**request.headers, **proof})


# ── Settings ──────────────────────────────────────────────────────────────────────────────────────
def read_settings(typed: dict[str, str], stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return settings_form.get_settings(settings_form.read_form(Slack, typed, stored or {}))


@pytest.mark.parametrize("typed", [BY_HOOK, BY_BOT, {**BY_HOOK, **BUTTONS}, {**BY_BOT, **BUTTONS}])
def test_bot_or_webhook_is_enough_with_or_without_buttons(typed: dict[str, str]) -> None:
    assert {name: value for name, value in read_settings(typed).items() if value} == typed


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
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
def test_mismatched_settings_are_reported_at_their_field(
    typed: dict[str, str], field: str, sentence: str
) -> None:
    with pytest.raises(InvalidSettings) as refused:
        read_settings(typed)
    assert (refused.value.field, sentence in str(refused.value)) == (field, True)


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
def test_invalid_webhook_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        read_settings({"webhook_url": url})
    assert refused.value.field == "webhook_url"
    assert SECRET not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_webhook_url_with_its_default_port_has_the_same_destination() -> None:
    assert (
        Slack.destination_of(read_settings({"webhook_url": HOOK.replace(".com/", ".com:443/")}))
        == PLACE
    )


def test_buttons_can_be_added_and_removed_without_entering_other_secrets_again() -> None:
    assert read_settings(BUTTONS, BY_HOOK)["webhook_url"] == HOOK
    assert (
        read_settings({**BUTTONS, "channel": CHANNEL}, BY_BOT)["bot_token"] == BY_BOT["bot_token"]
    )
    without = read_settings({}, {**BY_HOOK, **BUTTONS})
    assert (without["webhook_url"], without["app_id"], without["signing_secret"]) == (HOOK, "", "")


def test_different_app_requires_its_own_secrets() -> None:
    with pytest.raises(InvalidSettings) as refused:
        read_settings({"app_id": "A9876543210", "channel": CHANNEL}, {**BY_BOT, **BUTTONS})
    assert "changed" in str(refused.value)


def test_switching_the_method_replaces_the_stored_secret() -> None:
    assert {k: v for k, v in read_settings(BY_BOT, BY_HOOK).items() if v} == BY_BOT
    assert {
        k: v for k, v in read_settings({**BY_HOOK, "channel": CHANNEL}, BY_BOT).items() if v
    } == BY_HOOK


def test_public_values_contain_no_secret() -> None:
    for instance in (
        read_settings(BY_HOOK),
        read_settings({**BY_HOOK, **BUTTONS}),
        read_settings(BY_BOT),
    ):
        plain = " ".join(
            (
                Slack.account_of(instance),
                Slack.senders_of(instance).default,
                Slack.destination_of(instance),
            )
        )
        assert not [
            value
            for name, value in instance.items()
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


def test_bot_supports_threads_and_edits_and_a_webhook_supports_neither() -> None:
    assert [Slack.keeps_threads(destination) for destination in (PLACE, CHANNEL)] == [False, True]
    assert [Slack.edits_posts(destination) for destination in (PLACE, CHANNEL)] == [False, True]


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
def test_channels_members_webhooks_and_email_addresses_are_accepted(
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
def test_names_and_numbers_are_refused_as_addresses(typed: str) -> None:
    with pytest.raises(ValueError, match="Channel ID"):
        Slack.clean_address(typed)
