"""Apprise: posts through its services, refusals, and the test of the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from hub.integrations.api import (
    Accepted,
    Button,
    Card,
    ConnectionBroken,
    DestinationUnavailable,
    Outbound,
    OutcomeUnknown,
    PermanentError,
    ProviderHttpClient,
    SendError,
    SlowDown,
    Status,
    Unreachable,
)
from hub.integrations.apprise import Apprise
from hub.integrations.calls import NotAllowed
from tests.integrations.http_recorder import HttpRecorder
from tests.lib.provider_pages import Page
from tests.lib.test_provider_tls import certificate as certificate
from tests.lib.test_provider_tls import serve_tls as serve_tls

# the test of the contract reads these
SETTINGS = {
    "url": "discord://417429632418316298/JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5",
    "own_server": "",
}
SAMPLE_ACCEPTED = (204, "")
SAMPLE_REFUSALS = [(401, "{}", "http_401"), (404, "{}", "http_404")]
SAMPLE_CODES = ["http_401", "http_404", "http_429", "refused", "bad_answer", "other_host"]
SECRET = "JHZ7lQml277CDHmQKMHI8qBe7bk2ZwO5"
PATH = f"/apprise/discord.com/api/webhooks/417429632418316298/{SECRET}"


@pytest.fixture
def connection(http_recorder: HttpRecorder) -> Apprise:
    """Return a connection whose requests go to the recorder, whatever their host."""
    client = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    return Apprise(SETTINGS, client, {"apprise": http_recorder.url})


def connect_own(url: str, own_server: str, *, is_allowed: bool = True) -> Apprise:
    """Return a connection to a server that the settings name as the admin's own."""
    client = ProviderHttpClient(allow=[own_server] if is_allowed else [])
    return Apprise({"url": url, "own_server": own_server}, client)


def outbound(connection: Apprise, text: str = "Anna has signed.", **more: Any) -> Outbound:
    to = connection.destination_of(connection.settings)
    return Outbound(id="msg_1", attempt=1, to=to, text=text, **more)


