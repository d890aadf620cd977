"""The result of a test that Telegram refuses, in words for an admin, with the setting at fault."""

from __future__ import annotations

from hub.core.errors import PermanentError, SendError
from hub.integrations.base import CheckResult
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
        f"{says} Posts wait until this is fixed.",
        (do, "Choose **Test connection**."),
        field="team_chat",
        code=problem.code,
    )


def failed(problem: SendError, answer: str) -> CheckResult:
    """Say why Telegram could not be asked, and at which setting that lies."""
    if problem.code in TOKEN_CODES:
        known = explain(problem.code)
        return CheckResult(
            False,
            "Telegram refused the bot token.",
            known.text if known else "",
            (
                "In Telegram open **@BotFather**, send `/token` and choose the bot.",
                "Paste the whole token below and choose **Test connection**.",
            ),
            field="token",
            code=problem.code,
            answer=answer,
        )
    return CheckResult(
        False,
        "Telegram could not be asked.",
        str(problem),
        ("Wait a minute and test again.",),
        code=problem.code,
        answer=answer,
    )


TOKEN_CODES = ("token_refused", "token_unknown")
