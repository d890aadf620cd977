"""Errors in Telegram's format."""

from __future__ import annotations

from typing import Any


class TelegramError(Exception):
    """A call is refused: an HTTP status, which is also the error code, a sentence and
    parameters.
    """

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    @property
    def body(self) -> dict[str, Any]:
        content = {"ok": False, "error_code": self.code, "description": self.description}
        return content | ({"parameters": self.parameters} if self.parameters else {})


def rate_limited() -> TelegramError:
    return TelegramError(429, "Too Many Requests: retry after 1", retry_after=1)
