"""Read the unread emails of a mailbox over IMAP, and mark them as read once they are stored."""

from __future__ import annotations

import imaplib
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from hub.integrations.api import ConnectFailed, ProviderHttpClient
from hub.integrations.smtp.errors import ERRORS, error_of_connection
from hub.integrations.smtp.oauth import TokenSource

SECONDS = 20.0  # for each command
MAX_EMAILS = 100  # of one run; the next one reads the others
MAX_SIZE = 10 * 1024 * 1024  # bytes; a larger email is not loaded, and marked as read
PORT = 993


class Mailbox(imaplib.IMAP4):
    """A connection to a mailbox that obeys the rules for outgoing addresses."""

    def __init__(self, http: ProviderHttpClient, host: str, port: int, *, encrypted: bool) -> None:
        self._http = http
        self._encrypted = encrypted
        super().__init__(host, port, SECONDS)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        connection = self._http.open_socket(self.host, self.port, encrypted=self._encrypted)
        connection.settimeout(timeout)
        if not self._encrypted:
            return connection
        try:
            return self._http.tls_context.wrap_socket(connection, server_hostname=self.host)
        except OSError:
            connection.close()
            raise


def read_unread(
    http: ProviderHttpClient,
    settings: Mapping[str, Any],
    url: str,
    tokens: TokenSource | None,
    store: Callable[[bytes], None],
) -> int:
    """Pass each unread email to `store`, and mark it as read; return how many there were.

    `url` replaces the server of the settings, "" for none: `imap://host:port`, without encryption.
    An email that `store` refuses with an error stays unread. Raises a SendError.
    """
    host = str(settings["imap_host"])
    port = PORT
    if url:
        host, _, replaced = url.partition("://")[2].rpartition(":")
        port = int(replaced)
    try:
        mailbox = Mailbox(http, host.strip("[]"), port, encrypted=not url)
        try:
            _sign_in(mailbox, settings, tokens)
            return _read(mailbox, store)
        finally:
            with suppress(OSError):
                mailbox.shutdown()
    except ConnectFailed as error:
        raise error_of_connection(error) from None
    except (imaplib.IMAP4.error, OSError, UnicodeError):
        raise ERRORS.error("mailbox_unreadable") from None


def _sign_in(mailbox: Mailbox, settings: Mapping[str, Any], tokens: TokenSource | None) -> None:
    username = settings.get("username") or ""
    if not username.isprintable():  # a line break would begin another command
        raise ERRORS.error("mailbox_sign_in")
    try:
        if tokens is None:
            mailbox.login(username, settings.get("password") or "")
        else:
            credentials = f"user={username}\x01auth=Bearer {tokens.token()}\x01\x01".encode()
            mailbox.authenticate("XOAUTH2", lambda _: credentials)
    except imaplib.IMAP4.error:
        raise ERRORS.error("mailbox_sign_in") from None


def _read(mailbox: Mailbox, store: Callable[[bytes], None]) -> int:
    mailbox.select("INBOX")
    _, found = mailbox.uid("SEARCH", "UNSEEN")
    uids = (found[0] or b"").split()[:MAX_EMAILS]
    for uid in map(bytes.decode, uids):
        if _size_of(mailbox, uid) <= MAX_SIZE:
            _, parts = mailbox.uid("FETCH", uid, "(BODY.PEEK[])")
            content = next((part[1] for part in parts if isinstance(part, tuple)), None)
            if content is not None:
                store(content)
        mailbox.uid("STORE", uid, "+FLAGS", r"(\Seen)")
    return len(uids)


def _size_of(mailbox: Mailbox, uid: str) -> int:
    """Return the size of an email in bytes; 0 if the server does not report it."""
    _, parts = mailbox.uid("FETCH", uid, "(RFC822.SIZE)")
    texts = [part for part in parts if isinstance(part, bytes)]
    found = re.search(rb"RFC822\.SIZE (\d{1,15})", b" ".join(texts))
    return int(found[1]) if found else 0
