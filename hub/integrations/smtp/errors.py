"""The replies of mail servers and the errors that they mean, from errors.toml."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator

from hub.integrations.api import (
    AddressNotAllowed,
    ConnectFailed,
    ErrorCode,
    ErrorTable,
    Problem,
    SendError,
    Unreachable,
    http_errors,
    read_error_codes,
)

PROVIDER = "The mail server"
RFC = "https://www.iana.org/assignments/smtp-enhanced-status-codes"
ERRORS = ErrorTable(PROVIDER, read_error_codes(__package__), docs_url=RFC, server="host")
_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
_CODE = re.compile(r"(?:([a-z]+)_)?([45]\.\d{1,3}\.\d{1,3}|[45]\d\d)")
# texts of temporary replies that limit the rate
_RATE = re.compile(
    r"\brate\b|too (?:many|much|fast)|throttl|(?:limit|quota) (?:is |was )?exceeded", re.I
)


class Refusal(Exception):
    """A reply that is not a success. `stage` is connect, auth, mail, rcpt or data."""

    def __init__(self, stage: str, code: int, text: str) -> None:
        super().__init__(stage, code)
        self.stage = stage
        self.code = code
        self.text = text


class OutcomeLost(Exception):
    """The connection was lost after the whole message was sent."""


def error_of(error: Exception) -> SendError:
    """Return the error of a failed session. It never quotes a reply, which may repeat a message."""
    if isinstance(error, SendError):
        return error
    if isinstance(error, Refusal):
        return _error_of_refusal(error)
    if isinstance(error, OutcomeLost):
        return ERRORS.error("no_reply")
    if isinstance(error, ssl.SSLCertVerificationError):
        return ERRORS.error("certificate")
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return ERRORS.error("connection_lost")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return ERRORS.error("no_sign_in")
    if isinstance(error, smtplib.SMTPException | ValueError):
        return ERRORS.error("bad_reply")
    return Unreachable("Could not reach the mail server: the connection failed.", "unreachable")


def error_of_connection(failure: ConnectFailed | AddressNotAllowed) -> SendError:
    """Return the error of a connection that could not be made."""
    try:
        with http_errors("the mail server"):
            raise failure
    except SendError as error:
        return error


def explain(code: str) -> Problem | None:
    """Explain a code, also one that the table has with an x in place of its last part."""
    match = _CODE.fullmatch(code)
    if match is None:
        return ERRORS.explain(code)
    key = next((key for key in _keys(match[1] or "", match[2]) if key in ERRORS.codes), "")
    return ERRORS.explain(key)


def entry_of(code: str) -> ErrorCode | None:
    """Return the meaning of an enhanced code, also of one that the table has with an x."""
    keys = _keys("", code) if _CODE.fullmatch(code) else iter(())
    return next((ERRORS.codes[key] for key in keys if key in ERRORS.codes), None)


def _error_of_refusal(refusal: Refusal) -> SendError:
    enhanced = _ENHANCED.match(refusal.text)
    shown = ".".join(enhanced.groups()) if enhanced else str(refusal.code)
    if shown.startswith("4") and _RATE.search(refusal.text):
        return ERRORS.error("too_many")
    if not shown.startswith(("4", "5")):
        return ERRORS.error("bad_reply")
    keys = list(_keys(refusal.stage, shown))
    key = next(key for key in keys if key in ERRORS.codes)
    # the stage belongs to the code only where it changes the meaning
    code = f"{refusal.stage}_{shown}" if key.startswith(f"{refusal.stage}_") else shown
    return ERRORS.codes[key].new_error(code)


def _keys(stage: str, code: str) -> Iterator[str]:
    """Return the keys of a code in the table, the most specific first."""
    general = re.sub(r"\.\d+\Z", ".x", code)
    for key in dict.fromkeys((code, general, f"{code[0]}xx")):
        if stage:
            yield f"{stage}_{key}"
        yield key
