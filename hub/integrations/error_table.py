"""The error codes of a provider in one table: the error to raise, its cause and how to fix it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.core.errors import (
    ConnectionBroken,
    DestinationUnavailable,
    OutcomeUnknown,
    PermanentError,
    SendError,
    SlowDown,
    TransientError,
)
from hub.integrations.calls import describe_last
from hub.integrations.gateway import gateway_error
from hub.integrations.values import CheckResult, Problem
from hub.lib.provider_http import Exchange, ProviderResponse

# statuses after which the provider may have accepted the message
UNDECIDED = (408, 425, 500, 502, 503, 504)


@dataclass(frozen=True)
class ErrorCode:
    """The meaning of a code: its error, its cause, its remedy, and the setting at fault."""

    error: type[SendError]
    text: str
    remedy: str
    field: str = ""
    url: str = ""


class ErrorTable:
    """The codes of one provider, with entries for the HTTP statuses that every provider uses.

    `codes` maps the provider's own codes, and `http_<status>` for statuses, to their meaning. It
    adds to the usual entries and replaces those of the same code. `docs_url` is the page that
    explains the codes.

    `credential` is the setting at fault when the provider rejects the credentials.
    `destination` is the setting that names a team's channel: HTTP 404 then pauses the destination.
    `settings` names the settings that lead to the provider, for a response that a proxy wrote.
    """

    def __init__(
        self,
        provider: str,
        codes: Mapping[str, ErrorCode],
        *,
        docs_url: str = "",
        credential: str = "",
        destination: str = "",
        settings: str = "the settings",
    ) -> None:
        self.provider = provider
        self.codes = {**_status_codes(provider, credential, destination), **codes}
        self._docs_url = docs_url
        self._settings = settings

    def explain(self, code: str) -> Problem | None:
        """Explain a code in two sentences. Returns None for an unknown code."""
        entry = self.codes.get(code)
        return (
            Problem(code, entry.text, entry.remedy, entry.url or self._docs_url) if entry else None
        )

    def error(self, code: str, retry_after: float | None = None) -> SendError:
        """Return the error of a code in the table.

        `retry_after` is the wait in seconds that the provider asked for. Raises KeyError if the
        table has no such code.
        """
        return _new_error(self.codes[code], code, retry_after)

    def error_for(
        self, response: ProviderResponse, code: str = "", *, genuine: bool = True
    ) -> SendError:
        """Return the error of a response that is not a success.

        The table is searched for `code`, the provider's own, and then for the HTTP status. Pass
        `genuine=False` for a response that the provider did not write, such as an HTML page of a
        proxy. No other part of the response is quoted: it may contain the message.
        """
        status = response.status
        status_code = f"http_{status}"
        if status == 429 or (status == 503 and response.retry_after is not None):
            return _new_error(self.codes["http_429"], code or status_code, response.retry_after)
        if status < 400 or (not genuine and status < 500):
            return gateway_error(self.provider, status, self._settings)
        for known_code in (code, status_code):
            if known_code in self.codes:
                return _new_error(self.codes[known_code], known_code, response.retry_after)
        if status >= 500:
            return _new_error(self.codes["http_500"], status_code, None)
        cause = (
            f"{self.provider} rejected the message (HTTP {status}), and the reason is not known."
        )
        return PermanentError(
            f"{cause} Look up the code in the provider’s documentation.", status_code
        )

    def failed_check(
        self, problem: SendError, exchanges: Sequence[Exchange], *, reference: str = ""
    ) -> CheckResult:
        """Return the result of a connection test that raised an error."""
        response = describe_last(exchanges, problem.code, reference)
        entry = self.codes.get(problem.code)
        if entry is None or isinstance(problem, TransientError | OutcomeUnknown):
            return CheckResult(
                False,
                f"Could not reach {self.provider}.",
                str(problem),
                ("Wait a minute and test again.",),
                code=problem.code,
                response=response,
            )
        return CheckResult(
            False,
            entry.text,
            steps=(entry.remedy,),
            field=entry.field,
            code=problem.code,
            response=response,
        )


def _new_error(entry: ErrorCode, code: str, retry_after: float | None) -> SendError:
    message = f"{entry.text} {entry.remedy}"
    if issubclass(entry.error, TransientError):
        return entry.error(message, code, retry_after)
    return entry.error(message, code)


def _status_codes(provider: str, credential: str, destination: str) -> dict[str, ErrorCode]:
    """Return the entries for HTTP statuses that mean the same at every provider."""
    failed = ErrorCode(
        OutcomeUnknown,
        f"{provider} failed before it confirmed the message.",
        "Check there whether the message arrived.",
    )
    not_found = ErrorCode(
        PermanentError, f"{provider} found no such recipient.", "Correct the address."
    )
    if destination:
        not_found = ErrorCode(
            DestinationUnavailable,
            f"{provider} found no such channel.",
            "Correct the setting, then test the connection.",
            destination,
        )
    return {
        "http_400": ErrorCode(
            PermanentError,
            f"{provider} could not read the message.",
            "The settings are correct. Report the code to the operator of Signpost.",
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
        "http_404": not_found,
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
    }
