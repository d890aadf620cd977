"""A session with a mail server: one connection, over which many emails are sent.

It obeys the rules for outgoing addresses, and a deadline for each email.
"""

from __future__ import annotations

import smtplib
import socket
import time

from hub.integrations.api import ProviderHttpClient
from hub.integrations.smtp.errors import ERRORS, OutcomeLost, Refusal
from hub.integrations.smtp.form import IMPLICIT_TLS, STARTTLS, UNENCRYPTED
from hub.integrations.smtp.mime import Envelope
from hub.integrations.smtp.oauth import TokenSource
from hub.integrations.smtp.server import Server

REPLY_SECONDS = 10.0
CONFIRM_SECONDS = 25.0  # servers check a message before they confirm it
CALL_SECONDS = 40.0  # of a whole call; a message's lease ends after 60
MAX_LINE_SIZE = 8192  # bytes
SUCCESS = (250, 251)


class Session(smtplib.SMTP):
    """One connection to a mail server."""

    def __init__(self, http: ProviderHttpClient, server: Server) -> None:
        super().__init__(local_hostname=server.own_name)
        self._http = http
        self._server = server
        self._host = server.host
        self._received = b""
        self._deadline = 0.0
        self._patience = REPLY_SECONDS
        self.messages = 0
        self.kept_since = 0.0

    def begin_call(self) -> None:
        """Start the time limit of a call."""
        self._deadline = time.monotonic() + CALL_SECONDS
        self._patience = REPLY_SECONDS

    # opening
    def open(self) -> None:
        """Connect, encrypt and sign in. Raises Refusal, ConnectFailed, SMTPException or OSError."""
        self.begin_call()
        code, text = self.connect(self._server.host, self._server.port)
        self._expect("connect", code, text, 220)
        self._greet()
        if self._server.encryption == STARTTLS:
            self._start_encryption()
        if self._server.username:
            self._sign_in()

    def _greet(self) -> None:
        code, text = self.ehlo()
        if not 200 <= code < 300:
            code, text = self.helo()
        self._expect("connect", code, text, 250)

    def _start_encryption(self) -> None:
        if not self.has_extn("starttls"):
            raise ERRORS.error("no_starttls")
        code, text = self.docmd("STARTTLS")
        self._expect("connect", code, text, 220)
        if self._received:
            raise ERRORS.error("bad_reply")  # an attacker injected replies before the encryption
        plain = self._open_socket
        self.sock = self._http.tls_context.wrap_socket(plain, server_hostname=self._host)
        self._greet()

    def _sign_in(self) -> None:
        if self._server.tokens is not None:
            self._sign_in_with_token(self._server.tokens)
            return
        try:
            self.login(self._server.username, self._server.password)
        except smtplib.SMTPAuthenticationError as error:
            raise Refusal("auth", error.smtp_code, _text(error.smtp_error)) from None
        except UnicodeError:
            raise ERRORS.error("auth_535") from None

    def _sign_in_with_token(self, tokens: TokenSource) -> None:
        """Sign in with an access token, and with a new one if the server refuses it."""
        refused = ""
        for _ in range(2):
            token = tokens.token(refused)
            try:
                self._present_token(token)
                return
            except smtplib.SMTPAuthenticationError as error:
                if not 500 <= error.smtp_code < 600:
                    raise Refusal("auth", error.smtp_code, _text(error.smtp_error)) from None
            refused = token
        raise ERRORS.error("oauth_refused")

    def _present_token(self, token: str) -> None:
        credentials = f"user={self._server.username}\x01auth=Bearer {token}\x01\x01"
        # the server explains a refusal in a challenge, and wants an empty response to it
        self.auth("XOAUTH2", lambda challenge=None: "" if challenge else credentials)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        encryption = self._server.encryption
        connection = self._http.open_socket(host, port, encrypted=encryption != UNENCRYPTED)
        if encryption != IMPLICIT_TLS:
            return connection
        try:
            return self._http.tls_context.wrap_socket(connection, server_hostname=host)
        except OSError:
            connection.close()
            raise

    # sending
    def begin(self, envelope: Envelope) -> None:
        """Name the sender of an email, which also shows whether the session is still open."""
        options = [f"SIZE={len(envelope.content)}"] if self.has_extn("size") else []
        if envelope.needs_utf8:
            if not self.has_extn("smtputf8"):
                raise ERRORS.error("needs_utf8")
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        code, text = self.mail(envelope.sender, options)
        self._expect("mail", code, text, *SUCCESS)

    def finish(self, envelope: Envelope) -> None:
        """Name the recipient and send the email.

        Raises Refusal, OutcomeLost or an SMTPException.
        """
        code, text = self.rcpt(envelope.recipient)
        self._expect("rcpt", code, text, *SUCCESS)
        code, text = self.docmd("DATA")
        self._expect("data", code, text, 354)
        self._open_socket.settimeout(self._remaining(CALL_SECONDS))
        # an error here means that the end of the message was not sent, so it was not accepted
        self.send(_dot_stuffed(envelope.content))
        self._patience = CONFIRM_SECONDS
        try:
            code, text = self.getreply()
        except smtplib.SMTPException:
            raise OutcomeLost from None
        self._patience = REPLY_SECONDS
        self._expect("data", code, text, *SUCCESS)
        self.messages += 1

    def _expect(self, stage: str, code: int, text: bytes, *expected: int) -> None:
        if code not in expected:
            raise Refusal(stage, code, _text(text))

    # reading, with a limit for the whole call
    def getreply(self) -> tuple[int, bytes]:
        """Read one reply. Raises SMTPServerDisconnected or SMTPResponseException."""
        lines: list[bytes] = []
        while True:
            line = self._read_line()
            if not line[:3].isdigit() or len(lines) > 100:
                self.close()
                raise smtplib.SMTPResponseException(-1, "This is not a reply.")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def _read_line(self) -> bytes:
        while b"\n" not in self._received:
            if self.sock is None or len(self._received) > MAX_LINE_SIZE:
                self.close()
                raise smtplib.SMTPServerDisconnected("closed")
            self.sock.settimeout(self._remaining(self._patience))
            try:
                received = self.sock.recv(4096)
            except OSError:
                received = b""
            if not received:
                self.close()
                raise smtplib.SMTPServerDisconnected("lost")
            self._received += received
        line, _, self._received = self._received.partition(b"\n")
        return line

    @property
    def _open_socket(self) -> socket.socket:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("closed")
        return self.sock

    def _remaining(self, seconds: float) -> float:
        return max(min(seconds, self._deadline - time.monotonic()), 0.01)


def _text(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply


def _dot_stuffed(content: bytes) -> bytes:
    """Return an email as DATA sends it: dots at the start of lines doubled, ended by a dot."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")