# ── Posting ───────────────────────────────────────────────────────────────────────────────────────
def test_message_is_posted_in_one_request(connection: Apprise, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(200, "")
    assert connection.send(outbound(connection)) == Accepted("", Status.SENT)
    assert http_recorder.paths == [PATH]
    assert http_recorder.bodies == [{"tts": False, "wait": True, "content": "Anna has signed."}]
    assert http_recorder.headers[0]["user-agent"] == "Signpost"


def test_card_is_written_in_lines_with_its_links(connection: Apprise) -> None:
    card = Card("Employment Agreement", (("State", "1 of 2 signed"),), ("Dana reminded Eric",))
    buttons = (Button("Open document", "https://sign.example/r/1_2"),)
    text = connection.render(outbound(connection, card=card, buttons=buttons))["text"]
    assert text.splitlines() == [
        "Employment Agreement",
        "Anna has signed.",
        "State: 1 of 2 signed",
        "Dana reminded Eric",
        "Open document: https://sign.example/r/1_2",
    ]


def test_text_neither_formats_the_post_nor_mentions_people(connection: Apprise) -> None:
    text = "*Anna* <b> @everyone a@b.example https://sign.example/a_b_c"
    assert connection.render(outbound(connection, text))["text"] == (
        r"\*Anna\* \<b\> @" + "\u200b" + "everyone a@b.example https://sign.example/a_b_c"
    )


def test_longest_text_is_shortened_and_not_split(
    connection: Apprise, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, "")
    buttons = (Button("Open document", "https://sign.example/r/1"),)
    connection.send(outbound(connection, "Ünïcödé *x* 🎉 " * 900, buttons=buttons))
    [body] = http_recorder.bodies
    assert 990 < len(body["content"]) <= 1000
    assert body["content"].endswith("…\nOpen document: https://sign.example/r/1")


def test_commands_of_apprise_in_a_text_have_no_effect(
    connection: Apprise, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(200, "")
    connection.send(outbound(connection, r"{{app_id}} ${HOME} :smile: \n"))
    [body] = http_recorder.bodies
    assert body["content"].replace("\\{", "{") == r"{{app\_id}} ${HOME} :smile: \n"


def test_other_channel_is_refused(connection: Apprise, http_recorder: HttpRecorder) -> None:
    with pytest.raises(PermanentError, match="only to the service of its URL"):
        connection.send(Outbound(id="msg_1", attempt=1, to="ntfy/0123456789ab", text="Hello"))
    assert http_recorder.seen == []


# ── Refusals ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("status", "text", "error", "code"),
    [
        (400, "invalid", DestinationUnavailable, "http_400"),
        (401, "", ConnectionBroken, "http_401"),
        (403, "", ConnectionBroken, "http_403"),
        (404, "", DestinationUnavailable, "http_404"),
        (410, "", DestinationUnavailable, "http_410"),
        (413, "", PermanentError, "http_413"),
        (418, "", DestinationUnavailable, "http_418"),
        (429, "", SlowDown, "http_429"),
        (401, "<html>Sign in</html>", Unreachable, "http_401"),
        (200, "<html>Sign in</html>", OutcomeUnknown, "http_200"),
        (408, "", OutcomeUnknown, "http_408"),
        (500, "", OutcomeUnknown, "http_500"),
        (503, "", OutcomeUnknown, "http_503"),
    ],
)
def test_status_of_a_refusal_decides_its_error(
    connection: Apprise,
    http_recorder: HttpRecorder,
    status: int,
    text: str,
    error: type[SendError],
    code: str,
) -> None:
    http_recorder.answer(status, text)
    with pytest.raises(SendError) as problem:
        connection.send(outbound(connection))
    assert (type(problem.value), problem.value.code) == (error, code)
    assert "Discord" in str(problem.value)
    assert len(http_recorder.seen) == 1


def test_pause_that_a_service_asks_for_is_left_to_the_scheduler(
    connection: Apprise, http_recorder: HttpRecorder
) -> None:
    # Apprise would sleep until the time in the header, and send again
    later = str(int(time.time()) + 3600)
    http_recorder.answer(
        429, "", Retry_After="7", X_RateLimit_Remaining="0", X_RateLimit_Reset=later
    )
    started = time.monotonic()
    with pytest.raises(SlowDown) as problem:
        connection.send(outbound(connection))
    assert (problem.value.retry_after, len(http_recorder.seen)) == (7, 1)
    assert time.monotonic() - started < 5


def test_refusal_with_a_successful_status_is_a_refusal(http_recorder: HttpRecorder) -> None:
    client = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    url = "lark://f0a1b2c3-d4e5-4678-9abc-def012345678"
    lark = Apprise({"url": url, "own_server": ""}, client, {"apprise": http_recorder.url})
    http_recorder.answer(200, {"code": 19001, "msg": "param invalid: incoming webhook token"})
    with pytest.raises(DestinationUnavailable, match="Lark did not accept") as problem:
        lark.send(outbound(lark))
    assert (problem.value.code, problem.value.sure) == ("refused", False)


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        ({"success": False, "error": "NO_RECIPIENTS"}, DestinationUnavailable, "refused"),
        ("", OutcomeUnknown, "bad_answer"),
        ("[]", OutcomeUnknown, "bad_answer"),
        ({"success": True}, type(None), ""),
    ],
)
def test_answer_that_cannot_be_read_is_no_refusal(
    http_recorder: HttpRecorder, answer: Any, error: type, code: str
) -> None:
    client = ProviderHttpClient(allow=[f"127.0.0.1:{http_recorder.port}"])
    url = "pushy://Kq7wN2mX8pZ4aW5Cd3Vb/@signing"
    pushy = Apprise({"url": url, "own_server": ""}, client, {"apprise": http_recorder.url})
    http_recorder.answer(200, answer)
    problem = None
    try:
        pushy.send(outbound(pushy))
    except SendError as raised:
        problem = raised
    assert (type(problem), problem.code if problem else "") == (error, code)


