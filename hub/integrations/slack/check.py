"""Test a connection to Slack without posting: the token may post, or the webhook is alive."""

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
from hub.integrations.slack.calls import REFERENCE, Calls
from hub.integrations.slack.errors import CODES, error

# what Slack says to a post without text, once it knows the webhook
ALIVE = ("no_text", "missing_text_or_fallback_or_attachments")
POSTS = "chat:write"
FINDS = "users:read.email"
PUBLIC = "chat:write.public"  # posts to public channels of which the app is no member
SEES = ("channels:read", "groups:read")  # with one of them Slack describes the channel
NO_BUTTONS = (
    "Remind and Snooze open a confirmation page in Signpost. To act directly in Slack,"
    " enter App ID and Signing Secret, and set the Request URL in the Slack app."
)


def of_webhook(calls: Calls, path: str, place: str, buttons: bool) -> CheckResult:
    """Prove that a webhook is alive, by a post that Slack refuses for having no text."""

    def ask() -> str:
        try:
            calls.post(path, {"text": ""})
        except PermanentError as problem:
            if problem.code not in ALIVE:
                raise
        return f"The webhook {place} accepts posts for its channel."

    return _checked(ask, "webhook_url", buttons, ())


def of_bot(calls: Calls, channel: str, buttons: bool) -> CheckResult:
    """Prove that a token signs in and may post, and find the channel where the token's scopes let
    us.
    """
    warnings: list[str] = []

    def ask() -> str:
        said = calls.method("auth.test", {}, own=False)
        scopes = {scope.strip() for scope in said.headers.get("x-oauth-scopes", "").split(",")} - {
            ""
        }
        # the latter is how apps of old were let in
        if scopes and POSTS not in scopes and "bot" not in scopes:
            raise ConnectionBroken(
                f"The bot token cannot post, because the scope {POSTS} is missing.", "missing_scope"
            )
        if scopes and FINDS not in scopes:
            warnings.append(
                f"The scope {FINDS} is missing, so direct messages by email address are"
                " not possible. Add it under **OAuth & Permissions**, and reinstall the"
                " app."
            )
        where = _channel(calls, channel, scopes) if scopes.intersection(SEES) else channel
        return (
            f"Signed in as {_text(said.fields, 'user')} in {_text(said.fields, 'team')}. Posts to"
            f" {where}."
        )

    return _checked(ask, "bot_token", buttons, warnings)


def _channel(calls: Calls, channel: str, scopes: set[str]) -> str:
    """Return the channel's name.

    Raises DestinationUnavailable where nothing can be posted to it.
    """
    try:
        found = calls.method("conversations.info", {"channel": channel}, form=True).fields.get(
            "channel"
        )
    except SendError as problem:
        if isinstance(problem, DestinationUnavailable) and problem.sure:
            raise
        return channel  # it was only meant to tell the name
    about: Mapping[str, Any] = found if isinstance(found, dict) else {}
    if about.get("is_archived"):
        raise error("is_archived")
    if about.get("is_member") is False and PUBLIC not in scopes:
        raise error("not_in_channel")
    return f"#{about['name']}" if isinstance(about.get("name"), str) else channel


def _checked(
    ask: Callable[[], str], field: str, buttons: bool, warnings: Sequence[str]
) -> CheckResult:
    with record_exchanges() as exchanges:
        try:
            text = ask()
        except SendError as problem:
            return replace(
                _refused(problem, field), response=describe_last(exchanges, problem.code, REFERENCE)
            )
    told = (*warnings, *(() if buttons else (NO_BUTTONS,)))
    on = " Buttons act in Slack." if buttons else ""
    limits = {0: "Slack is ready.", 1: "Slack is ready, with one limitation."}.get(
        len(told), f"Slack is ready, with {len(told)} limitations."
    )
    return CheckResult(True, limits, text + on, warnings=told)


def _refused(problem: SendError, field: str) -> CheckResult:
    known = CODES.get(problem.code)
    if known is None or not isinstance(problem, ConnectionBroken | DestinationUnavailable):
        steps = (
            ("Test the connection again.",)
            if isinstance(problem, ConnectionBroken)
            else ("Wait a minute and test again.",)
        )
        return CheckResult(False, "Could not reach Slack.", str(problem), steps, code=problem.code)
    says = str(problem).removesuffix(known.do).strip()
    return CheckResult(
        False,
        says,
        "Posts are waiting until this is fixed.",
        (known.do, "Choose **Test connection**."),
        field=known.field or field,
        code=problem.code,
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    found = fields.get(name)
    return found if isinstance(found, str) and found else "?"
