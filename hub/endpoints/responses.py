"""Judge the response of an endpoint: delivered, try again, or switch the endpoint off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hub.core.errors import HubError
from hub.lib.provider_http import AddressNotAllowed, ConnectFailed, ProviderResponse
from hub.lib.redaction import mask_response
from hub.lib.storable import make_storable

KEPT_BYTES = 2000  # of a response
GONE = 410
DELIVERY_HEADER = "webhook-delivery"
DISABLE = "disable"
ABORT = "abort-message"


@dataclass(frozen=True)
class Judgment:
    """The outcome of one attempt.

    `problem` is a sentence for admins, '' after a success. `disable` is why the endpoint is
    disabled: gone, or the receiver's own wish.
    """

    problem: str = ""
    final: bool = False  # this event is not tried again
    disable: str = ""
    retry_after: float | None = None
    http_status: int | None = None
    excerpt: str = ""  # masked, its first bytes
    not_started: bool = False  # a handler's claim ended before its turn

    @property
    def delivered(self) -> bool:
        return not self.problem and not self.not_started


def judge_response(response: ProviderResponse, secrets: Iterable[str] = ()) -> Judgment:
    """Judge a complete response. Only 2xx is a success, and only 410 is final by its status.

    `secrets`: values of the request that are masked in the response. Some servers repeat it.
    """
    wish = response.headers.get(DELIVERY_HEADER, "").strip().lower()
    is_gone = response.status == GONE
    problem = "" if 200 <= response.status < 300 else _describe(response.status)
    disable = ""
    if is_gone:
        disable = "gone"
    elif wish == DISABLE:
        disable = "receiver"
    return Judgment(
        problem=problem,
        final=is_gone or wish in (DISABLE, ABORT),
        disable=disable,
        retry_after=response.requested_pause,
        http_status=response.status,
        excerpt=_excerpt(response.body, secrets),
    )


def judge_error(error: HubError) -> Judgment:
    """Judge a failed call. A refused and a filtered port get the same sentence, so that nobody can
    scan ports with the page.
    """
    if isinstance(error, AddressNotAllowed):
        return Judgment(problem=str(error))
    if isinstance(error, ConnectFailed) and "certificate" in str(error):
        return Judgment(problem=str(error))
    if isinstance(error, ConnectFailed):
        return Judgment(problem="Signpost could not connect to the endpoint.")
    return Judgment(problem="The endpoint did not respond completely in time.")


def _describe(status: int) -> str:
    if status == GONE:
        return "The endpoint responded with 410: it no longer exists."
    problem = f"The endpoint responded with {status}."
    if 300 <= status < 400:
        return f"{problem} Signpost follows no redirects: enter the new URL."
    return problem


def _excerpt(body: bytes, secrets: Iterable[str]) -> str:
    """Return the beginning of a response, cut after masking, so that no value is cut in half."""
    text = make_storable(body[: 2 * KEPT_BYTES].decode("utf-8", errors="replace"))
    return mask_response(text, secrets).encode()[:KEPT_BYTES].decode("utf-8", errors="ignore")
