"""Judge responses of a proxy, gateway or firewall between Signpost and the provider.

Such a response says nothing about the account, so it never breaks a connection. With a 4xx the
request was not forwarded, so the message is retried, unless the proxy refuses this request itself.
After any other status the provider may have the message.
"""

from __future__ import annotations

from hub.core.errors import OutcomeUnknown, PermanentError, SendError, Unreachable

# after these statuses it is unknown whether the request was forwarded
UNFINISHED = 408, 425
# these statuses concern only this request; others may be forwarded
OF_ONE_REQUEST = 400, 409, 411, 412, 413, 414, 415, 416, 417, 422, 424, 428, 431


def gateway_error(provider: str, status: int, settings: str) -> SendError:
    """Return the error for a response that the provider did not write.

    `settings` names the settings that lead to the provider.
    """
    code = f"http_{status}"
    message = (
        f"A proxy or gateway responded instead of {provider} (HTTP {status}). Check"
        f" {settings} and the proxies, then test the connection."
    )
    if not 400 <= status < 500 or status in UNFINISHED:
        return OutcomeUnknown(message, code)
    error = PermanentError if status in OF_ONE_REQUEST else Unreachable
    return error(message, code)
