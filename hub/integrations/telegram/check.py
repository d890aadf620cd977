"""Describe failed connection tests for admins, with the setting at fault."""

from __future__ import annotations

from hub.integrations.api import CheckResult, SendError
from hub.integrations.telegram.errors import ERRORS


def team_chat_failed(problem: SendError, team: str) -> CheckResult:
    """Report that the bot cannot post to the team's chat; posts wait until this is fixed."""
    known = ERRORS.explain(problem.code)
    cause = known.text if known else str(problem)
    remedy = known.remedy if known else "Check the chat in Telegram."
    return CheckResult(
        False,
        f"The bot cannot post to the team chat {team}.",
        f"{cause} Posts are waiting until this is fixed.",
        (remedy, "Choose **Test connection**."),
        field="team_chat",
        code=problem.code,
    )


def check_failed(problem: SendError, response: str) -> CheckResult:
    """Report that Telegram rejected the token, or could not be reached."""
    if problem.code in TOKEN_CODES:
        known = ERRORS.explain(problem.code)
        return CheckResult(
            False,
            "Telegram rejected the bot token.",
            known.text if known else "",
            (
                "In Telegram, open **@BotFather**, send `/token` and choose the bot.",
                "Paste the whole token below and choose **Test connection**.",
            ),
            field="token",
            code=problem.code,
            response=response,
        )
    return CheckResult(
        False,
        "Could not reach Telegram.",
        str(problem),
        ("Wait a minute and test again.",),
        code=problem.code,
        response=response,
    )


TOKEN_CODES = ("token_refused", "token_unknown")
