"""The result of a test that Telegram refuses, in words for an admin, with the setting at fault."""

from __future__ import annotations

from hub.integrations.api import CheckResult, PermanentError, SendError
from hub.integrations.telegram.errors import explain


def no_team(problem: PermanentError, team: str) -> CheckResult:
    """Say why the bot cannot write to the team's chat: its posts wait until it can."""
    known = explain(problem.code)
    says, do = (
        (known.text, known.remedy) if known else (str(problem), "Check the chat in Telegram.")
    )
    return CheckResult(
        False,
        f"The bot cannot post to the team chat {team}.",
        f"{says} Posts are waiting until this is fixed.",
        (do, "Choose **Test connection**."),
        field="team_chat",
        code=problem.code,
    )


def failed(problem: SendError, response: str) -> CheckResult:
    """Say why Telegram could not be asked, and at which setting that lies."""
    if problem.code in TOKEN_CODES:
        known = explain(problem.code)
        return CheckResult(
            False,
            "Telegram rejected the bot token.",
            known.text if known else "",
            (
                "In Telegram open **@BotFather**, send `/token` and choose the bot.",
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