def test_redirect_is_not_followed(connection: Apprise, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(302, "", Location=f"{http_recorder.url}/elsewhere")
    with pytest.raises(OutcomeUnknown):
        connection.send(outbound(connection))
    assert http_recorder.paths == [PATH]


def test_lost_response_leaves_the_outcome_unknown(connection: Apprise) -> None:
    with pytest.raises(OutcomeUnknown, match="Discord closed the connection"):
        connection.send(outbound(connection))  # the server closes the connection


def test_refused_connection_is_unreachable() -> None:
    own = connect_own("gotify://127.0.0.1:1/Apq3xV9kLmT2wRz", "127.0.0.1:1")
    with pytest.raises(Unreachable, match="Could not reach Gotify"):
        own.send(outbound(own))


# ── Servers of admins ─────────────────────────────────────────────────────────────────────────────
def test_own_server_receives_the_message(http_recorder: HttpRecorder) -> None:
    server = f"127.0.0.1:{http_recorder.port}"
    own = connect_own(f"gotify://{server}/Apq3xV9kLmT2wRz?priority=8", server)
    http_recorder.answer(200, {"id": 1})
    assert own.send(outbound(own)).status == "sent"
    assert http_recorder.paths == ["/message"]
    assert http_recorder.headers[0]["x-gotify-key"] == "Apq3xV9kLmT2wRz"
    assert http_recorder.bodies == [{"priority": 8, "title": "", "message": "Anna has signed."}]


def test_private_server_needs_to_be_listed_in_http_allow(http_recorder: HttpRecorder) -> None:
    server = f"127.0.0.1:{http_recorder.port}"
    own = connect_own(f"gotify://{server}/Apq3xV9kLmT2wRz", server, is_allowed=False)
    with pytest.raises(NotAllowed, match="HUB_HTTP_ALLOW"):
        own.send(outbound(own))
    result = own.run_check()
    assert (result.ok, result.field) == (False, "own_server")
    assert http_recorder.seen == []


def test_server_that_is_not_named_receives_nothing(http_recorder: HttpRecorder) -> None:
    server = f"127.0.0.1:{http_recorder.port}"
    settings = {"url": f"gotify://{server}/Apq3xV9kLmT2wRz", "own_server": ""}
    other = Apprise(settings, ProviderHttpClient(allow=[server]))
    with pytest.raises(ConnectionBroken) as problem:
        other.send(outbound(other))
    assert (problem.value.code, http_recorder.seen) == ("other_host", [])


def test_server_whose_certificate_is_not_trusted_receives_nothing(
    serve_tls: Callable[..., int],
) -> None:
    Page.requests = []
    server = f"127.0.0.1:{serve_tls()}"
    own = connect_own(f"gotifys://{server}/Apq3xV9kLmT2wRz", server)
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        own.send(outbound(own))
    assert Page.requests == []


# ── Testing ───────────────────────────────────────────────────────────────────────────────────────
def test_check_posts_a_test_message(connection: Apprise, http_recorder: HttpRecorder) -> None:
    http_recorder.answer(204, "")
    result = connection.run_check()
    assert (result.ok, result.title) == (True, "Discord accepted a test message.")
    assert http_recorder.paths == [PATH]


def test_failed_check_names_the_setting_and_hides_the_url(
    connection: Apprise, http_recorder: HttpRecorder
) -> None:
    http_recorder.answer(401, {"message": SECRET})
    result = connection.run_check()
    assert (result.ok, result.field) == (False, "url")
    assert result.title == "Discord rejected the credentials."
    assert "/apprise/discord.com/•••" in result.response
    assert SECRET not in str(result)
    assert "417429632418316298" not in str(result)


def test_url_that_is_no_longer_supported_breaks_the_connection() -> None:
    old = Apprise({"url": "oldservice://token"}, ProviderHttpClient())
    with pytest.raises(ConnectionBroken) as problem:
        old.send(outbound(old))
    assert problem.value.code == "not_supported"
    assert old.render(outbound(old))["text"] == "Anna has signed."


def test_destination_names_the_service_and_no_part_of_the_url() -> None:
    destination = Apprise.destination_of(SETTINGS)
    assert destination.startswith("discord/")
    assert len(destination) == len("discord/") + 12
    assert Apprise.clean_address(f" {destination.upper()} ") == destination
    assert Apprise.destination_label(destination) == "one receiver at Discord"
    assert Apprise.destination_label("oldservice/0123456789ab") == "oldservice/0123456789ab"
