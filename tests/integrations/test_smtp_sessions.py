"""Email over real sessions: with the simulator's mail server, and with servers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from flask import Flask

from hub.core.errors import (
    ConnectionBroken,
    OutcomeUnknown,
    PermanentError,
    RecipientRefused,
    SendError,
    SlowDown,
    TransientError,
    Unreachable,
)
from hub.core.vocabulary import Status
from hub.integrations.base import Accepted, Outbound
from hub.integrations.smtp import session, session_pool
from hub.integrations.smtp.integration import Smtp
from hub.lib.provider_http import ProviderHttpClient
from hub.shared import integration_instances
from tests.hub_fixtures import credentials


def make_smtp(app: Flask, **settings: Any) -> Any:
    known = Smtp.demo_settings(credentials(app)) or {}
    return integration_instances.instances().create("smtp", known | settings, test=True)


def outbound(to: str = "eric@example.com", **more: Any) -> Outbound:
    return Outbound(**{"id": "msg_1", "attempt": 1, "to": to, "text": "Hello", **more})


def emails(simulator: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = simulator.test_client().get("/simulator/mail.json").json["emails"]
    return found


def test_email_arrives(in_app: Flask, simulator: Any) -> None:
    accepted = make_smtp(in_app).send(outbound(subject="Please sign"))
    assert accepted == Accepted("msg_1@acme.example", Status.SENT)
    [received] = emails(simulator)
    assert (received["sender"], received["recipient"]) == (
        "bounces@acme.example",
        "eric@example.com",
    )
    assert (received["subject"], received["text"]) == ("Please sign", "Hello\n")
    assert dict(received["headers"])["Message-ID"] == "<msg_1@acme.example>"


@pytest.mark.parametrize(
    ("name", "error", "code"),
    [
        ("nobody", RecipientRefused, "5.1.1"),
        ("no-domain", RecipientRefused, "5.1.2"),
        ("moved", RecipientRefused, "5.1.6"),
        ("disabled", RecipientRefused, "5.2.1"),
        ("plain550", RecipientRefused, "rcpt_550"),
        ("policy", PermanentError, "5.7.1"),
        ("spam", PermanentError, "5.7.1"),
        ("gmail", PermanentError, "5.7.26"),
        ("outlook", PermanentError, "5.7.515"),
        ("yahoo", PermanentError, "5.7.9"),
        ("large", PermanentError, "5.3.4"),
        ("content", PermanentError, "5.6.0"),
        ("greylisted", TransientError, "4.7.1"),
        ("busy", SlowDown, "4.3.2"),
        ("rate", SlowDown, "too_many"),
        ("full", TransientError, "4.2.2"),
        ("still-full", TransientError, "5.2.2"),
        ("fault", TransientError, "4.3.0"),
        ("cut", TransientError, "connection_lost"),
        ("lost", OutcomeUnknown, "no_reply"),
    ],
)
def test_every_failing_recipient_has_its_error(
    in_app: Flask, simulator: Any, name: str, error: type[SendError], code: str
) -> None:
    one = make_smtp(in_app)
    with pytest.raises(SendError) as problem:
        one.send(outbound(f"{name}@fail.example"))
    assert (type(problem.value), problem.value.code) == (error, code)
    assert one.explain(code) is not None
    one.send(outbound())  # the next message is sent, over this session or a new one
    assert emails(simulator)[-1]["recipient"] == "eric@example.com"


def test_silent_server_leaves_the_outcome_unknown(
    in_app: Flask, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "CONFIRM_SECONDS", 0.3)
    with pytest.raises(OutcomeUnknown) as problem:
        make_smtp(in_app).send(outbound("silent@fail.example"))
    assert problem.value.code == "no_reply"


def test_sessions_are_kept_and_each_thread_has_its_own(in_app: Flask, simulator: Any) -> None:
    one = make_smtp(in_app)
    opened: list[session.Session] = []
    open_session = one._pool.open

    def count() -> session.Session:
        opened.append(open_session())
        return opened[-1]

    one._pool.open = count
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: one.send(outbound(id=f"msg_{n}")), range(40)))
    assert len(emails(simulator)) == 40
    assert len(opened) <= 4
    assert sum(each.messages for each in opened) == 40


def test_session_that_the_server_closed_is_replaced(in_app: Flask, simulator: Any) -> None:
    one = make_smtp(in_app)
    one.send(outbound())
    [idle_session] = one._pool._idle
    idle_session.sock.shutdown(socket.SHUT_RDWR)
    one.send(outbound(id="msg_2"))
    assert len(emails(simulator)) == 2


def test_session_is_used_for_a_limited_time(
    in_app: Flask, simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make_smtp(in_app)
    one.send(outbound())
    [idle_session] = one._pool._idle
    monkeypatch.setattr(session_pool, "KEEP_SECONDS", -1.0)
    one.send(outbound(id="msg_2"))
    assert idle_session not in one._pool._idle
    assert idle_session.sock is None


def test_check_signs_in_and_sends_nothing(in_app: Flask, simulator: Any) -> None:
    result = make_smtp(in_app).run_check()
    assert result.ok
    assert "smtputf8" in result.response
    assert emails(simulator) == []


def test_wrong_password_names_the_setting(in_app: Flask, simulator: Any) -> None:
    result = make_smtp(in_app, password="wrong").run_check()
    assert (result.ok, result.field, result.code) == (False, "password", "5.7.8")
    with pytest.raises(ConnectionBroken):
        make_smtp(in_app, password="wrong").send(outbound())


def test_address_with_other_letters_before_the_at_sign_is_sent(
    in_app: Flask, simulator: Any
) -> None:
    make_smtp(in_app).send(outbound("жук@почта.example"))
    assert emails(simulator)[0]["recipient"] == "жук@xn--80a1acny.example"


# ── The rules for outgoing addresses ──────────────────────────────────────────────────────────────
def direct(allow: str = "", **settings: Any) -> Smtp:
    """Return an integration with its own server, as a live connection has."""
    known = {
        "host": "127.0.0.1",
        "port": 25,
        "encryption": "starttls",
        "from_address": "a@acme.example",
        "from_name": "Acme",
    }
    return Smtp(known | settings, ProviderHttpClient(allow={allow} if allow else ()))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254"])
@pytest.mark.parametrize("encryption", ["tls", "starttls"])
def test_server_in_a_private_network_is_refused(host: str, encryption: str) -> None:
    with pytest.raises(Unreachable, match="HUB_HTTP_ALLOW") as problem:
        direct(host=host, encryption=encryption).send(outbound())
    assert problem.value.code == "address_not_allowed"


def test_unencrypted_connection_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(Unreachable, match="not encrypted"):
        direct(host="mail.example.com", encryption="none").send(outbound())


# ── Servers that misbehave ────────────────────────────────────────────────────────────────────────
@contextmanager
def misbehaving(*replies: bytes) -> Iterator[int]:
    """Serve one connection: a reply for the connection and one for each line; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream, suppress(OSError):
            for reply in replies:
                connection.sendall(reply)
                if not stream.readline():
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()
        thread.join(5)


