"""The errors of Signpost.

    HubError
    ├ ConfigError           an admin must fix the settings
    ├ DecryptionError       an encrypted value cannot be decrypted; names the key
    ├ BadWebhook            a webhook is not genuine, or cannot be read
    ├ Refused               a use case refuses; has a code, a field and a remedy
    │ ├ NotFound            the object does not exist
    │ └ Conflict            the object's state does not allow it
    └ SendError(code)       a call to a provider failed
      ├ TransientError      not accepted: retry this message, after `retry_after` seconds if given
      │ ├ Unreachable       no connection: nothing reaches the provider
      │ └ SlowDown          too many requests: the sender in `scope` waits and sends more slowly
      ├ OutcomeUnknown      the request left, and its outcome is not known
      ├ PermanentError      never accepted for this message
      │ ├ RecipientRefused  nor for this recipient on this channel
      │ ├ RecipientMoved    the recipient's address changed to `new`
      │ └ TemplateRequired  free text is not allowed now, but an approved template is
      ├ DestinationUnavailable  a team's channel or chat accepts nothing until a person fixes it
      └ ConnectionBroken    no message is accepted until an admin fixes the connection

Errors never contain secrets or texts of messages.
"""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """The reach of a pause that a provider asks for."""

    MESSAGE = "message"  # this message, or all that use the same method
    RECIPIENT = "recipient"  # all messages from this sender to this recipient
    SENDER = "sender"
    ACCOUNT = "account"  # every sender of the account


class HubError(Exception):
    """Any error that Signpost raises on purpose. `str()` is a sentence for a person."""


class ConfigError(HubError):
    """The settings are invalid. The sentence names them and the remedy."""


class DecryptionError(HubError):
    """An encrypted value cannot be decrypted."""

    def __init__(self, key_id: str, reason: str) -> None:
        self.key_id = key_id
        super().__init__(reason)


class BadWebhook(HubError):
    """A webhook request is not genuine, or cannot be read. `status`: of the response, in HTTP."""

    def __init__(self, message: str, status: int = 403) -> None:
        self.status = status
        super().__init__(message)


class Refused(HubError):
    """A use case refuses: `code` for programs, `field` for the invalid input, a sentence with a
    remedy.
    """

    status = 422

    def __init__(self, code: str, reason: str, *, field: str = "") -> None:
        self.code = code
        self.field = field
        super().__init__(reason)


class NotFound(Refused):
    """The object does not exist, or belongs to another owner."""

    status = 404


class Conflict(Refused):
    """The object exists, but its state does not allow this."""

    status = 409


class SendError(HubError):
    """A call to a provider failed. `code` is the provider's own error code, as text."""

    def __init__(self, reason: str, code: str = "") -> None:
        self.code = code
        super().__init__(reason)


class TransientError(SendError):
    """The provider did not accept the message, for a documented temporary reason of this message.

    With a `scope` of RECIPIENT, all messages to this recipient wait for `retry_after` seconds.
    """

    usual_scope = Scope.MESSAGE

    def __init__(
        self,
        reason: str,
        code: str = "",
        retry_after: float | None = None,
        *,
        scope: Scope | None = None,
    ) -> None:
        self.retry_after = retry_after
        self.scope = self.usual_scope if scope is None else scope
        super().__init__(reason, code)


class FileMissing(TransientError):
    """The attached file cannot be fetched now. The provider was not called."""


class Unreachable(TransientError):
    """Nothing reached the provider: no connection, no name, no trusted certificate, or a closed
    gateway.

    Several in a row open the sender's circuit breaker.
    """


class SlowDown(TransientError):
    """The provider accepts no more requests now: 429, or 503 with Retry-After.

    It does not count as an attempt of the message. `scope` is the reach of the pause. SENDER and
    ACCOUNT slow down the sender, or every sender of the account.
    """

    usual_scope = Scope.SENDER


class OutcomeUnknown(SendError):
    """The call failed after the request left: a timeout, a lost connection or a 5xx."""


class PermanentError(SendError):
    """The provider will never accept this message as it is."""


class FileRefused(PermanentError):
    """The attached file cannot be sent. The provider was not called."""


class RecipientRefused(PermanentError):
    """The provider will accept no message to this recipient on this channel."""


class RecipientMoved(PermanentError):
    """The recipient's address changed to `new`."""

    def __init__(self, reason: str, code: str = "", *, new: str) -> None:
        self.new = new
        super().__init__(reason, code)


class TemplateRequired(PermanentError):
    """The session window is closed, so that only an approved template is delivered."""


class DestinationUnavailable(SendError):
    """A team's channel or chat accepts no posts. It is paused until a test passes, and its posts
    wait.

    `sure` is False if the provider's error is unknown, so that the post itself may be the cause.
    That post is tried once more after a passing test, and then fails.
    """

    def __init__(self, reason: str, code: str = "", *, sure: bool = True) -> None:
        self.sure = sure
        super().__init__(reason, code)


class ConnectionBroken(SendError):
    """The provider accepts no message until an admin fixes the account or the settings."""
