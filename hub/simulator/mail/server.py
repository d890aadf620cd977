"""The simulated mail server: it speaks SMTP, asks for a password and stores what it accepts."""

from __future__ import annotations

import asyncio
import hmac
import logging
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakSet

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from hub.core.bind_address import Bind
from hub.core.data_dir import SimulatorCredentials
from hub.simulator.fault import find_fault
from hub.simulator.mail import certificate, scripted_faults
from hub.simulator.mail.mailbox import Mailbox, StoredEmail
from hub.simulator.mail.returns import build_return
from hub.simulator.mail.scripted_faults import Recipient, Returning
from hub.simulator.posting import HubResponse
from hub.simulator.store import Store

USERNAME = "signpost"
MAX_MESSAGE_SIZE = 20 * 1024 * 1024  # bytes
ACCEPTED = "250 2.0.0 Accepted"
RATE_LIMITED = "450 4.7.1 Too many messages, slow down"
NOT_SIGNED_IN = "530 5.7.0 Authentication required"
FAULTY = "451 4.3.0 Temporary fault"
START_SECONDS = 60.0
RETURN_PAUSES = (0.3, 2.0, 10.0, 60.0)  # seconds before each attempt to send an email back

logging.getLogger("mail.log").setLevel(logging.ERROR)


def password_of(credentials: SimulatorCredentials) -> str:
    """Return the password of the one user."""
    return credentials.derive("mail password")


def token_of(credentials: SimulatorCredentials) -> str:
    """Return the access token that the server accepts instead of the password."""
    return credentials.derive("mail token")


def _xoauth2(token: str) -> bytes:
    return f"user={USERNAME}\x01auth=Bearer {token}\x01\x01".encode()


class Handler:
    """Answers to a sender, a recipient and a message."""

    def __init__(
        self,
        mailbox: Mailbox,
        store: Store,
        faults: Any,
        send_back: Callable[[bytes], HubResponse],
    ) -> None:
        """`send_back` posts an email that comes back."""
        self._mailbox = mailbox
        self._store = store
        self._faults = faults
        self._send_back = send_back
        # a task without a reference may be garbage-collected
        self._returns: set[asyncio.Task[None]] = set()

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:
        """Sign in with an access token: `AUTH XOAUTH2 <base64>`."""
        try:
            given = b64decode(args[1], validate=True) if len(args) > 1 else b""
        except ValueError:
            given = b""
        return server._authenticate("XOAUTH2", given)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if not session.authenticated:
            return NOT_SIGNED_IN
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return ACCEPTED

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._faults.use_refusal() or self._faults.is_rate_limited():
            return RATE_LIMITED
        if self._faults.use_failure():
            return FAULTY
        await asyncio.sleep(self._faults.latency)
        fault = _fault_of(address)
        if fault and fault.at == "RCPT" and self._should_fail(fault):
            if fault.closes:
                _cut(server)
            if fault.error.startswith("421"):
                asyncio.get_running_loop().call_later(0.05, _cut, server)
            return fault.error or ACCEPTED
        envelope.rcpt_tos.append(address)
        return ACCEPTED

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        recipient = envelope.rcpt_tos[0]
        fault = _fault_of(recipient)
        fails = fault is not None and fault.at == "DATA" and self._should_fail(fault)
        if fault and fails and fault.error:
            return fault.error
        content = envelope.original_content or b""
        sender = envelope.mail_from or ""
        stored = await asyncio.to_thread(self._mailbox.add, sender, recipient, content)
        if returning := find_fault(scripted_faults.RETURNING, recipient.lower()):
            task = asyncio.create_task(self._return(stored, returning))
            self._returns.add(task)
            task.add_done_callback(self._returns.discard)
        if fault and fault.at == "DATA" and fault.hangs:
            await asyncio.sleep(fault.hangs)
        if fault and fault.at == "DATA" and fault.closes:
            _cut(server)
        return ACCEPTED

    async def _return(self, stored: StoredEmail, returning: Returning) -> None:
        """Send an email back, again after a while if the hub does not accept it."""
        content = build_return(stored, returning.kind, returning.error)
        for pause in RETURN_PAUSES:
            await asyncio.sleep(pause)
            if (await asyncio.to_thread(self._send_back, content)).is_accepted:
                return

    def _should_fail(self, fault: Recipient) -> bool:
        if fault.closes and not fault.fails_once:
            return True
        return fault.should_refuse(lambda: self._store.is_first_attempt(fault.address, ""))


class _Controller(Controller):
    """A server that ends its sessions when it stops. Otherwise it waits until clients end them."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sessions: WeakSet[SMTP] = WeakSet()

    def factory(self) -> SMTP:
        server = SMTP(self.handler, **self.SMTP_kwargs)
        self._sessions.add(server)
        return server

    def cancel_tasks(self, stop_loop: bool = True) -> None:
        for server in list(self._sessions):
            _cut(server)
        super().cancel_tasks(stop_loop)


class MailServer:
    """The server in its own thread. It offers STARTTLS, and accepts unencrypted sessions too.

    `folder` holds its key, and `options` are those of aiosmtpd.
    """

    def __init__(
        self,
        bind: Bind,
        credentials: SimulatorCredentials,
        handler: Handler,
        folder: Path,
        **options: Any,
    ) -> None:
        self._password = password_of(credentials)
        self._token = token_of(credentials)
        settings: dict[str, Any] = {
            "authenticator": self._authenticate,
            "auth_require_tls": False,
            "tls_context": certificate.tls_context(folder),
            "data_size_limit": MAX_MESSAGE_SIZE,
            "enable_SMTPUTF8": True,
            "server_hostname": "mail.simulator.example",
            "ident": "Signpost simulator",
            "ready_timeout": START_SECONDS,
        }
        self._controller = _Controller(handler, bind.host, bind.port, **settings | options)

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        if not self._controller.loop.is_closed():  # not yet stopped
            self._controller.stop(no_assert=True)

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        if mechanism == "XOAUTH2":
            is_token = hmac.compare_digest(bytes(data), _xoauth2(self._token))
            return AuthResult(success=is_token, handled=False)
        is_known = isinstance(data, LoginPassword) and (
            data.login == USERNAME.encode()
            and hmac.compare_digest(data.password, self._password.encode())
        )
        # not handled: only then the server itself answers with 535
        return AuthResult(success=is_known, handled=False)


def _fault_of(address: str) -> Recipient | None:
    return find_fault(scripted_faults.RECIPIENTS, address.lower())


def _cut(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()
