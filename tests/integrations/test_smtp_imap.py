"""Mailboxes over IMAP, with a small server on loopback."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from hub.connections import demo
from hub.core.errors import ConnectionBroken, HubError, TransientError, Unreachable
from hub.db.engine import db
from hub.intake import mailboxes
from hub.integrations.smtp.integration import Smtp
from hub.lib.provider_http import ProviderHttpClient
from hub.lib.shutdown import ShutdownSignal
from hub.models import Connection, ProviderCallback
from hub.shared import integration_instances
from tests.hub_fixtures import hub_demo as hub_demo

SETTINGS = {
    "host": "smtp.example.com",
    "port": 465,
    "encryption": "tls",
    "from_address": "sign@acme.example",
    "username": "sign@acme.example",
    "password": "right",
    "imap_host": "imap.example.com",
}


class ImapServer:
    """A mailbox that answers the commands that Signpost uses."""

    def __init__(self) -> None:
        self.emails: list[bytes] = []
        self.sizes: dict[int, int] = {}  # in place of the true ones, by the position
        self.seen: set[int] = set()
        self.commands: list[str] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with suppress(OSError), connection, connection.makefile("rwb") as stream:
                stream.write(b"* OK ready\r\n")
                stream.flush()
                while line := stream.readline():
                    tag, _, command = line.decode().strip().partition(" ")
                    self.commands.append(command)
                    for reply in self.replies(command):
                        stream.write(reply)
                    is_refused = command.startswith("LOGIN") and "right" not in command
                    stream.write(f"{tag} {'NO' if is_refused else 'OK'} done\r\n".encode())
                    stream.flush()

    def stop(self) -> None:
        """Accept no more connections. To close is not enough while a thread accepts."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def replies(self, command: str) -> Iterator[bytes]:
        if command == "CAPABILITY":
            yield b"* CAPABILITY IMAP4rev1\r\n"
        elif command.startswith("SELECT"):
            yield f"* {len(self.emails)} EXISTS\r\n".encode()
        elif command == "UID SEARCH UNSEEN":
            unseen = [str(n + 1) for n in range(len(self.emails)) if n not in self.seen]
            yield f"* SEARCH {' '.join(unseen)}\r\n".encode()
        elif found := re.fullmatch(r"UID FETCH (\d+) \(BODY\.PEEK\[\]\)", command):
            content = self.emails[int(found[1]) - 1]
            head = f"* {found[1]} FETCH (UID {found[1]} BODY[] {{{len(content)}}}\r\n"
            yield head.encode() + content + b")\r\n"
        elif found := re.fullmatch(r"UID FETCH (\d+) \(RFC822\.SIZE\)", command):
            size = self.sizes.get(int(found[1]) - 1, len(self.emails[int(found[1]) - 1]))
            yield f"* {found[1]} FETCH (UID {found[1]} RFC822.SIZE {size})\r\n".encode()
        elif found := re.fullmatch(r"UID STORE (\d+) \+FLAGS \(\\Seen\)", command):
            self.seen.add(int(found[1]) - 1)


@pytest.fixture
def server() -> Iterator[ImapServer]:
    made = ImapServer()
    yield made
    made.stop()


def mailbox(server: ImapServer, **changes: Any) -> Smtp:
    allow = {f"127.0.0.1:{server.port}"}
    api = {"imap": f"imap://127.0.0.1:{server.port}"}
    return Smtp(SETTINGS | changes, ProviderHttpClient(allow=allow), api)


def test_unread_emails_are_read_once(server: ImapServer) -> None:
    server.emails = [b"Subject: one\r\n\r\nHello", b"Subject: two\r\n\r\n" + "жук".encode() * 2000]
    stored: list[bytes] = []
    one = mailbox(server)
    assert one.read_mailbox(stored.append) == 2
    assert stored == server.emails
    assert one.read_mailbox(stored.append) == 0
    assert server.seen == {0, 1}


def test_huge_email_is_marked_as_read_and_not_loaded(server: ImapServer) -> None:
    server.emails = [b"huge", b"small"]
    server.sizes = {0: 500_000_000}
    stored: list[bytes] = []
    assert mailbox(server).read_mailbox(stored.append) == 2
    assert stored == [b"small"]
    assert server.seen == {0, 1}
    assert "UID FETCH 1 (BODY.PEEK[])" not in server.commands


def test_email_that_was_not_stored_stays_unread(server: ImapServer) -> None:
    server.emails = [b"a", b"b"]

    def store(content: bytes) -> None:
        if content == b"b":
            raise RuntimeError

    with pytest.raises(RuntimeError):
        mailbox(server).read_mailbox(store)
    assert server.seen == {0}


def test_wrong_password_and_lost_connection_have_their_errors(server: ImapServer) -> None:
    for changes, error, code in (
        ({"password": "wrong"}, ConnectionBroken, "mailbox_sign_in"),
        ({"username": "line\r\nbreak"}, ConnectionBroken, "mailbox_sign_in"),
    ):
        with pytest.raises(error) as problem:
            mailbox(server, **changes).read_mailbox(print)
        assert problem.value.code.startswith(code)
    assert not any("break" in command for command in server.commands)
    server.stop()
    with pytest.raises(TransientError):
        mailbox(server).read_mailbox(print)


def test_mailbox_in_a_private_network_is_refused() -> None:
    one = Smtp({**SETTINGS, "imap_host": "127.0.0.1"}, ProviderHttpClient())
    with pytest.raises(Unreachable, match="HUB_HTTP_ALLOW"):
        one.read_mailbox(print)


def test_connection_without_a_mailbox_reads_nothing() -> None:
    assert Smtp({**SETTINGS, "imap_host": ""}, ProviderHttpClient()).read_mailbox(print) == 0


def test_chore_stores_emails_and_reports_a_mailbox_that_fails(
    hub_demo: Flask, server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo.connect_chats_and_mail()
    server.emails = [b"Subject: one\r\n\r\nHello", b"x" * 20]
    connection = db.session.scalars(select(Connection).where(Connection.channel == "email")).one()
    instances = integration_instances.instances()
    instances._instances[connection.id] = (connection.settings_version, mailbox(server))
    assert mailboxes.read_mailboxes(ShutdownSignal(30)) == 2
    db.session.rollback()
    assert len(db.session.scalars(select(ProviderCallback)).all()) == 2
    broken = mailbox(server, password="wrong")
    instances._instances[connection.id] = (connection.settings_version, broken)
    with pytest.raises(HubError, match="The mailbox of Demo Email over SMTP could not be read"):
        mailboxes.read_mailboxes(ShutdownSignal(30))


def test_mailboxes_are_due_once_a_minute(hub_demo: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mailboxes._last, "asked", -1000.0)
    assert not mailboxes.is_due(), "there is no connection for emails"
    demo.connect_chats_and_mail()
    assert not mailboxes.is_due(), "it was asked a moment ago"
    monkeypatch.setitem(mailboxes._last, "asked", -1000.0)
    assert mailboxes.is_due()
