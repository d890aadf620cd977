"""The errors of Signpost.

    HubError
    ├ ConfigError           an admin must fix settings
    ├ Unreadable            a sealed value does not open; names the key
    ├ BadWebhook            not genuine, or not readable
    ├ Refused               a use case says no; names the field, a code and the remedy
    │ ├ NotFound            there is no such thing
    │ └ Conflict            not in the state it is in
    └ SendError(code)       the error of a call to a provider
      ├ TransientError      surely not accepted: try this message again, after `retry_after` seconds
      if given
      │ ├ Unreachable       no connection came about: nothing gets through to the provider
      │ └ SlowDown          too much at once: what its `scope` names waits, and goes on more slowly
      ├ OutcomeUnknown      the request left, no answer tells what became of it
      ├ PermanentError      never for this message
      │ ├ RecipientRefused  nor for this recipient on this channel
      │ ├ RecipientMoved    the address changed to `new`
      │ └ TemplateRequired  free text is not allowed now, an approved template is
      ├ DestinationUnavailable  not for a team's channel or chat, until somebody acts: its posts
      wait
      └ ConnectionBroken    nor for any message until an admin acts

No secret and no message body is ever put into one.
"""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """The reach of a pause that a provider asks for."""

    MESSAGE = "message"  # this one alone, or all that use the same method
    RECIPIENT = "recipient"  # everything from this sender to this recipient
    SENDER = "sender"
    ACCOUNT = "account"  # every sender of the account


class HubError(Exception):
    """Anything Signpost raises on purpose; `str()` is a sentence for a person."""


class ConfigError(HubError):
    """Settings are wrong; the sentence says which and what to do."""


class DecryptionError(HubError):
    """A sealed value does not open."""

    def __init__(self, key_id: str, why: str) -> None:
        self.key_id = key_id
        super().__init__(why)


class BadWebhook(HubError):
    """A webhook request is not genuine, or cannot be read."""


class Refused(HubError):
    """A use case refuses: `code` for programs, `field` where one is at fault, the sentence with the
    remedy.
    """

    status = 422

    def __init__(self, code: str, why: str, *, field: str = "") -> None:
        self.code = code
        self.field = field
        super().__init__(why)


class NotFound(Refused):
    """There is no such thing, or it is not yours."""

    status = 404


class Conflict(Refused):
    """It exists, but its state does not allow this."""

    status = 409


class SendError(HubError):
    """A call to a provider did not succeed; `code` is the provider's own word for it, as text."""

    def __init__(self, why: str, code: str = "") -> None:
        self.code = code
        super().__init__(why)


class TransientError(SendError):
    """Surely not accepted, for a reason of this message's own: a code documented as worth another
    try.

    With a `scope` of RECIPIENT, everything to this recipient waits for `retry_after` seconds.
    """

    usual_scope = Scope.MESSAGE

    def __init__(
        self,
        why: str,
        code: str = "",
        retry_after: float | None = None,
        *,
        scope: Scope | None = None,
    ) -> None:
        self.retry_after = retry_after
        self.scope = self.usual_scope if scope is None else scope
        super().__init__(why, code)


class FileMissing(TransientError):
    """The attached file cannot be fetched now; the provider was not called."""


class Unreachable(TransientError):
    """Nothing reached the provider: no connection, no name, no trusted certificate, or a gateway
    that let nothing through.

    Several in a row open the sender's circuit.
    """


class SlowDown(TransientError):
    """The provider takes no more now: 429, or 503 with Retry-After.

    `scope` says from whom or to whom.

    It is none of the message's tries. SENDER and ACCOUNT slow the sender down, or every sender of
    the account.
    """

    usual_scope = Scope.SENDER


class OutcomeUnknown(SendError):
    """Failed after the request left: read timeout, connection lost, a 5xx."""


class PermanentError(SendError):
    """This message will never be accepted as it is."""


class FileRefused(PermanentError):
    """The attached file cannot be sent; the provider was not called."""


class RecipientRefused(PermanentError):
    """Nor will any message to this recipient on this channel."""


class RecipientMoved(PermanentError):
    """The recipient's address is now `new`."""

    def __init__(self, why: str, code: str = "", *, new: str) -> None:
        self.new = new
        super().__init__(why, code)


class TemplateRequired(PermanentError):
    """Outside the session window: only an approved template goes through."""


class DestinationUnavailable(SendError):
    """A team's channel or chat takes no posts until somebody acts: it is paused, and its posts wait
    until a test passes.

    `sure`: False when the provider's words are not known, so that the fault may be one post's own.
    That post is tried once more after a passing test, and fails then.
    """

    def __init__(self, why: str, code: str = "", *, sure: bool = True) -> None:
        self.sure = sure
        super().__init__(why, code)


class ConnectionBroken(SendError):
    """No message will be accepted until an admin fixes the account or the settings."""
