"""Errors in Telegram's form."""

from __future__ import annotations

from typing import Any


class TelegramError(Exception):
    """A call is refused: the HTTP status, which is the error code as well, a sentence, and what to
    do where that is known.
    """

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    @property
    def body(self) -> dict[str, Any]:
        said = {"ok": False, "error_code": self.code, "description": self.description}
        return said | ({"parameters": self.parameters} if self.parameters else {})


def too_fast() -> TelegramError:
    return TelegramError(429, "Too Many Requests: retry after 1", retry_after=1)
