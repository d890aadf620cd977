"""Answers that are not the provider's: of a proxy, a gateway or a firewall between Signpost and the
provider.

Nothing in such an answer is about the account, so it never breaks a connection. A 4xx says that the
request was not passed on, so the message waits and is tried again, unless it is this very request
that does not pass. After any other status the provider may have the message.
"""

from __future__ import annotations

from hub.core.errors import OutcomeUnknown, PermanentError, SendError, Unreachable

# a timeout, or the wish to see the request again, says nothing of what went through
UNFINISHED = 408, 425
# others may be passed on
OF_ONE_REQUEST = 400, 409, 411, 412, 413, 414, 415, 416, 417, 422, 424, 428, 431


def gateway_error(provider: str, status: int, settings: str) -> SendError:
    """Return the error for an answer that is not in the provider's form.

    `settings` names the settings that lead to the provider.
    """
    code = f"http_{status}"
    why = (
        f"A proxy or gateway responded instead of {provider} (HTTP {status}). Check"
        f" {settings} and the proxies, then test the connection."
    )
    if not 400 <= status < 500 or status in UNFINISHED:
        return OutcomeUnknown(why, code)
    return PermanentError(why, code) if status in OF_ONE_REQUEST else Unreachable(why, code)
