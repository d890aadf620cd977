"""The error codes of a provider in one table: the error to raise, its cause and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
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
# codes of HTTP statuses that mean the same whether the provider or a proxy wrote the response
ALWAYS_EXPLAINED = ("http_429", *(f"http_{status}" for status in UNDECIDED))
TEST_AGAIN = "Wait a minute and test again."
# a code that may be shown although the table does not contain it; a longer text may be a message
_PRINTABLE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")

# a code, or a code that has this meaning with one HTTP status only
Code = str | tuple[int, str]


@dataclass(frozen=True)
class ErrorCode:
    """The meaning of a code: its error, its cause, its remedy, and the setting at fault.

    Of several names in `field`, such as two ways to sign in, the first filled one is at fault.
    `retry_after` is the wait in seconds if the response names none, and `scope` the reach of the
    wait, both for a TransientError. `sure` is False if a DestinationUnavailable may also concern
    the message only. `url` replaces the table's `docs_url`. `from_signpost` is True of a code that
    Signpost raises itself, which no page of the provider explains.

    `status` and `words` find the code of a provider without codes; see `ErrorTable.find_code`.
    """

    error: type[SendError]
    text: str
    remedy: str
    field: str | tuple[str, ...] = ""
    url: str = ""
    retry_after: float | None = None
    scope: Scope | None = None
    sure: bool = True
    from_signpost: bool = False
    status: int = 0
    words: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        return f"{self.text} {self.remedy}"

    def setting_at_fault(self, settings: Mapping[str, Any]) -> str:
        """Return the first setting of `field` that is filled, or else the first."""
        names = (self.field,) if isinstance(self.field, str) else self.field
        return next((name for name in names if settings.get(name)), names[0] if names else "")

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
    is the meaning of a code with that HTTP status only. Its error has the code `general_400`, which
    explains it later. `docs_url` is the page that explains the codes, and may contain `{code}`. The
    provider and `docs_url` are those of the class whose `errors` the table is, unless they are
    given.

    `credential` is the setting at fault when the provider rejects the credentials. Of several, it
    is the first filled one.
    `destination` is the setting that names a team's channel: HTTP 404 then pauses the destination.
    `server` is the setting with the server's address, if an admin enters it.
    `settings` names the settings that lead to the provider, for a response that a proxy wrote.
    `unknown` is the meaning of codes and statuses that the table does not contain.
    `explains_statuses` is False if each refusal of the provider has a code: a status without one is
    then from a proxy, and only 429, 408, 425 and 5xx are explained.
    """

    def __init__(
        self,
        provider: str = "",
        codes: Mapping[Any, ErrorCode] = MappingProxyType({}),  # by `Code`, or by text only
        *,
        docs_url: str = "",
        credential: str | tuple[str, ...] = "",
        destination: str = "",
        server: str = "",
        settings: str = "the settings",
        unknown: ErrorCode | None = None,
        explains_statuses: bool = True,
    ) -> None:
        self._own = dict(codes)
        self._docs_url = docs_url
        self._credential = credential
        self._destination = destination
        self._server = server
        self._settings = settings
        self._given_unknown = unknown
        self._explains_statuses = explains_statuses
        self._name_provider(provider)

    @property
    def has_codes(self) -> bool:
        """Return whether the table was declared with its own codes."""
        return bool(self._own)

    def add_codes(self, codes: Mapping[Any, ErrorCode]) -> None:
        """Add the codes that were read from a file."""
        self._own |= codes
        self._name_provider(self.provider)

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the provider and its page from the class, if the table names none."""
        if not self.provider:
            self._docs_url = self._docs_url or getattr(owner, "docs_url", "")
            provider = getattr(owner, "provider", "") or getattr(owner, "title", "")
            self._name_provider(provider or "The provider")

    def _name_provider(self, provider: str) -> None:
        """Fill the entries, whose sentences name the provider."""
        self.provider = provider
        texts = {code: entry for code, entry in self._own.items() if isinstance(code, str)}
        self.codes_by_status: dict[tuple[int, str], ErrorCode] = {
            code: entry for code, entry in self._own.items() if isinstance(code, tuple)
        }
        # a stored code is explained without its HTTP status, so its name contains the status
        self._provider_codes = {_code_with_status(*key): key[1] for key in self.codes_by_status}
        texts = dict(zip(self._provider_codes, self.codes_by_status.values(), strict=True)) | texts
        statuses = _status_codes(provider, self._credential, self._destination)
        self.codes: dict[str, ErrorCode] = (statuses if self._explains_statuses else {}) | texts
        self._statuses: dict[str, ErrorCode] = statuses | texts
        self._unknown = self._given_unknown or ErrorCode(
            PermanentError,
            f"{provider} rejected the message, and Signpost does not know the reason.",
            "Look up the code in the provider’s documentation.",
        )

    def find_code(self, status: int, text: str) -> str:
        """Return the code of the first entry that matches a response, or "" for none.

        It is for providers without codes. An entry matches if the HTTP status is its `status`, and
        the text of the error contains one of its `words`, which are in lower case; without `words`
        the status is enough.
        """
        found = text.lower()
        for code, entry in self.codes.items():
            is_named = not entry.words or any(word in found for word in entry.words)
            if entry.status == status and is_named:
                return code
        return ""

    def explain(self, code: str) -> Problem | None:
        """Explain a code in two sentences. Returns None for an unknown code."""
        entry = self._entry(code)
        if entry is None:
            return None
        page = "" if entry.from_signpost else entry.url or self._docs_url
        provider_code = self._provider_codes.get(code, code)
        return Problem(code, entry.text, entry.remedy, page.replace("{code}", provider_code))

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
        genuine = genuine and (bool(code) or self._explains_statuses)
        status_code = f"http_{status}"
        entry = self.codes.get(code)
        if (status, code) in self.codes_by_status:
            entry = self.codes_by_status[status, code]
            code = _code_with_status(status, code)
        if entry is not None and genuine:
            return entry.new_error(code, wait)
        shown = code if genuine and _PRINTABLE_CODE.fullmatch(code) else status_code
        if status == 429 or (status == 503 and wait is not None):
            return self._statuses["http_429"].new_error(shown, wait)
        is_proxy = not genuine and status < 500
        if is_proxy or 300 <= status < 400 or (status < 300 and not code):
            return gateway_error(self.provider, status, self._settings)
        # an entry for another 5xx is the provider's own, and no proxy can raise it
        is_explained = genuine and self._explains_statuses
        if status_code in self._statuses and (is_explained or status in UNDECIDED):
            return self._statuses[status_code].new_error(status_code, wait)
        if status >= 500:
            return self._statuses["http_500"].new_error(status_code)
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
        self,
        problem: SendError,
        exchanges: Sequence[Exchange],
        *,
        reference: str = "",
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> CheckResult:
        """Return the result of a connection test that raised an error.

        `settings` choose the setting at fault if a code names several.
        """
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
        return replace(
            result,
            title=entry.text,
            text="",
            steps=steps,
            field=entry.setting_at_fault(settings),
        )

    def _entry(self, code: str) -> ErrorCode | None:
        if code in self.codes:
            return self.codes[code]
        if code in ALWAYS_EXPLAINED:
            return self._statuses[code]
        meanings = [entry for (_, known), entry in self.codes_by_status.items() if known == code]
        return meanings[0] if len(meanings) == 1 else None

    def _title(self, problem: SendError) -> str:
        if isinstance(problem, Unreachable):
            return f"Could not reach {self.provider}."
        if problem.code == "no_answer":
            return f"{self.provider} did not respond."
        if isinstance(problem, OutcomeUnknown):
            return f"The response of {self.provider} could not be read."
        return f"{self.provider} rejected the test."


def _code_with_status(status: int, code: str) -> str:
    """Return the name of a code that means something else with other HTTP statuses."""
    return f"{code}_{status}"


def _status_codes(
    provider: str, credential: str | tuple[str, ...], destination: str
) -> dict[str, ErrorCode]:
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
            from_signpost=True,
        ),
    }
