"""The open sessions of a connection. Those that are not in use are kept for a while.

A new session costs five or more round trips.
"""

from __future__ import annotations

import smtplib
import ssl
import threading
import time
import weakref
from contextlib import suppress

from hub.integrations.api import ConnectFailed, ProviderHttpClient, SendError
from hub.integrations.smtp.errors import OutcomeLost, Refusal, error_of, error_of_connection
from hub.integrations.smtp.mime import Envelope
from hub.integrations.smtp.server import Server
from hub.integrations.smtp.session import Session

KEEP_SECONDS = 30.0  # servers close idle sessions after a minute or more
MAX_MESSAGES = 100  # of one session; some servers close it after that many


class SessionPool:
    """The sessions of one connection. Threads share it, and each uses its own session."""

    def __init__(self, http: ProviderHttpClient, server: Server) -> None:
        self._http = http
        self._server = server
        self._idle: list[Session] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _close_all, self._idle)

    def send(self, envelope: Envelope) -> None:
        """Send an email over a kept session or a new one. Raises a SendError."""
        session = self._begin_kept(envelope)
        is_finished = False
        try:
            if session is None:
                session = self.open()
                session.begin(envelope)
            session.finish(envelope)
            is_finished = True
        except (Refusal, OutcomeLost, OSError, smtplib.SMTPException, ValueError) as error:
            raise error_of(error) from None
        finally:
            if session is not None:
                self._put_back(session) if is_finished else session.close()

    def open(self) -> Session:
        """Return a new session. Raises a SendError."""
        session = Session(self._http, self._server)
        try:
            session.open()
        except ConnectFailed as error:
            session.close()
            raise error_of_connection(error) from None
        except (Refusal, SendError, OSError, smtplib.SMTPException, ValueError) as error:
            session.close()
            raise error_of(error) from None
        return session

    def _begin_kept(self, envelope: Envelope) -> Session | None:
        """Return a kept session with the email begun, or None if no session is open."""
        while (session := self._take()) is not None:
            try:
                session.begin_call()
                session.begin(envelope)
                return session
            except smtplib.SMTPException:
                session.close()
            except Refusal as error:
                session.close()
                if error.code != 421:
                    raise error_of(error) from None
            except SendError:
                session.close()
                raise
        return None

    def _take(self) -> Session | None:
        oldest = time.monotonic() - KEEP_SECONDS
        with self._lock:
            while self._idle:
                session = self._idle.pop()
                if session.kept_since >= oldest and session.messages < MAX_MESSAGES:
                    return session
                session.close()
        return None

    def _put_back(self, session: Session) -> None:
        session.kept_since = time.monotonic()
        with self._lock:
            self._idle.append(session)


def _close_all(sessions: list[Session]) -> None:
    for session in sessions:
        with suppress(OSError, ssl.SSLError):
            session.close()
