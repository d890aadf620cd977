"""Test a connection to Slack without posting: the token can post, or the webhook is active."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hub.integrations.api import (
    CheckResult,
    ConnectionBroken,
    DestinationUnavailable,
    PermanentError,
    SendError,
    describe_last,
    record_exchanges,
)
from hub.integrations.slack.calls import REFERENCE, SlackClient
from hub.integrations.slack.errors import ERRORS

# Slack's codes for a post without text to a webhook that exists
ACTIVE_WEBHOOK_CODES = ("no_text", "missing_text_or_fallback_or_attachments")
POST_SCOPE = "chat:write"
FIND_MEMBERS_SCOPE = "users:read.email"
PUBLIC_SCOPE = "chat:write.public"  # to post to public channels without joining them
READ_SCOPES = ("channels:read", "groups:read")  # with one of them Slack describes the channel
NO_BUTTONS = (
    "Remind and Snooze open a confirmation page in Signpost. To act directly in Slack,"
    " enter App ID and Signing Secret, and set the Request URL in the Slack app."
)


def check_webhook(client: SlackClient, path: str, destination: str, buttons: bool) -> CheckResult:
    """Test a webhook with a post that Slack refuses because it has no text."""

    def test() -> str:
        try:
            client.post(path, {"text": ""})
        except PermanentError as error:
            if error.code not in ACTIVE_WEBHOOK_CODES:
                raise
        return f"The webhook {destination} accepts posts for its channel."

    return _run_test(test, "webhook_url", buttons, ())


def check_bot(client: SlackClient, channel: str, buttons: bool) -> CheckResult:
    """Test that a token is valid and can post, and find the channel if the scopes allow it."""
    warnings: list[str] = []
    names: list[str] = []  # of the channel

    def test() -> str:
        response = client.method("auth.test", {})
        granted_scopes = response.headers.get("x-oauth-scopes", "").split(",")
        scopes = {scope.strip() for scope in granted_scopes} - {""}
        # older apps have the scope `bot` instead
        if scopes and POST_SCOPE not in scopes and "bot" not in scopes:
            raise ConnectionBroken(
                f"The bot token cannot post, because the scope {POST_SCOPE} is missing.",
                "missing_scope",
            )
        if scopes and FIND_MEMBERS_SCOPE not in scopes:
            warnings.append(
                f"The scope {FIND_MEMBERS_SCOPE} is missing, so direct messages by email address"
                " are not possible. Add it under **OAuth & Permissions**, and reinstall the"
                " app."
            )
        name = channel
        if scopes.intersection(READ_SCOPES):
            name = _channel_name(client, channel, scopes)
        names.append(name)
        user = _text(response.fields, "user")
        team = _text(response.fields, "team")
        return f"Signed in as {user} in {team}. Posts to {name}."

    result = _run_test(test, "bot_token", buttons, warnings)
    return replace(result, destination=next((name for name in names if name != channel), ""))


def _channel_name(client: SlackClient, channel: str, scopes: set[str]) -> str:
    """Return the name of the channel.

    Raises DestinationUnavailable if nothing can be posted to it.
    """
    try:
        response = client.method("conversations.info", {"channel": channel}, form=True)
    except SendError as problem:
        if isinstance(problem, DestinationUnavailable) and problem.sure:
            raise
        return channel  # the call was only needed for the name
    info = response.fields.get("channel")
    if not isinstance(info, dict):
        return channel
    if info.get("is_archived"):
        raise ERRORS.error("is_archived")
    if info.get("is_member") is False and PUBLIC_SCOPE not in scopes:
        raise ERRORS.error("not_in_channel")
    return f"#{info['name']}" if isinstance(info.get("name"), str) else channel


def _run_test(
    test: Callable[[], str], field: str, buttons: bool, warnings: Sequence[str]
) -> CheckResult:
    """Run a test that returns a sentence, and return its result.

    `field` is the setting at fault if the error names none. `warnings` may be filled by the test.
    """
    with record_exchanges() as exchanges:
        try:
            text = test()
        except SendError as error:
            response = describe_last(exchanges, error.code, REFERENCE)
            return replace(_failed_check(error, field), response=response)
    limitations = (*warnings, *(() if buttons else (NO_BUTTONS,)))
    on = " Buttons act in Slack." if buttons else ""
    title = {0: "Slack is ready.", 1: "Slack is ready, with one limitation."}.get(
        len(limitations), f"Slack is ready, with {len(limitations)} limitations."
    )
    return CheckResult(True, title, text + on, warnings=limitations)


def _failed_check(problem: SendError, field: str) -> CheckResult:
    known = ERRORS.codes.get(problem.code)
    if known is None or not isinstance(problem, ConnectionBroken | DestinationUnavailable):
        steps = (
            ("Test the connection again.",)
            if isinstance(problem, ConnectionBroken)
            else ("Wait a minute and test again.",)
        )
        return CheckResult(False, "Could not reach Slack.", str(problem), steps, code=problem.code)
    cause = str(problem).removesuffix(known.remedy).strip()
    return CheckResult(
        False,
        cause,
        "Posts are waiting until this is fixed.",
        (known.remedy, "Choose **Test connection**."),
        field=known.setting_at_fault({}) or field,
        code=problem.code,
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) and value else "?"