@pytest.mark.parametrize(
    ("replies", "error", "code"),
    [
        ([b"HTTP/1.1 400 Bad Request\r\n"], TransientError, "bad_reply"),
        ([b"554 No service\r\n"], ConnectionBroken, "connect_554"),
        ([b"421 4.3.2 Too busy\r\n"], SlowDown, "4.3.2"),
        ([b"220 ok\r\n", b"250 ok\r\n"], ConnectionBroken, "no_starttls"),
        (
            [b"220 ok\r\n", b"250-ok\r\n250 STARTTLS\r\n", b"220 go\r\n250 injected\r\n"],
            TransientError,
            "bad_reply",
        ),
        ([b"220 " + b"x" * 20_000], TransientError, "connection_lost"),
    ],
)
def test_misbehaving_server_has_its_error(
    replies: list[bytes], error: type[SendError], code: str
) -> None:
    with misbehaving(*replies) as port, pytest.raises(SendError) as problem:
        direct(f"127.0.0.1:{port}", port=port).send(outbound())
    assert (type(problem.value), problem.value.code) == (error, code)


def test_sender_that_the_server_rejects_pauses_the_connection() -> None:
    replies = [b"220 ok\r\n", b"250 ok\r\n", b"550 not your address\r\n"]
    with misbehaving(*replies) as port, pytest.raises(ConnectionBroken) as problem:
        direct(f"127.0.0.1:{port}", port=port, encryption="none").send(outbound())
    assert problem.value.code == "mail_550"


def test_error_never_quotes_the_server() -> None:
    replies = [b"220 ok\r\n", b"250 ok\r\n", b"250 ok\r\n", b"550 5.1.1 SECRET of eric\r\n"]
    with misbehaving(*replies) as port, pytest.raises(RecipientRefused) as problem:
        direct(f"127.0.0.1:{port}", port=port, encryption="none").send(outbound())
    assert "SECRET" not in str(problem.value)
