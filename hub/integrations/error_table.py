"""The error codes of a provider in one table: the error to raise, its cause and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    Scope,
    SendError,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.integrations.calls import NotAllowed, describe_last
from hub.integrations.gateway import gateway_error
from hub.integrations.values import CheckResult, Problem, StatusUpdate
from hub.lib.provider_http import Exchange, ProviderResponse

# statuses after which the provider may have accepted the message
UNDECIDED = (408, 425, 500, 502, 503, 504)
TEST_AGAIN = "Wait a minute and test again."
# a code that may be shown although the table does not contain it; a longer text may be a message
_PRINTABLE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")

# a code, or a code that has this meaning with one HTTP status only
Code = str | tuple[int, str]


@dataclass(frozen=True)
class ErrorCode:
    """The meaning of a code: its error, its cause, its remedy, and the setting at fault.

    `retry_after` is the wait in seconds if the response names none, and `scope` the reach of the
    wait, both for a TransientError. `sure` is False if a DestinationUnavailable may also concern
    the message only. `url` replaces the table's `docs_url`.
    """

    error: type[SendError]
    text: str
    remedy: str
    field: str = ""
    url: str = ""
    retry_after: float | None = None
    scope: Scope | None = None
    sure: bool = True

    @property
    def sentence(self) -> str:
        return f"{self.text} {self.remedy}"

    def new_error(self, code: str, retry_after: float | None = None) -> SendError:
        """Return the error, with the wait in seconds that the provider asked for."""
        if issubclass(self.error, TransientError):
            wait = self.retry_after if retry_after is None else retry_after
            return self.error(self.sentence, code, wait, scope=self.scope)
        if issubclass(self.error, DestinationUnavailable):
            return self.error(self.sentence, code, sure=self.sure)
        return self.error(self.sentence, code)


class ErrorTable:
    """The codes of one provider, with entries for the HTTP statuses that every provider uses.

    `codes` maps the provider's own codes, and `http_<status>` for statuses, to their meaning. It
    adds to the usual entries and replaces those of the same code. A key such as `(400, "general")`
    is the meaning of a code with that HTTP status only. `docs_url` is the page that explains the
    codes.

    `credential` is the setting at fault when the provider rejects the credentials.
    `destination` is the setting that names a team's channel: HTTP 404 then pauses the destination.
    `server` is the setting with the server's address, if an admin enters it.
    `settings` names the settings that lead to the provider, for a response that a proxy wrote.
    `unknown` is the meaning of codes and statuses that the table does not contain.
    """

    def __init__(
        self,
        provider: str,
        codes: Mapping[Any, ErrorCode],  # by `Code`; a mapping of texts only is also one
        *,
        docs_url: str = "",
        credential: str = "",
        destination: str = "",
        server: str = "",
        settings: str = "the settings",
        unknown: ErrorCode | None = None,
    ) -> None:
        self.provider = provider
        self.codes = _status_codes(provider, credential, destination)
        self.codes_by_status: dict[tuple[int, str], ErrorCode] = {}
        for code, entry in codes.items():
            if isinstance(code, tuple):
                self.codes_by_status[code] = entry
            else:
                self.codes[code] = entry
        self._docs_url = docs_url
        self._server = server
        self._settings = settings
        self._unknown = unknown or ErrorCode(
            PermanentError,
            f"{provider} rejected the message, and Signpost does not know the reason.",
            "Look up the code in the provider’s documentation.",
        )

    def explain(self, code: str) -> Problem | None:
        """Explain a code in two sentences. Returns None for an unknown code."""
        entry = self._entry(code)
        if entry is None:
            return None
        return Problem(code, entry.text, entry.remedy, entry.url or self._docs_url)

    def error(self, code: str, retry_after: float | None = None) -> SendError:
        """Return the error of a code in the table.

        `retry_after` is the wait in seconds that the provider asked for. Raises KeyError if the
        table has no such code.
        """
        entry = self._entry(code)
        if entry is None:
            raise KeyError(code)
        return entry.new_error(code, retry_after)

    def error_for(
        self, response: ProviderResponse, code: str = "", *, genuine: bool = True
    ) -> SendError:
        """Return the error of a response that is not a success.

        The table is searched for `code`, the provider's own, and then for the HTTP status, which
        may be 200. Pass `genuine=False` for a response that the provider did not write, such as an
        HTML page of a proxy. No other part of the response is quoted: it may contain the message.
        """
        status = response.status
        wait = response.retry_after
        status_code = f"http_{status}"
        entry = self.codes_by_status.get((status, code)) or self.codes.get(code)
        if entry is not None and genuine:
            return entry.new_error(code, wait)
        shown = code if genuine and _PRINTABLE_CODE.fullmatch(code) else status_code
        if status == 429 or (status == 503 and wait is not None):
            return self.codes["http_429"].new_error(shown, wait)
        if (status < 400 and not (genuine and code)) or (not genuine and status < 500):
            return gateway_error(self.provider, status, self._settings)
        # an entry for another 5xx is the provider's own, and no proxy can raise it
        if status_code in self.codes and (genuine or status in UNDECIDED):
            return self.codes[status_code].new_error(status_code, wait)
        if status >= 500:
            return self.codes["http_500"].new_error(status_code)
        return self._unknown.new_error(shown, wait)

    def update(
        self, code: str, status: Status | None, provider_status: str = "", **fields: Any
    ) -> StatusUpdate:
        """Return the status that a webhook reports, with the meaning of its code, or "" if there is
        none.

        `fields` are the other fields of the StatusUpdate, such as `provider_id`.
        """
        entry = self._entry(code)
        has_failed = status in (Status.FAILED, Status.UNDELIVERED)
        return StatusUpdate(
            status=status,
            provider_status=provider_status,
            code=code,
            reason=entry.sentence if entry else "",
            error=entry.new_error(code) if entry and has_failed else None,
            **fields,
        )

    def failed_check(
        self, problem: SendError, exchanges: Sequence[Exchange], *, reference: str = ""
    ) -> CheckResult:
        """Return the result of a connection test that raised an error."""
        result = CheckResult(
            False,
            self._title(problem),
            str(problem),
            (TEST_AGAIN,),
            code=problem.code,
            response=describe_last(exchanges, problem.code, reference),
        )
        entry = self._entry(problem.code)
        if isinstance(problem, NotAllowed):
            allow = (problem.remedy, "Restart Signpost if you changed HUB_HTTP_ALLOW. Test again.")
            return replace(result, text=problem.reason, steps=allow, field=self._server)
        if entry is None or isinstance(problem, Unreachable):
            return result
        steps: tuple[str, ...] = (entry.remedy,)
        if issubclass(entry.error, TransientError):
            # a limit needs no action while messages are sent, but a test is repeated by hand
            steps = (TEST_AGAIN,)
        elif issubclass(entry.error, OutcomeUnknown):
            steps = (entry.remedy, TEST_AGAIN)
        return replace(result, title=entry.text, text="", steps=steps, field=entry.field)

    def _entry(self, code: str) -> ErrorCode | None:
        if code in self.codes:
            return self.codes[code]
        return next(
            (entry for (_, known), entry in self.codes_by_status.items() if known == code), None
        )

    def _title(self, problem: SendError) -> str:
        if isinstance(problem, Unreachable):
            return f"Could not reach {self.provider}."
        if problem.code == "no_answer":
            return f"{self.provider} did not respond."
        if isinstance(problem, OutcomeUnknown):
            return f"The response of {self.provider} could not be read."
        return f"{self.provider} rejected the test."


def _status_codes(provider: str, credential: str, destination: str) -> dict[str, ErrorCode]:
    """Return the entries for HTTP statuses that mean the same at every provider."""
    failed = ErrorCode(
        OutcomeUnknown,
        f"{provider} failed before it confirmed the message.",
        "Check there whether the message arrived.",
    )
    return {
        "http_400": ErrorCode(
            PermanentError,
            f"{provider} could not read the message.",
            "Test the connection. If the test passes, report the code to the operator of Signpost.",
        ),
        "http_401": ErrorCode(
            ConnectionBroken,
            f"{provider} rejected the credentials.",
            "Enter them again, then test the connection.",
            credential,
        ),
        "http_403": ErrorCode(
            ConnectionBroken,
            f"{provider} does not allow this account to send here.",
            "Grant the account access, then test the connection.",
            credential,
        ),
        "http_413": ErrorCode(
            PermanentError,
            f"The message is larger than {provider} accepts.",
            "Shorten the template, then resend the message.",
        ),
        "http_429": ErrorCode(
            SlowDown,
            f"{provider} limits how fast messages are sent.",
            "Signpost continues at a lower rate. No action is needed.",
        ),
        **dict.fromkeys((f"http_{status}" for status in UNDECIDED), failed),
        **_recipient_codes(provider, destination),
    }


def _recipient_codes(provider: str, destination: str) -> dict[str, ErrorCode]:
    """Return the entries for a recipient, or for a team's channel if `destination` names one."""
    if not destination:
        return {
            "http_404": ErrorCode(
                PermanentError, f"{provider} found no such recipient.", "Correct the address."
            )
        }
    return {
        "http_404": ErrorCode(
            DestinationUnavailable,
            f"{provider} found no such channel.",
            "Correct the setting, then test the connection.",
            destination,
        ),
        "other_channel": ErrorCode(
            PermanentError,
            "This connection posts to its own channel only.",
            "Remove the address, or use the connection of that channel.",
        ),
    }
